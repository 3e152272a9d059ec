"""What is usual of known microscopes comes from cells held out of training, each microscope weighed alike."""

from __future__ import annotations

import numpy as np
from known_cells import CLASSES, cells

from edge.differential.familiarity import Signs, judge
from edge.naming.rejection import Judge
from edge.slide.contribution import Likeness
from trainer.evaluation.known_microscopes import known_microscopes, microscope_weights
from trainer.evaluation.rejection import Outputs, fit_rejection


def fitted(held_out, sets):
    weights = microscope_weights(np.ones(len(sets)), sets, held_out.labels != CLASSES.index("other"))
    rule, _ = fit_rejection(cells(2000), held_out, weights, CLASSES, 1.0, 0.5)
    known = known_microscopes(held_out, weights, sets, CLASSES, temperature=1.0, rule=rule, on="held out")
    return rule, known


def specimen(rule, outputs):
    """Return cells as the device says them."""
    probabilities = outputs.probabilities(1.0).astype(np.float32)
    said = Judge(rule, CLASSES)(probabilities, outputs.features)
    return [
        Likeness(one.distance, float(p.max()), one.reason) for one, p in zip(said, probabilities, strict=True)
    ]


def test_new_cells_of_a_known_microscope_are_familiar_and_those_of_another_are_not():
    held_out = cells(2000, seed=2)
    rule, known = fitted(held_out, np.arange(2000) % 3)
    assert 0.05 < known.usual["unlike"] < 0.15
    again = cells(400, seed=5, strangers=False)
    assert judge(Signs(known, specimen(rule, again))).verdict == "familiar"
    apart = again.features + 2 * np.array(rule.familiarity.spread, np.float32)
    moved = Outputs(again.logits, apart, again.labels)
    said = judge(Signs(known, specimen(rule, moved)))
    assert said.verdict == "unfamiliar"
    assert "unlike those that the model knows" in said.reasons[0]


def test_each_microscope_weighs_the_same_however_many_cells_it_has():
    sets = np.repeat([0, 1], [900, 100])
    is_known = np.ones(1000, np.bool_)
    is_known[::10] = False
    weights = microscope_weights(np.ones(1000), sets, is_known)
    assert np.isclose(weights[is_known & (sets == 0)].sum(), weights[is_known & (sets == 1)].sum())
    assert np.isclose(weights.sum(), 1000)
    assert weights[~is_known].sum() > 0


def test_a_rule_that_knows_no_distances_says_nothing_of_microscopes():
    sure = cells(40, strangers=False, noise=0, seed=5)
    rule, known = fitted(sure, np.zeros(40, np.int64))
    assert rule.familiarity is None
    assert known is None
