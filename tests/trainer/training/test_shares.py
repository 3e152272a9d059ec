"""A network expects as much `other` on a slide as its recipe says, not as much as training showed it."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.data.arrays import Samples
from trainer.networks.registry import build
from trainer.recipe import Data
from trainer.training.shares import expect_share

CLASSES = ("lymphocyte", "other", "neutrophil")


def probabilities(model):
    logits = model.predict(np.random.default_rng(0).random((3, 120, 120, 3), np.float32), verbose=0)
    exponent = np.exp(logits)
    return exponent / exponent.sum(axis=1, keepdims=True)


def seen(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    names = tuple(f"cell {number}" for number in range(len(labels)))
    return Samples(np.zeros((len(labels), 1, 1, 3), np.uint8), labels, names)


@pytest.mark.parametrize(("balance", "in_training"), [(1.0, 1 / 3), (0.0, 0.5)])
def test_the_odds_of_other_change_by_how_much_more_training_showed_it(balance, in_training):
    model = build("compact", 3, {"depth": 2, "widths": (8, 8, 8, 8)})
    before = probabilities(model)
    data = Data(("set",), CLASSES, balance=balance, other_share=0.05)
    expect_share(model, data, seen([20, 40, 20]))
    after = probabilities(model)
    odds = (after[:, 1] / (1 - after[:, 1])) / (before[:, 1] / (1 - before[:, 1]))
    assert odds == pytest.approx((0.05 / 0.95) / (in_training / (1 - in_training)), rel=1e-4)
    # What the counted classes are to each other stays.
    assert after[:, 0] / after[:, 2] == pytest.approx(before[:, 0] / before[:, 2], rel=1e-4)


def test_a_recipe_that_expects_nothing_leaves_the_network_as_it_is():
    model = build("compact", 2, {"depth": 2, "widths": (8, 8, 8, 8)})
    before = probabilities(model)
    expect_share(model, Data(("set",), ("lymphocyte", "neutrophil")), seen([5, 5]))
    assert np.array_equal(probabilities(model), before)
