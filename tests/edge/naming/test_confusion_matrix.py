"""A model's confusion matrix: who is counted where, and how much a cell weighs."""

from __future__ import annotations

import numpy as np

from edge.labels import OTHER
from edge.naming.confusion_matrix import confusion_matrix
from edge.naming.rejection import Judgement

CLASSES = ("lymphocyte", "monocyte", OTHER)


def test_refusals_have_a_column_of_their_own_and_calls_of_other_have_not():
    said = [
        # true, called, reason, weight
        (0, 0, None, 1.0),
        (0, 0, None, 0.5),
        (0, 1, None, 0.25),
        (0, 0, "uncertain", 1.0),
        (1, 1, "unfamiliar", 1 / 3),
        (1, 2, OTHER, 1.0),
        (2, 2, OTHER, 1.0),
        (2, 0, None, 1.0),
    ]
    true, called, reasons, weights = zip(*said, strict=True)
    probabilities = np.full((len(said), 3), 0.1, np.float32)
    probabilities[np.arange(len(said)), called] = 0.8
    found = confusion_matrix(
        probabilities,
        [Judgement(0.8, reason, None) for reason in reasons],
        np.array(true),
        np.array(weights),
        classes=CLASSES,
        on="cells of a test",
    )
    assert (found.on, found.labels) == ("cells of a test", CLASSES)
    assert found.problem() is None
    assert found.counts == ((1.5, 0.25, 0.0, 1.0), (0.0, 0.0, 1.0, 0.3333), (1.0, 0.0, 1.0, 0.0))
