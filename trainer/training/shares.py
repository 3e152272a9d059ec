"""How often `other` is expected on a slide: more seldom than training shows it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edge.labels import OTHER
from trainer.data.splits import draw_probabilities

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from trainer.data.arrays import Samples
    from trainer.recipe import Data, Recipe


def chances_to_be_shown(recipe: Recipe, samples: Samples) -> NDArray[np.float64]:
    """How often training shows each of its n samples, float64 (n,), summing to 1.

    By the recipe's balances, or, where an epoch is every image once (`images_per_epoch` 0), all alike.
    """
    if recipe.training.images_per_epoch == 0:
        return np.full(len(samples.labels), 1 / len(samples.labels))
    return draw_probabilities(
        samples.labels, samples.shown(), recipe.data.balance, samples.sets, recipe.data.set_balance
    )


def expect_share(model: keras.Model, recipe: Recipe, seen: Samples) -> None:
    """Lower the bias of `other`, layer `logits`, from its share in training to the recipe's `other_share`.

    Training draws every class about equally often, `other` too. What a finder takes for a white cell is
    seldom anything else, and on a microscope that was in no training most of what is called `other` are white
    cells. By Bayes' rule a logit moves by the difference of the log odds (Saerens et al. 2002).
    recipe: that the model was trained by. seen: what it was trained on.
    """
    if not recipe.data.other_share:
        return
    number = recipe.data.classes.index(OTHER)
    chance = chances_to_be_shown(recipe, seen)
    layer = model.get_layer("logits")
    kernel, bias = layer.get_weights()
    bias[number] += _log_odds(recipe.data.other_share) - _log_odds(float(chance[seen.labels == number].sum()))
    layer.set_weights([kernel, bias])


def weights_on_slides(
    weights: NDArray[np.float64], labels: NDArray[np.int64], data: Data
) -> NDArray[np.float64]:
    """Return weights of cells, (n,), of which `other` has the share that the recipe expects; the sum stays.

    weights: of the cells, each photograph once. labels: (n,) their true classes. Where all are `other` or
    none is, and where the recipe expects nothing, they are what was given.
    """
    if not data.other_share:
        return weights
    is_other = labels == data.classes.index(OTHER)
    if is_other.all() or not is_other.any():
        return weights
    share = np.where(is_other, data.other_share, 1 - data.other_share)
    totals = np.where(is_other, weights[is_other].sum(), weights[~is_other].sum())
    return np.asarray(weights * share / totals * weights.sum(), np.float64)


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))
