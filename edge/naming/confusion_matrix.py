"""A model's confusion matrix from cells it was not fitted to, as the device answers: with its refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.labels import OTHER
from edge.models.confusion import Confusion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.naming.rejection import Judgement


def confusion_matrix(
    probabilities: NDArray[np.float32],
    judged: Sequence[Judgement],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    *,
    classes: Sequence[str],
    on: str,
) -> Confusion:
    """Count calls and refusals: a row a true class, a column a called one, and one of refusals.

    probabilities: (n, classes), calibrated. judged: what is said of each call, by a rule that was not fitted
    to the cell. labels, weights: (n,); cells of one photograph share a weight of 1. on: which cells, for
    people.
    """
    counts = np.zeros((len(classes), len(classes) + 1))
    for true, weight, row, call in zip(labels, weights, probabilities, judged, strict=True):
        refused = call.reason is not None and call.reason != OTHER
        counts[true, len(classes) if refused else int(row.argmax())] += weight
    return Confusion(
        on, tuple(classes), tuple(tuple(round(float(value), 4) for value in row) for row in counts)
    )
