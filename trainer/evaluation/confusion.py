"""How a model that is exported errs, as the device needs it to correct a differential."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.naming.confusion_matrix import confusion_matrix
from edge.naming.rejection import Judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.models.confusion import Confusion
    from edge.models.reject import Reject
    from trainer.evaluation.rejection import Outputs


def confusion_of(
    held_out: Outputs,
    weights: NDArray[np.float64],
    classes: Sequence[str],
    *,
    temperature: float,
    rule: Reject,
    on: str,
) -> Confusion:
    """Return the confusion matrix of held-out cells, each called or refused as the device would.

    weights: (n,), so that each photograph counts once. on: which photographs, for people.
    """
    probabilities = held_out.probabilities(temperature).astype(np.float32)
    features = held_out.features if held_out.features.size else None
    judged = Judge(rule, classes)(probabilities, features)
    return confusion_matrix(probabilities, judged, held_out.labels, weights, classes=classes, on=on)
