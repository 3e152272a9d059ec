"""What cells of the microscopes that a model knows are like, held out of training, and when one is not known.

The limits stand apart from the worst known microscope by margins that were chosen on microscopes left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.labels import OTHER
from edge.models.known import KnownMicroscopes, Limits, Sign
from edge.naming.rejection import Judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.models.reject import Reject
    from trainer.evaluation.rejection import Outputs

_USUAL = 0.9  # share of held-out cells that are usual
_FEWEST = 10  # held-out cells of a set that may speak for its microscope
_DOUBTFUL, _UNFAMILIAR = 0.03, 0.15
"""Shares of a specimen's cells beyond those of the worst known microscope."""


def microscope_weights(
    weights: NDArray[np.float64], sets: NDArray[np.int64] | None, is_known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return weights, float64 (n,), by which the named cells of each set weigh the same.

    weights: of the cells, each photograph once. sets: the number of each cell's set; None: all are of one.
    is_known: which cells are of a class that is counted.
    """
    if sets is None:
        return weights
    balanced = weights.astype(np.float64)
    numbers = np.unique(sets[is_known])
    for number in numbers:
        own = is_known & (sets == number)
        balanced[own] *= 1 / balanced[own].sum()
    if (~is_known).any():
        balanced[~is_known] *= len(numbers) / 2 / balanced[~is_known].sum()
    return np.asarray(balanced * weights.sum() / balanced.sum(), np.float64)


def known_microscopes(
    held_out: Outputs,
    weights: NDArray[np.float64],
    sets: NDArray[np.int64] | None,
    classes: Sequence[str],
    *,
    temperature: float,
    rule: Reject,
    on: str,
) -> KnownMicroscopes | None:
    """Return how held-out white cells answer, and the limits; None where the rule knows no distances.

    weights: (n,), as `microscope_weights` gives them. sets: as there.
    """
    if rule.familiarity is None:
        return None
    probabilities = held_out.probabilities(temperature).astype(np.float32)
    said = Judge(rule, classes)(probabilities, held_out.features)
    counted = np.array([label != OTHER for label in classes])
    known = counted[held_out.labels]
    # As on the device: what is called `other` is no white cell to be counted, whatever it is.
    white = known & counted[probabilities.argmax(axis=1)]
    if white.sum() < _FEWEST:
        return None
    distance = np.array([one.distance or 0.0 for one in said])
    likeliest = probabilities.max(axis=1)
    unlike = _quantile(distance[white], weights[white], _USUAL)
    unsure = _quantile(likeliest[white], weights[white], 1 - _USUAL)
    signs: dict[Sign, tuple[NDArray[np.bool_], NDArray[np.bool_]]] = {
        "unlike": (distance > unlike, white),
        "unsure": (likeliest < unsure, white),
        "refused": (np.array([one.reason is not None for one in said]), white),
        "other": (~white, known),
    }
    numbers = np.zeros(len(known), np.int64) if sets is None else sets
    usual, limits = {}, {}
    for sign, (shown, among) in signs.items():
        parts = [among & (numbers == number) for number in np.unique(numbers[among])]
        parts = [part for part in parts if part.sum() >= _FEWEST] or [among]
        worst = max(float(np.average(shown[part], weights=weights[part])) for part in parts)
        usual[sign] = round(float(np.average(shown[among], weights=weights[among])), 4)
        limits[sign] = Limits(*(round(min(1.0, worst + beyond), 3) for beyond in (_DOUBTFUL, _UNFAMILIAR)))
    return KnownMicroscopes(
        on=on, unlike=round(unlike, 3), unsure=round(unsure, 4), usual=usual, limits=limits
    )


def _quantile(values: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float:
    order = np.argsort(values)
    cumulated = np.cumsum(weights[order])
    return float(values[order][min(len(order) - 1, np.searchsorted(cumulated, share * cumulated[-1]))])
