"""The fit is the minimum that it says it is, and its figures are not flattered by its own cells."""

from __future__ import annotations

import numpy as np
import pytest

from edge.adaptation.refit import (
    PENALTIES,
    Dense,
    Figures,
    LabelledFeatures,
    choose_penalty,
    fit_temperature,
    held_back_logits,
    refit,
    stronger,
)


def cells(count=20, classes=(0, 1, 2), length=6, distance=2.0, copies=4, seed=0):
    """Draw cells around a centre for each class; copies lie close to their cell."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.array(classes), count)
    centres = distance * np.eye(4, length)
    own = centres[labels] + rng.normal(0, 1, (len(labels), length))
    return LabelledFeatures(own[:, None] + rng.normal(0, 0.05, (len(labels), copies, length)), labels)


START = Dense(np.random.default_rng(9).normal(0, 0.3, (4, 6)), np.array([0.1, -0.2, 0.3, 0.0]))


def test_it_learns_what_the_cells_say_and_leaves_a_class_without_cells_as_it_was():
    data = cells(distance=4.0)
    fitted = refit(data, START, PENALTIES)
    assert [len(fitted), stronger(3.0)[-1]] == [len(PENALTIES), 3.0]
    for layer in fitted:
        assert np.array_equal(layer.weights[3], START.weights[3])
        assert layer.bias[3] == START.bias[3]
    before = Figures.of(START.logits(data.features[:, 0]), data.labels)
    moved = [np.abs(layer.weights - START.weights).sum() for layer in fitted]
    assert moved == sorted(moved), "the weaker the penalty, the further it goes"
    assert Figures.of(fitted[-1].logits(data.features[:, 0]), data.labels).macro_recall > 0.9
    assert before.macro_recall < 0.7


def test_the_fit_is_the_minimum_of_loss_and_penalty():
    data = cells(classes=(0, 1, 2, 3))
    layer = refit(data, START, stronger(10.0))[-1]
    flat = data.features.reshape(-1, 6)
    labels = np.repeat(data.labels, 4)
    mean, spread = flat.mean(axis=0), flat.std(axis=0)
    spread = spread + 0.3 * spread.mean()

    def loss(weights, bias):
        logits = flat @ weights.T + bias
        logits -= logits.max(axis=1, keepdims=True)
        chance = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        change = (weights - START.weights) * spread
        shift = bias - START.bias + (weights - START.weights) @ mean
        penalty = (change**2).sum() + 0.01 * (shift**2).sum()
        return -chance[np.arange(len(labels)), labels].mean() + 10.0 / len(data.labels) / 2 * penalty

    least = loss(layer.weights, layer.bias)
    rng = np.random.default_rng(2)
    for size in (0.003, 0.03, 0.3):
        for _ in range(20):
            weights = layer.weights + rng.normal(0, size, layer.weights.shape)
            assert loss(weights, layer.bias + rng.normal(0, size, 4)) > least - 1e-6


def test_classes_weigh_the_same_however_many_cells_they_have():
    few, many = cells(5, classes=(0,)), cells(60, classes=(1,), seed=1)
    both = LabelledFeatures(
        np.concatenate([few.features, many.features]), np.concatenate([few.labels, many.labels])
    )
    layer = refit(both, Dense(np.zeros((4, 6)), np.array([0.0, 0, -9, -9])), stronger(30.0))[-1]
    assert Figures.of(layer.logits(both.features[:, 0]), both.labels).recall[0] >= 0.8


def test_held_back_figures_of_noise_are_chance_although_each_cell_has_its_copies():
    # Copies dealt to both sides would be recognized, and noise would look as if it had been learnt.
    rng = np.random.default_rng(4)
    own = rng.normal(0, 1, (60, 40))
    data = LabelledFeatures(np.repeat(own[:, None], 8, axis=1), rng.permutation(np.repeat([0, 1, 2], 20)))
    start = Dense(np.zeros((3, 40)), np.zeros(3))
    assert Figures.of(held_back_logits(data, start), data.labels).macro_recall < 0.55
    assert choose_penalty(data, start).penalty >= 30, "noise moves the layer as little as can be"
    known = refit(data, start, PENALTIES)[-1].logits(own)
    assert Figures.of(known, data.labels).macro_recall == 1.0


def test_the_same_cells_give_the_same_layer():
    one, other = (held_back_logits(cells(), START) for _ in range(2))
    assert np.array_equal(one, other)


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
