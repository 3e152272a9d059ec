"""What each cell counts as: the same as fields come, from the store, and in a run that goes on."""

from __future__ import annotations

from collections import Counter

import cv2
import msgspec
import numpy as np
import pytest
from samples import cell, field
from textured_slide import HEIGHT, WIDTH, view

from edge.messages.field import ModelReference
from edge.messages.position import FieldPosition
from edge.slide.contribution import CUT, SMEARED, UNSTEADY, CellStanding, likeness, standing
from edge.slide.places import Joined, Place
from edge.slide.registration import packed, unpacked
from edge.slide.replay import standings
from edge.slide.scan import Scan, told
from edge.slide.sightings import DistinctCells

# Cells of the drawn slide: label, middle. Some lie where a field's edge cuts them.
CELLS = (
    ("neutrophil", 60, 60),
    ("lymphocyte", 180, 120),
    ("monocyte", 300, 60),
    ("neutrophil", 420, 180),
    ("eosinophil", 560, 100),
    ("lymphocyte", 700, 60),
)
PATH = (0, 100, 200, 320, 440, 320, 100)


def seen(x, focus):
    """Return what a perfect finder sees of the window at x; its cells' distance tells the window."""
    found = []
    for label, middle, y in CELLS:
        left, right = max(0, middle - 20 - x), min(WIDTH, middle + 20 - x)
        if right - left < 10:
            continue
        one = cell(label, cut_by_edge=right - left < 40)
        found.append(msgspec.structs.replace(one, box=(left, y - 20, right - left, 40), distance=focus))
    return found


def fields_of(scan, path, first=1):
    """Return a scan's fields and what each came to, as the daemon makes and stores them."""
    fields, contributions, said, pictures = [], [], {}, []
    for number, x in enumerate(path, first):
        focus = 5.0 + number % 3
        located = scan.locate(view(x))
        plain = field(number, *seen(x, focus))
        made = msgspec.structs.replace(
            plain,
            width=WIDTH,
            height=HEIGHT,
            quality=msgspec.structs.replace(plain.quality, focus=focus),
            position=None if located is None else told(located),
        )
        fields.append(made)
        contributions.append(scan.contribution(made))
        said |= {one.cell_id: one for one in scan.standings(made)}
        pictures.append(None if located is None or located.remembered is None else packed(located.remembered))
    return fields, contributions, said, pictures


def total(contributions):
    counted = Counter[str]()
    for one in contributions:
        counted.update(one.counted)
    return dict(+counted)


def test_every_cell_of_the_slide_is_counted_once_whatever_the_fields_overlap():
    fields, contributions, said, _ = fields_of(Scan(7), PATH)
    assert total(contributions) == dict(Counter(label for label, _, _ in CELLS))
    assert sum(one.incomplete for one in contributions) == 0
    assert {one.position.region for one in fields} == {7}
    whole = [one for one in said.values() if one.same_as is None]
    assert Counter(one.label for one in whole) == Counter(label for label, _, _ in CELLS)
    assert {one.aside for one in whole} == {None}
    ids = {one.cell_id for each in fields for one in each.cells}
    assert set(said) == ids
    # Each repeated sighting leads to the one that counts.
    ends = set()
    for name in said:
        end = name
        while (better := said[end].same_as) is not None:
            end = better
        ends.add(end)
    assert ends == {one.cell_id for one in whole}


def test_each_distinct_cell_says_once_how_like_the_known_ones_it_is():
    _, contributions, _, _ = fields_of(Scan(0), PATH)
    assert sum(len(one.likeness) for one in contributions) == len(CELLS)
    assert contributions[-1].likeness == ()


def test_of_the_stored_fields_alone_every_cell_counts_as_it_did():
    fields, _, said, _ = fields_of(Scan(0), PATH)
    again = standings(fields)
    assert {name: one for name, (_, one) in again.items()} == said
    sequences = {one.cell_id: each.sequence for each in fields for one in each.cells}
    assert {name: sequence for name, (sequence, _) in again.items()} == sequences


