"""What cells of known microscopes are like, held out of training, each microscope weighing the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.naming.known_microscopes import known_microscopes as cells_of_known
from edge.naming.rejection import Judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.models.known import KnownMicroscopes
    from edge.models.reject import Reject
    from trainer.evaluation.rejection import Outputs


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
    judged = Judge(rule, classes)(probabilities, held_out.features)
    return cells_of_known(probabilities, judged, held_out.labels, weights, sets=sets, classes=classes, on=on)
