"""What cells of known microscopes are like that a model was not fitted to, and when one is not known.

The limits stand apart from the worst known microscope by margins that were chosen on microscopes left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.labels import OTHER
from edge.models.known import KnownMicroscopes, Limits, Sign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.naming.rejection import Judgement

_USUAL = 0.9  # share of held-out cells that are usual
_FEWEST = 10  # held-out cells of a set that may speak for its microscope
_DOUBTFUL, _UNFAMILIAR = 0.03, 0.15
"""Shares of a specimen's cells beyond those of the worst known microscope."""


def known_microscopes(
    probabilities: NDArray[np.float32],
    judged: Sequence[Judgement],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    *,
    sets: NDArray[np.int64] | None = None,
    classes: Sequence[str],
    on: str,
) -> KnownMicroscopes | None:
    """Return how held-out white cells answer, and the limits; None where the rule knows no distances.

    probabilities: (n, classes), calibrated. judged: what is said of each call, by a rule that was not fitted
    to the cell. labels, weights: (n,). sets: the number of each cell's set; None: all are of one. on: which
    cells, for people.
    """
    if any(one.distance is None for one in judged):
        return None
    counted = np.array([label != OTHER for label in classes])
    known = counted[labels]
    # As on the device: what is called `other` is no white cell to be counted, whatever it is.
    white = known & counted[probabilities.argmax(axis=1)]
    if white.sum() < _FEWEST:
        return None
    distance = np.array([one.distance or 0.0 for one in judged])
    likeliest = probabilities.max(axis=1)
    unlike = _quantile(distance[white], weights[white], _USUAL)
    unsure = _quantile(likeliest[white], weights[white], 1 - _USUAL)
    signs: dict[Sign, tuple[NDArray[np.bool_], NDArray[np.bool_]]] = {
        "unlike": (distance > unlike, white),
        "unsure": (likeliest < unsure, white),
        "refused": (np.array([one.reason is not None for one in judged]), white),
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
    calls = np.array([one.reason is None for one in judged])
    wrong = calls & (probabilities.argmax(axis=1) != labels)
    return KnownMicroscopes(
        on=on,
        unlike=round(unlike, 3),
        unsure=round(unsure, 4),
        usual=usual,
        limits=limits,
        wrong_calls=round(float(weights[wrong].sum() / weights[calls].sum()), 4) if calls.any() else None,
    )


def _quantile(values: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float:
    order = np.argsort(values)
    cumulated = np.cumsum(weights[order])
    return float(values[order][min(len(order) - 1, np.searchsorted(cumulated, share * cumulated[-1]))])