@pytest.mark.parametrize("split", [1, 3, 5])
@pytest.mark.parametrize("way", ["restore", "replay"])
def test_a_run_that_goes_on_counts_what_one_run_would_have_counted(split, way):
    whole, contributions, said, _ = fields_of(Scan(0), PATH)
    first, second = Scan(0), Scan(1)
    fields, before, told_before, pictures = fields_of(first, PATH[:split])
    for made, png, x in zip(fields, pictures, PATH, strict=False):
        if way == "replay":
            second.replay(view(x), made)
        else:
            second.restore(made, unpacked(png, HEIGHT, WIDTH) if png else None)
    more, after, told_after, _ = fields_of(second, PATH[split:], split + 1)
    assert total(before + after) == total(contributions)
    assert sum(one.incomplete for one in before + after) == 0
    assert [one.position for one in fields + more] == [one.position for one in whole]
    # What the earlier run has told is not told again, where nothing has changed.
    labels = Counter(one.label for one in said.values() if one.same_as is None)
    assert Counter(o.label for o in (told_before | told_after).values() if o.same_as is None) == labels
    known = {one.cell_id for made in fields for one in made.cells}
    assert all(told_before[name] != one for name, one in told_after.items() if name in known)


def test_a_smeared_field_has_no_place_and_none_of_its_cells_counts():
    scan = Scan(0)
    fields_of(scan, PATH)
    flown = cv2.blur(view(200), (120, 1))
    assert scan.locate(flown) is None
    made = msgspec.structs.replace(field(20, *seen(200, 1.0)), position=None)
    counted = scan.contribution(made)
    assert (counted.accepted, counted.counted, counted.unclassified, counted.incomplete) == (True, {}, {}, 0)
    assert counted.model == made.model
    assert {one.aside for one in scan.standings(made)} <= {SMEARED}
    fields, *_ = fields_of(Scan(0), PATH[:2])
    replayed = standings([*fields, made])
    for one in made.cells:
        assert replayed[one.cell_id] == (20, CellStanding(one.cell_id, one.label, SMEARED))


def test_where_nothing_is_registered_each_cell_stands_for_itself():
    made = field(
        3, cell("monocyte"), cell("monocyte", cut_by_edge=True), cell("monocyte", rejected="uncertain")
    )
    asides = [(sequence, one.aside, one.doubtful) for sequence, one in standings([made]).values()]
    assert asides == [(3, None, False), (3, CUT, False), (3, "uncertain", True)]


def test_regions_that_merge_are_one_when_told_from_the_store_too():
    # Two jumps, and a bridge between them.
    fields, contributions, said, _ = fields_of(Scan(0), (0, 440, 220, 0, 440))
    assert any(one.position.merged is not None for one in fields)
    assert total(contributions) == dict(Counter(label for label, *_ in CELLS))
    assert {name: one for name, (_, one) in standings(fields).items()} == said


@pytest.mark.parametrize(
    ("change", "aside", "expected"),
    [
        ({}, None, (None, False)),
        ({"flags": ("evidence outside the cell",)}, None, (None, True)),
        ({"label": "other"}, None, (None, True)),
        ({"rejected": "uncertain"}, None, ("uncertain", True)),
        ({"rejected": "uncertain"}, UNSTEADY, (UNSTEADY, False)),
        ({"cut_by_edge": True, "rejected": "uncertain"}, None, (CUT, False)),
        ({"cut_by_edge": True}, UNSTEADY, (UNSTEADY, False)),
    ],
)
def test_doubtful_is_what_the_model_did_not_name_or_named_with_a_remark(change, aside, expected):
    one = msgspec.structs.replace(cell("monocyte"), **change)
    assert standing(one, aside) == CellStanding(one.cell_id, one.label, *expected)


