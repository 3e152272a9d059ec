"""The fit learns what the named cells say, and its figures are not flattered by its own cells."""

from __future__ import annotations

import numpy as np
import pytest

from edge.adaptation.refit import (
    FORMER,
    MOVES,
    SCALES,
    SHRINKAGES,
    Choice,
    Dense,
    Figures,
    LabelledFeatures,
    choose,
    fit_temperature,
    folds_of,
    held_back_logits,
    refit,
)
from edge.models.reject import Familiarity

LENGTH, CLASSES = 6, 4
CENTRES = 4.0 * np.eye(CLASSES, LENGTH)
START = Dense(np.random.default_rng(9).normal(0, 0.3, (CLASSES, LENGTH)), np.array([0.1, -0.2, 0.3, 0.0]))
KNOWN = Familiarity(tuple(map(tuple, CENTRES)), (1.0,) * LENGTH, 2.0, 0.0, 1.0, 0.5, 0.5)


def cells(count=20, classes=(0, 1, 2), distance=2.0, copies=4, seed=0, moved_by=0.0):
    """Draw cells around a centre for each class; copies lie close to their cell."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.array(classes), count)
    own = distance * np.eye(CLASSES, LENGTH)[labels] + moved_by + rng.normal(0, 1, (len(labels), LENGTH))
    return LabelledFeatures(own[:, None] + rng.normal(0, 0.05, (len(labels), copies, LENGTH)), labels)


def macro_recall(layer, data):
    return Figures.of(layer.logits(data.features[:, 0]), data.labels).macro_recall


def test_it_learns_what_the_cells_say():
    data = cells(distance=4.0)
    choice, logits = choose(data, START, KNOWN)
    assert choice.shrinkage in SHRINKAGES
    assert choice.former in FORMER
    assert choice.moved in MOVES
    assert choice.scale in SCALES
    assert Figures.of(logits, data.labels).macro_recall > 0.9
    fresh = cells(distance=4.0, seed=1)
    assert macro_recall(START, fresh) < 0.7
    assert macro_recall(refit(data, START, KNOWN, choice), fresh) > 0.9


@pytest.mark.parametrize("known", [KNOWN, None])
def test_a_class_without_cells_takes_nothing_from_those_that_have_some(known):
    data = cells(distance=4.0, moved_by=7.0)
    choice, _ = choose(data, START, known)
    layer = refit(data, START, known, choice)
    called = layer.logits(cells(distance=4.0, seed=1, moved_by=7.0).features[:, 0]).argmax(axis=1)
    assert (called == 3).mean() < 0.1


def test_a_class_without_cells_is_known_where_the_others_have_moved_to():
    data = cells(distance=4.0, moved_by=7.0)
    layer = refit(data, START, KNOWN, Choice(0.4, 0.0, 1.0, 1.0))
    unnamed = cells(classes=(3,), distance=4.0, seed=2, moved_by=7.0)
    assert macro_recall(layer, unnamed) > 0.9


def test_a_layer_that_is_right_stays_so_however_few_the_cells():
    good = Dense(CENTRES.copy(), -0.5 * (CENTRES**2).sum(axis=1))
    for seed in range(5):
        few = cells(5, distance=4.0, seed=seed)
        choice, _ = choose(few, good, KNOWN)
        fresh = cells(100, distance=4.0, seed=seed + 50)
        assert macro_recall(refit(few, good, KNOWN, choice), fresh) > macro_recall(good, fresh) - 0.03


def test_the_layer_that_is_there_goes_with_the_features():
    good = Dense(CENTRES.copy(), -0.5 * (CENTRES**2).sum(axis=1))
    elsewhere = cells(distance=4.0, moved_by=np.linspace(-9, 9, LENGTH))
    assert macro_recall(good, elsewhere) < 0.7
    assert macro_recall(refit(elsewhere, good, KNOWN, Choice(1.0, 1.0, 1.0, 0.0)), elsewhere) > 0.95


def test_what_varies_within_the_classes_decides_little():
    rng = np.random.default_rng(3)
    data = cells(30, classes=(0, 1), distance=1.5)
    # Another direction differs by chance and varies by much more: as light does from slide to slide.
    data.features[..., 5] += rng.normal(0, 40, (len(data.labels), 1))
    layer = refit(data, START, None, Choice(0.1, 0.0, 0.0, 1.0))
    difference = np.abs(layer.weights[0] - layer.weights[1])
    assert difference[5] < 0.1 * difference[0]


def test_classes_weigh_the_same_however_many_cells_they_have():
    few, many = cells(5, classes=(0,)), cells(60, classes=(1,), seed=1)
    both = LabelledFeatures(
        np.concatenate([few.features, many.features]), np.concatenate([few.labels, many.labels])
    )
    layer = refit(both, START, None, Choice(0.4, 0.0, 1.0, 1.0))
    assert Figures.of(layer.logits(both.features[:, 0]), both.labels).recall[0] >= 0.8


def test_held_back_figures_of_noise_are_chance_although_each_cell_has_its_copies():
    # Copies dealt to both sides would be recognized, and noise would look as if it had been learnt.
    rng = np.random.default_rng(4)
    own = rng.normal(0, 1, (60, 40))
    data = LabelledFeatures(np.repeat(own[:, None], 8, axis=1), rng.permutation(np.repeat([0, 1, 2], 20)))
    start = Dense(np.zeros((3, 40)), np.zeros(3))
    assert Figures.of(held_back_logits(data, start, None), data.labels).macro_recall < 0.55
    choice, _ = choose(data, start, None)
    assert choice.scale < 0.2, "of noise it is not sure"
    known = refit(data, start, None, Choice(0.05, 0.0, 0.0, 1.0)).logits(own)
    assert Figures.of(known, data.labels).macro_recall > 0.8, "else this test could not see a leak"


def test_where_cells_say_nothing_and_the_parent_is_mostly_wrong_some_layer_is_left():
    rng = np.random.default_rng(5)
    wrong = Dense(-4.0 * np.eye(CLASSES, LENGTH), np.zeros(CLASSES))
    own = 2.0 * np.eye(CLASSES, LENGTH)[np.repeat([0, 1], 20)] + rng.normal(0, 0.1, (40, LENGTH))
    own[:, :2] = own[rng.permutation(40), :2]  # of which class a cell is, nothing tells any more
    data = LabelledFeatures(own[:, None], np.repeat([0, 1], 20))
    choice, logits = choose(data, wrong, None)
    assert choice.scale or choice.former
    assert np.ptp(logits, axis=1).max() > 0


def test_the_same_cells_give_the_same_layer():
    one, other = (held_back_logits(cells(), START, KNOWN) for _ in range(2))
    assert np.array_equal(one, other)


def test_each_cell_is_held_back_once_and_each_class_evenly():
    labels = np.repeat([0, 1, 2], (5, 23, 60))
    parts = folds_of(labels)
    assert (np.sum(parts, axis=0) == 1).all()
    for part in parts:
        assert (np.bincount(labels[~part], minlength=3) >= (4, 18, 48)).all()


def test_better_is_macro_recall_and_then_log_loss():
    def figures(recall, loss):
        return Figures({}, recall, 0, 0, loss)

    assert figures(0.8, 2.0).better_than(figures(0.7, 1.0))
    assert figures(0.8, 0.9).better_than(figures(0.8, 1.0))
    assert not figures(0.8, 1.0).better_than(figures(0.8, 1.0))
    assert not figures(0.7, 0.1).better_than(figures(0.8, 1.0))


def test_figures_weigh_classes_the_same():
    logits = np.array([[3.0, 0]] * 9 + [[3.0, 0]])
    figures = Figures.of(logits, np.array([0] * 9 + [1]))
    assert (figures.right, figures.cells) == (9, 10)
    assert figures.macro_recall == 0.5
    assert figures.recall == {0: 1.0, 1: 0.0}
    assert figures.log_loss == pytest.approx(np.log1p(np.exp(-3)) + 1.5)


def test_a_temperature_calms_calls_that_are_too_sure_and_never_makes_them_surer():
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 2, 400)
    sure = np.where((rng.random(400) < 0.7)[:, None], np.eye(2)[labels], np.eye(2)[1 - labels])
    assert fit_temperature(8 * sure, labels) == 4.0
    assert fit_temperature(np.log(0.7 / 0.3) * 2 * sure, labels) == pytest.approx(2, rel=0.3)
    assert fit_temperature(0.1 * np.eye(2)[labels], labels) == 1.0
