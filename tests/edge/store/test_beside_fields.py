"""What is kept beside the fields: the slide's small pictures, cells and theirs, rulers, answers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta

import msgspec
import pytest
from samples import cell, field

from edge import identity
from edge.errors import SpecimenError
from edge.messages import Alignment, ModelReference, Scale
from edge.messages.position import FieldPosition
from edge.slide.contribution import CUT, CellStanding
from edge.store import command_log, keyframes
from edge.store.cells import StoredCell
from edge.store.command_log import MOST, REMEMBERED_S, Answer
from edge.store.fields import Store
from edge.store.pictures import CellPicture


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.db"


@pytest.fixture
def store(path):
    with Store.open(path) as opened:
        opened.start_specimen("S")
        yield opened


def add(store, sequence, *cells, **keywords):
    made = field(sequence, *cells, specimen_id=keywords.pop("specimen_id", "S"))
    assert store.add(made, **keywords)
    return made


def raw(path, statement, *values):
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement, values)


# The slide's small pictures


def test_every_live_field_comes_with_its_small_picture_the_first_one_too(store):
    fields = [add(store, number, keyframe=b"%d" % number if number % 2 else None) for number in (1, 2, 3)]
    add(store, 4, source_id="a file", keyframe=b"4")
    seen = [(each.field_id, picture) for each, picture in store.keyframes.seen("S")]
    assert seen == [(fields[0].field_id, b"1"), (fields[1].field_id, None), (fields[2].field_id, b"3")]
    assert list(store.keyframes.seen("another")) == []


@pytest.mark.parametrize("count", [100, 101, 200, 201])
def test_fields_of_many_pages_come_all_and_once(store, count):
    with store.transaction():
        for number in range(1, count + 1):
            add(store, number)
    assert [each.sequence for each, _ in store.keyframes.seen("S")] == list(range(1, count + 1))
    assert [each.sequence for each in store.fields("S")] == list(range(1, count + 1))
    assert len(list(store.contributions("S"))) == count


def test_one_field_that_cannot_be_read_hides_no_other(store, path):
    for number in (1, 2, 3):
        add(store, number, keyframe=b"x")
    raw(path, "UPDATE fields SET payload = x'00' WHERE sequence = 2")
    assert [each.sequence for each, _ in store.keyframes.seen("S")] == [1, 3]
    assert [each.sequence for each in store.cells.fields("S", 0, 9)] == [1, 3]


def test_of_too_many_small_pictures_the_oldest_go_of_this_specimen_alone(store, monkeypatch):
    monkeypatch.setattr(keyframes, "MAX_KEYFRAMES", 3)
    monkeypatch.setattr(keyframes, "_SURPLUS", 2)
    store.start_specimen("T")
    add(store, 1, specimen_id="T", keyframe=b"T")
    for number in range(2, 9):
        add(store, number, keyframe=b"S")
    kept = [each.sequence for each, picture in store.keyframes.seen("S") if picture]
    assert len(kept) in {3, 4}
    assert kept == list(range(9 - len(kept), 9))
    assert [picture for _, picture in store.keyframes.seen("T")] == [b"T"]


def test_small_pictures_of_a_stopped_specimen_go_after_its_days_and_of_an_ended_one_at_once(
    store, monkeypatch
):
    def start(name):
        store.ledger.start(name, target=None, wbc_count=None, resume=False)

    start("A")
    add(store, 1, specimen_id="A", keyframe=b"1")
    add(store, 2, specimen_id="A", keyframe=b"2")
    assert (store.keyframes.drop_closed(), store.keyframes.drop_long_closed(0)) == (0, 0), "it is open"
    store.ledger.stop()
    assert store.keyframes.drop_long_closed(3) == 0
    now = identity.now()
    monkeypatch.setattr(identity, "now", lambda: now + timedelta(days=2))
    assert store.keyframes.drop_long_closed(3) == 0
    monkeypatch.setattr(identity, "now", lambda: now + timedelta(days=4))
    assert store.keyframes.drop_long_closed(3) == 2
    start("B")
    add(store, 3, specimen_id="B", keyframe=b"3")
    store.ledger.stop()
    assert store.keyframes.drop_closed() == 1
    store.ledger.sign("mt.01", "B")
    add(store, 4, specimen_id="B", keyframe=b"4")
    assert [picture for _, picture in store.keyframes.seen("B")] == [None, None]


def test_the_oldest_small_pictures_are_dropped_first(store):
    for number in (1, 2, 3):
        add(store, number, keyframe=b"x")
    assert store.keyframes.drop_oldest(2) == 2
    assert [picture for _, picture in store.keyframes.seen("S")] == [None, None, b"x"]
    assert (store.keyframes.drop_oldest(2), store.keyframes.drop_oldest(2)) == (1, 0)


# Cells


def test_each_cell_says_what_it_counts_as_and_where_it_is(store):
    plain, refused, cut = cell("monocyte"), cell(rejected="uncertain"), cell(cut_by_edge=True)
    made = add(store, 7, plain, refused, cut, pictures=[CellPicture(refused.cell_id, b"jpeg")])
    assert store.cells.find(plain.cell_id) == StoredCell(
        "S", 7, CellStanding(plain.cell_id, "monocyte"), picture=False
    )
    assert store.cells.find(refused.cell_id) == StoredCell(
        "S", 7, CellStanding(refused.cell_id, "neutrophil", "uncertain", doubtful=True), picture=True
    )
    assert store.cells.find(cut.cell_id).standing.aside == CUT
    assert store.cells.find("nobody") is None
    assert (store.cells.field(7).field_id, store.cells.field(8)) == (made.field_id, None)


def test_a_sighting_that_a_better_one_replaces_leads_there_and_loses_its_picture(store):
    worse, other, better = cell(), cell("monocyte"), cell()
    add(
        store,
        1,
        *(worse, other),
        cells=[CellStanding(worse.cell_id, "neutrophil"), CellStanding(other.cell_id, "monocyte")],
        pictures=[CellPicture(worse.cell_id, b"1"), CellPicture(other.cell_id, b"2")],
    )
    changed = [
        CellStanding(better.cell_id, "neutrophil"),
        CellStanding(worse.cell_id, "neutrophil", same_as=better.cell_id),
        CellStanding(other.cell_id, "monocyte", "unsteady", doubtful=True),
    ]
    add(store, 2, better, cells=changed, pictures=[CellPicture(better.cell_id, b"3")])
    assert store.cells.find(worse.cell_id) == ("S", 1, changed[1], False)
    assert store.cells.find(other.cell_id) == ("S", 1, changed[2], True)
    assert store.cells.find(better.cell_id) == ("S", 2, changed[0], True)
    assert store.pictures.find(worse.cell_id) is None
    assert store.pictures.known("S") == {other.cell_id, better.cell_id}


@pytest.mark.parametrize("first", [1, 5])
def test_what_cells_count_as_is_found_out_where_it_is_missing(store, path, first):
    cells = [cell("monocyte"), cell(rejected="uncertain")]
    for number, one in enumerate(cells, first):
        add(store, number, one)
    known = store.ledger.standings("S")
    assert len(known) == 2
    raw(path, "DELETE FROM cells")
    assert store.ledger.standings("S") == {}
    store.cells.complete("S")
    assert store.ledger.standings("S") == known
    # What is there stays as it is.
    raw(path, "UPDATE cells SET aside = 'noted'")
    store.cells.complete("S")
    assert {one.aside for one in store.ledger.standings("S").values()} == {"noted"}


def test_of_placed_fields_the_same_cell_is_found_out_to_be_one(store, path):
    sightings = [msgspec.structs.replace(cell(), box=(300, 200, 60, 60)) for _ in range(3)]
    for number, one in enumerate(sightings, 1):
        placed = msgspec.structs.replace(field(number, one), position=FieldPosition(0, 0.0, 0.0))
        assert store.add(placed)
    raw(path, "DELETE FROM cells")
    store.cells.complete("S")
    counting = [one for one in store.ledger.standings("S").values() if one.same_as is None]
    assert len(counting) == 1
    assert store.cells.find(sightings[0].cell_id).sequence == 1


def test_fields_are_given_in_pieces_and_in_order(store):
    for number in range(1, 6):
        add(store, number)
    assert [one.sequence for one in store.cells.fields("S", -1, 2)] == [1, 2]
    assert [one.sequence for one in store.cells.fields("S", 2, 2)] == [3, 4]
    assert [one.sequence for one in store.cells.fields("S", 4, 2)] == [5]


# Pictures


def test_pictures_of_signed_specimens_are_dropped_before_all_others(store):
    ids = {}
    for number, name in enumerate(("S", "A", "B"), 1):
        if name != "S":
            store.ledger.start(name, target=None, wbc_count=None, resume=False)
        one = cell()
        ids[name] = one.cell_id
        add(store, number, one, specimen_id=name, pictures=[CellPicture(one.cell_id, name.encode())])
        if name != "S":
            store.ledger.stop()
    store.ledger.sign("mt.01", "B")
    assert store.pictures.drop_oldest(5) == 1
    assert [store.pictures.find(ids[name]) for name in ("S", "A", "B")] == [b"S", b"A", None]
    assert store.pictures.drop_oldest(1) == 1
    assert [store.pictures.find(ids[name]) for name in ("S", "A")] == [None, b"A"]
    assert (store.pictures.drop_oldest(9), store.pictures.drop_oldest(9)) == (1, 0)


# Rulers


def settled(value, **changes):
    return msgspec.structs.replace(
        Scale(micrometres_per_pixel=value, source="red cells", settled=True), **changes
    )


def test_a_cameras_scale_is_remembered_once_it_was_measured_and_settled(store):
    for scale in (None, settled(0.1, settled=False), settled(0.1, source="configured")):
        store.rulers.remember("camera", scale)
        assert store.rulers.of("camera") is None
    store.rulers.remember("camera", settled(0.12))
    store.rulers.remember("another", settled(0.2))
    store.rulers.remember("camera", settled(0.13))
    store.rulers.remember("camera", None)
    assert (store.rulers.of("camera"), store.rulers.of("another")) == (0.13, 0.2)


def test_the_newest_alignment_is_that_of_the_newest_field_that_states_one(store, path):
    assert store.latest_alignment("S") is None
    told = Alignment(cells=40, logits={"lymphocyte": -0.5})
    for number, alignment in enumerate((None, told, msgspec.structs.replace(told, cells=41), None), start=1):
        assert store.add(msgspec.structs.replace(field(number, specimen_id="S"), alignment=alignment))
    store.start_specimen("T")
    assert store.add(msgspec.structs.replace(field(9, specimen_id="T"), alignment=told))
    assert store.latest_alignment("S").cells == 41
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE fields SET payload = CAST('torn' AS BLOB) WHERE sequence = 3")
    assert store.latest_alignment("S").cells == 40


def test_a_cameras_alignment_is_remembered_for_its_model_once_it_is_settled(store):
    first, other = ModelReference("m", "0" * 64), ModelReference("m", "1" * 64)
    told = Alignment(cells=100, logits={"lymphocyte": -0.5, "other": 0.25}, settled=True)
    for alignment in (None, msgspec.structs.replace(told, cells=99, settled=False)):
        store.alignments.remember("camera", first, alignment)
        assert store.alignments.of("camera", first) is None
    store.alignments.remember("camera", first, told)
    store.alignments.remember("another", first, msgspec.structs.replace(told, logits={"other": 1.0}))
    assert store.alignments.of("camera", first) == {"lymphocyte": -0.5, "other": 0.25}
    assert store.alignments.of("camera", other) is None, "another model's logits are other numbers"
    store.alignments.remember("camera", other, msgspec.structs.replace(told, logits={"other": 2.0}))
    assert store.alignments.of("camera", other) == {"other": 2.0}
    assert store.alignments.of("camera", first) is None


# Answers


def answer(number, payload=b"{}"):
    return Answer(f"id {number}", "specimen/start", b"hash %d" % number, payload)


def test_answers_wait_in_their_order_until_they_are_sent_and_are_found_again_afterwards(store):
    for number in (1, 2, 3):
        store.answers.keep(answer(number))
    store.answers.mark_sent("id 2")
    store.answers.mark_sent("of nobody")
    assert [one.correlation_id for one in store.answers.unsent()] == ["id 1", "id 3"]
    assert store.answers.find("id 2").asked == b"hash 2"
    assert store.answers.find("id 9") is None


def test_of_many_answers_the_latest_are_kept(store):
    for number in range(MOST + 3):
        store.answers.keep(answer(number))
    kept = [one.correlation_id for one in store.answers.unsent()]
    assert kept == [f"id {number}" for number in range(3, MOST + 3)]


def test_an_answer_is_given_again_for_ten_minutes(store, monkeypatch):
    at = 5000.0
    monkeypatch.setattr(command_log.time, "monotonic", lambda: at)
    store.answers.keep(answer(1))
    at += REMEMBERED_S
    assert store.answers.find("id 1") is not None
    at += 1
    assert store.answers.find("id 1") is None
    # Of an earlier boot: no longer ago than this boot is old.
    monkeypatch.setattr(identity, "boot_id", lambda: "another")
    at = REMEMBERED_S
    assert store.answers.find("id 1") is not None
    at = REMEMBERED_S + 1
    assert store.answers.find("id 1") is None


# What the sources of specimens find


def test_who_meets_a_specimen_of_another_source_is_told_how_far_it_is(store, path):
    store.start_specimen("T", "a folder")
    with pytest.raises(SpecimenError) as told:
        store.start_specimen("T", "another folder")
    assert "0 fields with 0 cells counted, of another source" in str(told.value)
    add(store, 1, cell(), cell(rejected="uncertain"), specimen_id="T")
    add(store, 2, cell(), specimen_id="T")
    with pytest.raises(SpecimenError) as told:
        store.start_specimen("T", "another folder")
    assert "2 fields with 2 cells counted, the last one picture 2, of another source" in str(told.value)
    raw(path, "UPDATE fields SET payload = x'00' WHERE sequence = 2")
    with pytest.raises(SpecimenError, match="the last one not readable"):
        store.start_specimen("T", "another folder")


def test_a_source_begins_with_the_field_that_comes_next(store):
    assert store.start_specimen("T", "a folder").source_from == 1
    assert not store.ledger.has_begun(store.ledger.find("T"))
    add(store, 1, specimen_id="T")
    assert store.ledger.has_begun(store.ledger.find("T"))
    again = store.start_specimen("T", "another folder", resume=True)
    assert (again.source, again.source_from) == ("another folder", 2)
    assert not store.ledger.has_begun(again)
    add(store, 2, specimen_id="T")
    assert store.ledger.has_begun(store.ledger.find("T"))
    assert store.start_specimen("U", "a third").source_from == 3


def test_what_was_stored_of_a_picture_is_found_by_it_and_else_nothing(store, path):
    made = add(store, 1, source_id="a file")
    add(store, 2, source_id="another")
    assert store.field_of("S", "a file").field_id == made.field_id
    assert store.field_of("S", "unknown") is None
    assert store.field_of("T", "a file") is None
    raw(path, "UPDATE fields SET payload = NULL WHERE sequence = 1")
    raw(path, "UPDATE fields SET payload = x'00' WHERE sequence = 2")
    assert store.field_of("S", "a file") is None, "it was pruned"
    assert store.field_of("S", "another") is None, "it cannot be read"


@pytest.mark.parametrize("begin", ["begin_source", "begin_endless"])
def test_only_what_is_said_to_be_drawn_is_taken_for_drawn(store, begin):
    begin = getattr(store.ledger, begin)
    assert not begin("A", "a camera").simulated
    assert begin("B", "a drawn slide", simulated=True).simulated
    assert begin("A", "a drawn slide", resume=True, simulated=True).simulated
    assert begin("A", "a camera", resume=True).simulated, "drawn cells are among its cells"