def test_a_cell_whose_model_tells_no_distance_is_like_nothing():
    told_, silent = cell(), cell(rejected="uncertain")
    told_ = msgspec.structs.replace(told_, distance=0.0, probability=0.4, rejected="other")
    assert likeness([silent, told_]) == ((0.0, 0.4, "other"),)


def show(distinct, x, *cells, focus=1.0):
    distinct.add(Place(0, x, 0), cells, focus=focus, size=(640, 480))


def at(label, x, y, width=60, height=60, **changes):
    return msgspec.structs.replace(cell(label), box=(x, y, width, height), **changes)


def test_what_a_cell_counts_as_is_told_once_and_again_when_it_changes():
    distinct = DistinctCells()
    one = at("monocyte", 100, 100)
    show(distinct, 0, one)
    assert distinct.changes() == (CellStanding(one.cell_id, "monocyte"),)
    assert distinct.changes() == ()
    show(distinct, 0)
    assert distinct.changes() == ()  # found in half of the fields that show it
    show(distinct, 0)
    assert distinct.changes() == (CellStanding(one.cell_id, "monocyte", UNSTEADY),)
    sharper = at("lymphocyte", 100, 100)
    show(distinct, 0, sharper, focus=2.0)
    assert set(distinct.changes()) == {
        CellStanding(one.cell_id, "monocyte", same_as=sharper.cell_id),
        CellStanding(sharper.cell_id, "lymphocyte"),
    }
    cut = at("neutrophil", 100, 100, cut_by_edge=True)
    show(distinct, 0, cut, focus=9.0)
    assert distinct.changes() == (CellStanding(cut.cell_id, "neutrophil", CUT, same_as=sharper.cell_id),)


def test_refused_cells_are_unclassified_by_their_reason_and_unsteady_ones_apart():
    distinct = DistinctCells()
    refused = at("monocyte", 100, 100, rejected="uncertain")
    for _ in range(2):
        show(distinct, 0, refused, at("neutrophil", 300, 100))
    show(distinct, 0, at("neutrophil", 300, 100), at("eosinophil", 500, 300))
    for _ in range(2):
        show(distinct, 0, refused, at("neutrophil", 300, 100))
    found = distinct.contribution()
    assert (found.accepted, found.counted, found.incomplete) == (True, {"neutrophil": 1}, 0)
    assert found.unclassified == {"uncertain": 1, UNSTEADY: 1}


@pytest.mark.parametrize(
    ("beside", "one"),
    # Less than half the smaller one's side apart.
    [((29, 0, 60, 60), True), ((30, 0, 60, 60), False), ((0, 29, 60, 60), True), ((20, 22, 60, 60), True),
     ((22, 22, 60, 60), False), ((10, 10, 20, 20), False), ((20, 12, 20, 20), True)],
)  # fmt: skip
def test_two_whole_boxes_are_one_cells_where_their_middles_are_near(beside, one):
    distinct = DistinctCells()
    x, y, width, height = beside
    show(distinct, 0, at("monocyte", 100, 100))
    show(distinct, 0, at("monocyte", 100 + x, 100 + y, width, height))
    assert len(distinct) == (1 if one else 2)


@pytest.mark.parametrize(
    ("x", "one"), [(29, True), (31, True), (49, True), (51, False), (61, False), (-11, False), (-9, True)]
)
def test_a_cut_piece_is_of_the_cell_that_holds_more_than_half_of_it(x, one):
    distinct = DistinctCells()
    show(distinct, 0, at("monocyte", 100, 100))
    show(distinct, 0, at("monocyte", 100 + x, 100, 20, 60, cut_by_edge=True))
    assert len(distinct) == (1 if one else 2)
    assert distinct.contribution().incomplete == (0 if one else 1)


