"""How sure a call must be: read off cells of microscopes that were left out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from known_cells import CLASSES, cells

from edge.errors import ConfigError
from trainer.evaluation.rejection import fit_rejection
from trainer.evaluation.trust import read_trust, trust_curve


@pytest.fixture(scope="module")
def rule():
    found, _ = fit_rejection(cells(2000), cells(3000, seed=2), np.ones(3000), CLASSES, 1.0, 0.5)
    return found


def test_the_higher_the_threshold_the_fewer_are_called_and_the_fewer_calls_are_wrong(rule):
    other = cells(2000, noise=6, seed=4)
    probabilities = other.probabilities(1.0).astype(np.float32)
    curve = trust_curve(probabilities, other.features, other.labels, np.ones(2000), rule, CLASSES)
    called = [point.called for point in curve]
    assert called == sorted(called, reverse=True)
    assert curve[0].called > curve[-1].called
    assert curve[0].wrong_calls > curve[-1].wrong_calls
    weights = np.where(other.labels == 0, 1.0, 0.0)
    (first, *_) = trust_curve(probabilities, other.features, other.labels, weights, rule, CLASSES)
    assert first.called != curve[0].called


def _written(path, *curves):
    steps = [
        {
            "microscope": name,
            "measured": {
                "trust": [
                    {"minimum_trust": trust, "called": called, "wrong_calls": wrong}
                    for trust, called, wrong in curve
                ]
            },
        }
        for name, curve in curves
    ]
    path.write_text(json.dumps({"schema": "leukoscope.left-out/1", "steps": steps}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("curves", "asked", "of"),
    [
        # The lowest with few wrong calls in the mean of both microscopes.
        (
            [
                ("one", [(0.0, 1.0, 0.2), (0.5, 0.9, 0.06), (0.8, 0.8, 0.02)]),
                ("two", [(0.0, 1.0, 0.1), (0.5, 0.9, 0.04), (0.8, 0.7, 0.01)]),
            ],
            (0.5, 0.9, 0.05),
            ("one", "two"),
        ),
        # Also where few are called then. A namer without int8 says nothing.
        (
            [("one", [(0.0, 0.9, 0.3), (0.5, 0.75, 0.2), (0.8, 0.2, 0.04)]), ("none", [])],
            (0.8, 0.2, 0.04),
            ("one",),
        ),
        # Out of reach: as sure as can be.
        ([("one", [(0.0, 0.6, 0.3), (0.5, 0.4, 0.2)])], (0.5, 0.4, 0.2), ("one",)),
    ],
)
def test_the_threshold_is_the_lowest_that_does(tmp_path, curves, asked, of):
    found = read_trust(_written(tmp_path / "left-out.json", *curves))
    point = found.at(found.asked + 0.01)
    assert (found.asked, point.called, point.wrong_calls) == pytest.approx(asked)
    assert found.microscopes == of


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "left-out.json: cannot be read"),
        ("{}", "left-out.json: is no result of `microscopes --left-out`"),
        ('{"steps": []}', "measures no namer that became int8"),
    ],
)
def test_a_file_that_does_not_tell_is_refused(tmp_path, content, says):
    path = tmp_path / "left-out.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        read_trust(path)


def test_microscopes_left_out_tell_the_threshold_whatever_known_cells_would(rule):
    held_out = cells(3000, seed=2)
    given, figures = fit_rejection(cells(2000), held_out, np.ones(3000), CLASSES, 1.0, 0.5, 0.9)
    _, own = fit_rejection(cells(2000), held_out, np.ones(3000), CLASSES, 1.0, 0.5)
    assert given.familiarity.minimum_trust == 0.9 > rule.familiarity.minimum_trust
    assert figures["called"] < own["called"]
    most, figures = fit_rejection(cells(2000), held_out, np.ones(3000), CLASSES, 1.0, 0.5, 1.0)
    assert 0.9 < most.familiarity.minimum_trust < 1
    assert figures["called"] == pytest.approx(0.7, abs=0.01), "known cells are to be called all the same"
    lower, figures = fit_rejection(cells(2000), held_out, np.ones(3000), CLASSES, 1.0, 0.5, 0.3)
    assert lower.familiarity.minimum_trust == 0.3 < rule.familiarity.minimum_trust
    assert figures["called"] > own["called"]
