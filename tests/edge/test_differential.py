from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import DEVICE, LABELS, MODEL, cell, field

from edge.differential import SpecimenCount, tally
from edge.intervals import wilson

CELLS = st.builds(
    lambda label, rejected, complete: cell(label, rejected=rejected, complete=complete, map_side=1),
    st.sampled_from(LABELS),
    st.sampled_from([None, None, "uncertain", "blurred"]),
    st.booleans(),
)
FIELDS = st.lists(
    st.tuples(st.lists(CELLS, max_size=6), st.sampled_from([None, None, "too dark"])), max_size=12
)


def message(count: SpecimenCount, state=None):
    return count.differential(
        device_id=DEVICE, model=MODEL, updated_at=datetime.now(UTC), clock_synced=False, state=state
    )


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # Wilson without continuity correction, as tabulated for differential counts of 100 and 200 cells.
    [
        (2, 100, 0.6, 7.0),
        (10, 100, 5.5, 17.4),
        (60, 200, 24.1, 36.7),
        (0, 100, 0.0, 3.7),
        (100, 100, 96.3, 100.0),
    ],
)
def test_interval_is_the_published_one(count, total, low, high):
    assert wilson(count, total) == (pytest.approx(low, abs=0.05), pytest.approx(high, abs=0.05))


def test_of_no_cells_nothing_is_known():
    assert wilson(0, 0) == (0.0, 100.0)
    first = message(SpecimenCount("S", LABELS, 200)).classes[0]
    assert (first.count, first.percent, first.low, first.high) == (0, 0.0, 0.0, 100.0)


def test_what_counts_and_what_does_not():
    count = SpecimenCount("S", LABELS, 200)
    counted = field(
        1,
        cell("neutrophil"),
        cell("neutrophil"),
        cell("monocyte"),
        cell("monocyte", rejected="uncertain"),
        cell("monocyte", complete=False),
        cell("monocyte", rejected="uncertain", complete=False),
    )
    refused = field(2, cell("monocyte"), refused="too dark")
    for each in (counted, refused):
        assert count.add(each.field_id, tally(each))
    said = message(count)
    assert [(c.label, c.count) for c in said.classes] == [
        ("neutrophil", 2),
        ("lymphocyte", 0),
        ("monocyte", 1),
        ("eosinophil", 0),
    ]
    assert said.classes[0].percent == pytest.approx(66.67)
    assert (said.counted, said.incomplete, said.unclassified) == (3, 2, {"uncertain": 1})
    assert (said.fields, said.fields_refused) == (2, 1)


def test_a_class_the_model_does_not_know_is_not_assessed_rather_than_zero():
    assert message(SpecimenCount("S", LABELS, 200)).not_assessed == ("basophil",)
    assert message(SpecimenCount("S", ("EOSINOPHIL", "Lymphocyte"), 1)).not_assessed == (
        "neutrophil",
        "monocyte",
        "basophil",
    )


def test_a_class_of_an_earlier_model_is_not_lost():
    count = SpecimenCount("S", ("neutrophil",), 200)
    count.add("1", tally(field(1, cell("lymphocyte"))))
    assert [c.label for c in message(count).classes] == ["neutrophil", "lymphocyte"]


def test_states():
    count = SpecimenCount("S", LABELS, 2)
    count.add("1", tally(field(1, cell())))
    assert message(count).state == "running"
    count.add("2", tally(field(2, cell())))
    assert message(count).state == "preliminary"
    assert message(count, "final").state == "final"


@settings(max_examples=60, deadline=None)
@given(FIELDS, st.randoms())
def test_every_cell_is_in_one_place_once_in_whatever_order(drawn, rng):
    fields = [field(n, *cells, refused=refused) for n, (cells, refused) in enumerate(drawn)]
    count, again = SpecimenCount("S", LABELS, 5), SpecimenCount("S", LABELS, 5)
    for each in fields:
        assert count.add(each.field_id, tally(each))
    for each in rng.sample(fields * 2, len(fields) * 2):
        again.add(each.field_id, tally(each))
    said, shuffled = message(count), message(again)
    assert (said.classes, said.unclassified, said.incomplete) == (
        shuffled.classes,
        shuffled.unclassified,
        shuffled.incomplete,
    )
    assert said.fields == shuffled.fields == len(fields)
    assert said.fields_refused == sum(refused is not None for _, refused in drawn)
    cells = sum(len(cells) for cells, refused in drawn if refused is None)
    assert said.counted + sum(said.unclassified.values()) + said.incomplete == cells
    assert sum(c.count for c in said.classes) == said.counted
    assert all(0 <= c.low <= c.percent <= c.high <= 100 for c in said.classes)
    if said.counted:
        assert sum(c.percent for c in said.classes) == pytest.approx(100, abs=0.05)


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_more_cells_never_make_the_interval_wider(total, count):
    count = min(count, total)
    low, high = wilson(count, total)
    assert 0 <= low <= 100 * count / total <= high <= 100
    narrow_low, narrow_high = wilson(4 * count, 4 * total)
    assert narrow_high - narrow_low <= high - low