def test_a_cell_that_grows_whole_from_two_cut_pieces_is_one():
    distinct = DistinctCells()
    show(distinct, 0, at("monocyte", 100, 100, 25, 60, cut_by_edge=True))
    show(distinct, 0, at("monocyte", 135, 100, 25, 60, cut_by_edge=True))
    assert (len(distinct), distinct.contribution().incomplete) == (2, 2)
    whole = at("neutrophil", 100, 100)
    show(distinct, 0, whole)
    assert [one.cell for one in distinct.best] == [whole]
    assert distinct.contribution().counted == {"neutrophil": 1}
    assert {one.same_as for one in distinct.changes() if one.cell_id != whole.cell_id} == {whole.cell_id}


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (76, 0, True),
        (77, 0, False),
        (0, 76, True),
        (0, 77, False),
        (-456, 0, True),
        (-457, 0, False),
        (0, -296, True),
        (0, -297, False),
    ],
)
def test_only_a_field_that_has_a_cell_well_inside_says_that_it_is_not_there(x, y, says):
    # The margin is a twentieth of the field's height, 24 pixels, on all sides.
    distinct = DistinctCells()
    show(distinct, 0, at("monocyte", 100, 100))
    for _ in range(2):
        distinct.add(Place(0, x, y), (), focus=1.0, size=(640, 480))
    assert distinct.contribution().counted == ({} if says else {"monocyte": 1})


def test_joined_regions_lie_where_they_were_found_to_lie():
    distinct = DistinctCells()
    distinct.add(Place(3, 10, 20), [at("monocyte", 100, 100)], focus=1.0, size=(640, 480))
    distinct.join(Joined(3, 1, 1000.5, -200.0))
    (one,) = distinct.best
    assert (one.region, one.box, one.middle) == (1, (1110.5, -80.0, 60, 60), (1140.5, -50.0))


def test_the_model_of_a_field_is_told_with_what_it_adds():
    scan = Scan(0)
    fields, contributions, *_ = fields_of(scan, PATH[:1])
    assert isinstance(contributions[0].model, ModelReference)
    assert contributions[0].model == fields[0].model
    assert np.isfinite([one.distance for one in contributions[0].likeness]).all()


def test_what_tells_of_the_microscope_is_each_cell_once_when_it_is_first_whole():
    scan, usual, unlike = Scan(1), 0.5, 3.0
    old = msgspec.structs.replace(cell("neutrophil"), box=(300, 20, 80, 80), distance=unlike)

    def likeness_of(number, *cells):
        made = msgspec.structs.replace(
            field(number, old, *cells), width=WIDTH, height=HEIGHT, position=FieldPosition(1, 0.0, 0.0)
        )
        return [one.distance for one in scan.contribution(made).likeness]

    cut = msgspec.structs.replace(cell("monocyte", cut_by_edge=True), box=(0, 100, 20, 40), distance=9.0)
    whole = msgspec.structs.replace(cell("monocyte"), box=(0, 100, 40, 40), distance=usual)
    assert likeness_of(1) == [unlike]
    assert likeness_of(2, cut) == [], "half a cell tells nothing"
    assert likeness_of(3, whole) == [usual]
    assert likeness_of(4, whole) == []


def test_a_stage_at_rest_takes_no_more_memory():
    cells = DistinctCells()
    one = msgspec.structs.replace(cell("neutrophil"), box=(100, 100, 40, 40))
    rng = np.random.default_rng(0)
    for x, y in rng.normal(0, 0.5, (500, 2)).tolist():
        cells.add(Place(1, x, y), [one], 5.0, (640, 480))
    assert sum(len(frames) for frames in cells._frames.values()) < 10  # noqa: SLF001 (what it takes is the matter)
    late = msgspec.structs.replace(cell("neutrophil"), box=(300, 100, 40, 40))
    cells.add(Place(1, 0.0, 0.0), [one, late], 5.0, (640, 480))
    assert [each.shown for each in cells.best] == [501, 501], "all that was shown is known"
