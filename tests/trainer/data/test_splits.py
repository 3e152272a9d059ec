"""Splits over photographs: no copy of a photograph on both sides, every photograph measured once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ConfigError
from trainer.data.splits import draw_probabilities, grouped_fold, hold_out_photographs

CLASSES = 3


@st.composite
def copies(draw):
    """Return labels and photographs: at least four photographs a class, with one to nine copies each."""
    labels, photographs = [], []
    for label in range(CLASSES):
        for number in range(draw(st.integers(4, 12))):
            count = draw(st.integers(1, 9))
            labels += [label] * count
            photographs += [f"{label}-{number}"] * count
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(labels))
    return np.array(labels)[order], [photographs[i] for i in order]


@settings(max_examples=40, deadline=None)
@given(copies(), st.integers(2, 4), st.integers(0, 9))
def test_folds_take_every_image_once_and_part_no_photograph(drawn, folds, seed):
    labels, photographs = drawn
    chosen = [grouped_fold(labels, photographs, folds, fold, seed) for fold in range(folds)]
    assert (np.sum(chosen, axis=0) == 1).all()
    names = np.array(photographs)
    for tested in chosen:
        assert not set(names[tested]) & set(names[~tested])
        assert set(labels[~tested]) == set(range(CLASSES))
    assert (grouped_fold(labels, photographs, folds, 0, seed) == chosen[0]).all()


@settings(max_examples=40, deadline=None)
@given(copies(), st.floats(0.05, 0.5), st.integers(0, 9))
def test_what_is_held_out_shares_no_photograph_with_the_rest(drawn, share, seed):
    labels, photographs = drawn
    held = hold_out_photographs(labels, photographs, share, seed)
    names = np.array(photographs)
    assert not set(names[held]) & set(names[~held])
    assert set(labels[held]) == set(labels[~held]) == set(range(CLASSES))


def shown_on_every_slide(classes, slides, cells=20):
    """Return labels and names: on each slide so many cells of every class."""
    return np.tile(np.repeat(np.arange(classes), cells), slides), np.repeat(
        [f"slide {n}" for n in range(slides)], classes * cells
    ).tolist()


@pytest.mark.parametrize(("slides", "held_out"), [(2, 1), (3, 1), (10, 2), (20, 3)])
def test_of_slides_that_show_every_class_no_more_are_held_out_than_of_one_class(slides, held_out):
    # Each class chose its own: of three slides none was left, of ten seven were held out.
    labels, names = shown_on_every_slide(5, slides)
    for seed in range(10):
        held = hold_out_photographs(labels, names, 0.15, seed)
        assert len(set(np.array(names)[held])) == held_out


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), min_size=1), st.integers(0, 9))
def test_no_class_is_left_without_a_slide_to_train_on(cells, seed):
    labels, names = np.array([label for label, _ in cells]), [f"slide {number}" for _, number in cells]
    held = hold_out_photographs(labels, names, 0.3, seed)
    assert set(labels[~held]) == set(labels)
    assert not set(np.array(names)[held]) & set(np.array(names)[~held])


def test_more_folds_than_a_class_has_photographs_is_refused():
    labels = np.array([0, 0, 0, 1, 1, 1])
    with pytest.raises(ConfigError, match="class number 1 has only 2 photographs"):
        grouped_fold(labels, ["a", "b", "c", "d", "e", "e"], 3, 0, 1)


def test_draws_even_out_classes_and_within_a_class_the_sets():
    labels = np.array([0] * 90 + [0] * 10 + [1] * 20)
    sets = np.array([0] * 90 + [1] * 10 + [0] * 20)
    photographs = [f"p{i}" for i in range(len(labels))]
    chance = draw_probabilities(labels, photographs, 1.0, sets, 1.0)
    assert chance[:90].sum() == pytest.approx(chance[90:100].sum())
    assert chance[:100].sum() == pytest.approx(chance[100:].sum())
    plain = draw_probabilities(labels, photographs, 0.0, sets, 0.0)
    np.testing.assert_allclose(plain, 1 / len(labels))


def test_copies_of_a_photograph_share_its_chance():
    chance = draw_probabilities(np.array([0, 0, 0, 0]), ["a", "a", "a", "b"], 0.5)
    assert chance[:3].sum() == pytest.approx(chance[3])
