"""Fitting the rule of refusal: what it lets through is right, and what it does not know stays out."""

from __future__ import annotations

import numpy as np
import pytest
from known_cells import CLASSES, cells

from edge.naming.rejection import Judge
from trainer.evaluation.rejection import Outputs, cheapest_threshold, figures, fit_rejection


def test_strangers_are_told_from_known_cells_and_few_calls_are_wrong():
    held_out = cells(3000, seed=2)
    rule, found = fit_rejection(cells(2000), held_out, np.ones(3000), CLASSES, 1.0, 0.5)
    assert rule.familiarity is not None
    assert found["auroc"] > 0.95
    assert found["wrong_calls"] <= 0.007
    assert found["called"] >= 0.88
    assert found["wrong_calls_at_90"] <= found["wrong_calls"] + 0.003


def test_copies_of_one_photograph_count_once():
    once = cells(800, seed=3)
    rows = np.r_[np.arange(800), np.repeat(np.flatnonzero(once.labels == 2)[:1], 400)]
    copied = Outputs(once.logits[rows], once.features[rows], once.labels[rows])
    weights = np.ones(len(rows))
    weights[rows == rows[-1]] /= (rows == rows[-1]).sum()
    seen = cells(2000)
    plain, _ = fit_rejection(seen, once, np.ones(800), CLASSES, 1.0, 0.5)
    weighted, _ = fit_rejection(seen, copied, weights, CLASSES, 1.0, 0.5)
    assert weighted.familiarity.minimum_trust == pytest.approx(plain.familiarity.minimum_trust, abs=0.02)


def test_its_figures_are_of_cells_that_it_was_not_fitted_on():
    # By the cells that it was fitted on a third of the calls that are wrong elsewhere was.
    seen, told, true = cells(500, noise=1.5, seed=99), [], []
    other = cells(4000, noise=1.5, seed=98)
    probabilities = other.probabilities(1.0).astype(np.float32)
    for seed in range(20):
        rule, found = fit_rejection(seen, cells(80, noise=1.5, seed=seed), np.ones(80), CLASSES, 1.0, 0.5)
        called = np.array([one.reason is None for one in Judge(rule, CLASSES)(probabilities, other.features)])
        true.append(float(np.mean(probabilities.argmax(axis=1)[called] != other.labels[called])))
        told.append(found["wrong_calls"])
    assert np.mean(told) == pytest.approx(np.mean(true), rel=0.35)


def test_cells_of_one_slide_are_held_back_together():
    once, seen = cells(150, noise=3, seed=7), cells(500, noise=1.5)
    thrice = once.chosen(np.repeat(np.arange(150), 3))
    names = [f"{number:03}" for number in range(150)]
    asked = (CLASSES, 1.0, 0.5, None)
    _, alone = fit_rejection(seen, once, np.ones(150), *asked, names)
    _, together = fit_rejection(seen, thrice, np.full(450, 1 / 3), *asked, np.repeat(names, 3).tolist())
    assert together == pytest.approx(alone, abs=1e-3)
    _, apart = fit_rejection(seen, thrice, np.full(450, 1 / 3), *asked)
    assert apart["wrong_calls"] < together["wrong_calls"]


def test_where_one_slide_has_all_cells_there_is_no_figure():
    rule, found = fit_rejection(cells(500), cells(200), np.ones(200), CLASSES, 1.0, 0.5, None, ["a"] * 200)
    assert rule.familiarity is not None
    assert found == {}


@pytest.mark.parametrize(
    ("errors_above", "errors_below", "threshold"),
    [
        (0.01, 0.02, 0.0),  # refusing would spare few wrong calls, and cost many cells
        (0.01, 0.30, 0.25),  # of the doubtful ones every third would be wrong
        (0.01, 1 / 19, 0.07),  # refusing would spare next to nothing, so that more are called
        (0.30, 0.30, 0.30),  # seven in ten are called all the same
    ],
)
def test_cells_are_refused_where_that_spares_more_than_it_costs(errors_above, errors_below, threshold):
    score = np.arange(10_000) / 10_000
    every = np.where(score < 0.25, round(1 / errors_below), round(1 / errors_above))
    right = np.arange(10_000) % every != 1
    everything = np.ones(10_000, np.bool_)
    found = cheapest_threshold(score, right, everything, everything, np.ones(10_000))
    assert found == pytest.approx(threshold, abs=0.011)


def test_a_target_out_of_reach_does_not_make_it_refuse_more_than_three_in_ten():
    rule, found = fit_rejection(cells(2000), cells(2000, noise=6, seed=4), np.ones(2000), CLASSES, 1.0, 0.5)
    assert found["wrong_calls"] > 0.01
    held_out = cells(2000, noise=6, seed=4)
    called_other = held_out.logits.argmax(axis=1) == 2
    known = held_out.labels < 2
    assert found["called"] >= 0.7 - called_other[known].mean()
    assert rule.familiarity.minimum_trust < 1


def test_with_nothing_to_learn_from_only_the_probability_stands():
    sure = cells(40, strangers=False, noise=0, seed=5)
    rule, found = fit_rejection(cells(500), sure, np.ones(40), CLASSES, 1.0, 0.5)
    assert rule.familiarity is None
    assert rule.minimum_probability == 0.5
    assert found == {}


def test_the_figures_are_those_of_a_hand_made_case():
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.2])
    right = np.array([True, True, False, True, False])
    is_known = np.array([True, True, True, True, False])
    answered = np.array([True, True, True, True, True])
    found = figures(score, 0.65, right, is_known, answered, np.ones(5))
    assert found["auroc"] == 1.0
    assert found["called"] == 0.75
    assert found["wrong_calls"] == pytest.approx(1 / 3, abs=1e-4)
