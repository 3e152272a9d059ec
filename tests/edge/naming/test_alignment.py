"""By how much a microscope's logits are moved back, as its own cells tell it without a name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.naming.alignment import MOST, Aligner, Told

# Four counted classes, then `other`; each class's known cells have 6 more of its own logit.
CENTRES = 6.0 * np.eye(5)[:4]
LABELS = ("eosinophil", "lymphocyte", "monocyte", "neutrophil", "other")
MOVED = np.array([-1.5, 3.0, -2.0, 1.5, -1.0])


def aligner():
    return Aligner(CENTRES, LABELS, 1.0)


def cells(rng, counts, moved=MOVED):
    """Logits (n, 5) of so many cells of each class, moved by as much, in no order."""
    labels = rng.permutation(np.repeat(np.arange(5), counts))
    centres = 6.0 * np.eye(5)[labels]
    return centres + rng.normal(0, 1.2, (len(labels), 5)) + moved, labels


def recall(logits, labels):
    called = logits.argmax(axis=1)
    return np.mean([(called[labels == c] == c).mean() for c in np.unique(labels)])


@pytest.mark.parametrize("counts", [(20, 20, 20, 20, 5), (3, 30, 7, 58, 2), (10, 10, 5, 60, 15)])
def test_cells_that_nobody_named_make_a_microscopes_calls_better(counts):
    rng = np.random.default_rng(1)
    seen, _ = cells(rng, counts)
    later, labels = cells(rng, (50, 50, 50, 50, 0))
    told = aligner()
    told.learn(seen)
    before, after = recall(later, labels), recall(later - told.offset, labels)
    assert before < 0.9
    assert after > before + 0.05


def test_a_microscope_as_the_known_ones_stays_nearly_as_it_is():
    rng = np.random.default_rng(2)
    told = aligner()
    told.learn(cells(rng, (4, 28, 8, 60, 0), moved=0.0)[0])
    assert np.abs(told.offset - told.offset.mean()).max() < 0.3


@pytest.mark.parametrize("label", range(4))
def test_a_patient_with_cells_of_one_class_does_not_lose_the_others(label):
    rng = np.random.default_rng(3)
    counts = [1, 1, 1, 1, 0]
    counts[label] = 96
    told = aligner()
    told.learn(cells(rng, counts, moved=0.0)[0])
    later, labels = cells(rng, (200, 200, 200, 200, 0), moved=0.0)
    assert recall(later - told.offset, labels) > recall(later, labels) - 0.01


def test_it_begins_at_nothing_and_one_cell_hardly_moves_it():
    told = aligner()
    assert not told.offset.any()
    told.learn(np.array([[9.0, -9.0, 0.0, 0.0, 0.0]]))
    assert told.cells == 1
    assert np.abs(told.offset).max() < 0.3


def test_after_a_hundred_cells_nothing_changes():
    rng = np.random.default_rng(4)
    told = aligner()
    told.learn(cells(rng, (30, 30, 30, 30, 0))[0])
    assert told.cells == MOST
    assert told.is_settled
    before = told.offset.copy()
    told.learn(np.full((50, 5), 40.0))
    assert (told.offset == before).all()


def test_cells_that_are_held_to_tell_are_all_that_tell():
    told = aligner()
    told.begin(Told([[3.0, 0.0, 0.0, 0.0, 0.0]] * 30), hold=True)
    before = told.offset.copy()
    told.learn(np.full((10, 5), 7.0))
    assert told.cells == 30
    assert (told.offset == before).all()
    told.begin()
    assert told.cells == 0
    assert not told.offset.any()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**31),
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
    st.integers(0, 30),
    st.sampled_from([None, {"monocyte": 1.25, "other": -0.5}]),
)
def test_stopped_after_any_field_it_goes_on_as_if_it_had_not_been(seed, sizes, stopped_after, before):
    """From what messages say of the cells so far, the offset is the same number as before."""
    rng = np.random.default_rng(seed)
    fields = [rng.normal(0, 5, (size, 5)).astype(np.float32) for size in sizes]
    whole, second = aligner(), aligner()
    whole.begin(Told(before=before))
    offsets = []
    for field in fields:
        whole.learn(field)
        offsets.append(whole.offset)
    stored = [[round(float(v), 3) for v in cell] for field in fields[:stopped_after] for cell in field]
    second.begin(Told(stored, before))
    for field, offset in zip(fields[stopped_after:], offsets[stopped_after:], strict=True):
        second.learn(field)
        assert second.cells <= MOST
        assert (second.offset == offset).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 1e4))
def test_logits_of_any_size_give_a_number(seed, spread):
    told = aligner()
    told.learn(np.random.default_rng(seed).normal(0, spread, (25, 5)))
    assert np.isfinite(told.offset).all()


def test_the_next_specimen_of_a_camera_begins_where_the_one_before_ended():
    rng = np.random.default_rng(6)
    first, second = aligner(), aligner()
    first.learn(cells(rng, (4, 28, 8, 58, 2))[0])
    ended = dict(zip(LABELS, first.offset.tolist(), strict=True))
    second.begin(Told(before=ended))
    assert (second.offset == first.offset).all()
    second.learn(cells(rng, (0, 3, 1, 6, 0))[0])
    assert np.abs(second.offset - first.offset).max() < 0.5
    # Another stain since: its own hundred cells outweigh what was.
    second.begin(Told(before={label: 9.0 if label == "lymphocyte" else 0.0 for label in LABELS}))
    second.learn(cells(rng, (4, 28, 8, 58, 2), moved=0.0)[0])
    assert second.offset[1] < 2.5
