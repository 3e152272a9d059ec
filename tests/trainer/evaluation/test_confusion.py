"""The confusion matrix that a bundle carries: as the device calls, each photograph once."""

from __future__ import annotations

import numpy as np
import pytest
from known_cells import CLASSES, cells

from edge.differential.correction import Corrector
from edge.models.reject import Reject
from edge.naming.rejection import Judge
from trainer.evaluation.confusion import confusion_of
from trainer.evaluation.rejection import Outputs, fit_rejection


def test_every_cell_stands_where_the_device_would_put_it():
    held_out = cells(1500, seed=2)
    rule, _ = fit_rejection(cells(2000), held_out, np.ones(1500), CLASSES, 1.0, 0.5)
    matrix = confusion_of(held_out, np.ones(1500), CLASSES, temperature=1.0, rule=rule, on="x")
    counts = np.array(matrix.counts)
    assert counts.sum(axis=1).tolist() == np.bincount(held_out.labels).tolist()
    probabilities = held_out.probabilities(1.0).astype(np.float32)
    judged = Judge(rule, CLASSES)(probabilities, held_out.features)
    called = np.array([one.reason is None for one in judged])
    wrong, known = probabilities.argmax(axis=1) != held_out.labels, held_out.labels < 2
    assert 1 - np.trace(counts[:2]) / counts[:, :2].sum() == pytest.approx(wrong[called].mean())
    assert counts[:2, :2].sum() / counts[:2].sum() == pytest.approx(called[known].mean())
    assert matrix.problem() is None
    assert Corrector(matrix).shares({"lymphocyte": 70, "monocyte": 30}, 3) is not None


def test_copies_of_one_photograph_weigh_as_one_and_a_plain_rule_needs_no_features():
    logits = np.array([[9, 0, 0]] * 4 + [[0, 9, 0], [0.1, 0, 0]], np.float32)
    labels = np.array([0, 0, 0, 0, 1, 1])
    weights = np.array([0.25] * 4 + [1.0, 1.0])
    outputs = Outputs(logits, np.empty((6, 0), np.float32), labels)
    matrix = confusion_of(outputs, weights, CLASSES, temperature=1.0, rule=Reject(0.5), on="x")
    assert matrix.counts == ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 1.0), (0.0, 0.0, 0.0, 0.0))
