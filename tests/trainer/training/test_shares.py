"""A network expects as much `other` on a slide as its recipe says, not as much as training showed it."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.data.arrays import Samples
from trainer.networks.registry import build
from trainer.recipe import Data, Recipe, Training
from trainer.training.shares import expect_share, weights_on_slides

CLASSES = ("lymphocyte", "other", "neutrophil")


def probabilities(model):
    logits = model.predict(np.random.default_rng(0).random((3, 120, 120, 3), np.float32), verbose=0)
    exponent = np.exp(logits)
    return exponent / exponent.sum(axis=1, keepdims=True)


def a_recipe(data, **training):
    return Recipe("tiny", data, {"name": "compact"}, Training(**training))


def seen(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    names = tuple(f"cell {number}" for number in range(len(labels)))
    return Samples(np.zeros((len(labels), 1, 1, 3), np.uint8), labels, names)


@pytest.mark.parametrize(
    ("balance", "images_per_epoch", "in_training"),
    # Every image once: then nothing is balanced.
    [(1.0, 64, 1 / 3), (0.0, 64, 0.5), (1.0, 0, 0.5)],
)
def test_the_odds_of_other_change_by_how_much_more_training_showed_it(balance, images_per_epoch, in_training):
    model = build("compact", 3, {"depth": 2, "widths": (8, 8, 8, 8)})
    before = probabilities(model)
    data = Data(("set",), CLASSES, balance=balance, other_share=0.05)
    expect_share(model, a_recipe(data, images_per_epoch=images_per_epoch), seen([20, 40, 20]))
    after = probabilities(model)
    odds = (after[:, 1] / (1 - after[:, 1])) / (before[:, 1] / (1 - before[:, 1]))
    assert odds == pytest.approx((0.05 / 0.95) / (in_training / (1 - in_training)), rel=1e-4)
    # What the counted classes are to each other stays.
    assert after[:, 0] / after[:, 2] == pytest.approx(before[:, 0] / before[:, 2], rel=1e-4)


def test_a_recipe_that_expects_nothing_leaves_the_network_as_it_is():
    model = build("compact", 2, {"depth": 2, "widths": (8, 8, 8, 8)})
    before = probabilities(model)
    expect_share(model, a_recipe(Data(("set",), ("lymphocyte", "neutrophil"))), seen([5, 5]))
    assert np.array_equal(probabilities(model), before)


def test_cells_weigh_so_that_other_has_the_share_that_is_expected():
    is_other = np.array([True, True, False, False, False])
    weights = np.array([1.0, 0.5, 1.0, 1.0, 0.5])
    data = Data(("set",), CLASSES, other_share=0.05)
    found = weights_on_slides(weights, np.array([1, 1, 0, 2, 2]), data)
    assert found.sum() == pytest.approx(weights.sum())
    assert found[is_other].sum() == pytest.approx(0.05 * weights.sum())
    assert found[0] / found[1] == pytest.approx(2)
    assert found[2] / found[4] == pytest.approx(2)


@pytest.mark.parametrize("kind", [1, 2])
def test_cells_of_one_kind_alone_weigh_what_they_did(kind):
    weights = np.array([1.0, 0.5])
    data = Data(("set",), CLASSES, other_share=0.05)
    assert np.array_equal(weights_on_slides(weights, np.array([kind, kind]), data), weights)
