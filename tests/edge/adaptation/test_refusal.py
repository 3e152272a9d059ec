"""An adapted model answers where its own cells lie, and is careful by what it got wrong."""

from __future__ import annotations

import numpy as np
import pytest

from edge.adaptation.refit import folds_of
from edge.adaptation.refusal import LEAST_CALLED, adapted_rule, judged_apart, relocated
from edge.labels import OTHER
from edge.models.reject import Familiarity, Reject
from edge.naming.known_microscopes import known_microscopes
from edge.naming.rejection import Judge

CLASSES = ("lymphocyte", "monocyte", "neutrophil", OTHER)
LENGTH = 8
CENTRES = 4.0 * np.eye(len(CLASSES), LENGTH)
MOVED_BY = 6.0 * np.ones(LENGTH)  # by which another microscope's features are off


def rule(minimum_trust=0.5) -> Reject:
    known = Familiarity(tuple(map(tuple, CENTRES)), (1.0,) * LENGTH, 1.7, 0.0, 1.0, 0.5, minimum_trust)
    return Reject(0.5, known)


def cells(count=15, classes=(0, 1, 2), seed=0):
    """Cells of another microscope: every class has moved by the same."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.array(classes), count)
    return CENTRES[labels] + MOVED_BY + rng.normal(0, 1, (len(labels), LENGTH)), labels


def probabilities(labels, *, wrong=(), sure=0.95):
    """What is right is called surely, and the rest a little less so."""
    called = labels.copy()
    called[list(wrong)] = (called[list(wrong)] + 1) % 3
    rest = (1 - sure) / (len(CLASSES) - 1)
    result = np.full((len(labels), len(CLASSES)), rest)
    result[np.arange(len(labels)), called] = sure
    for k in wrong:
        result[k] = rest + 0.0
        result[k, called[k]], result[k, labels[k]] = 0.7, 0.3 - 2 * rest
    return result


def test_centres_move_to_the_named_cells_and_with_them_those_of_a_class_without_any():
    features, labels = cells(40)
    known = relocated(rule().familiarity, features, labels)
    off = np.abs(np.array(known.centres) - (CENTRES + MOVED_BY)).max(axis=1)
    assert (off < 0.8).all(), off
    assert np.allclose(known.spread, 1, atol=0.35)


def test_few_cells_move_a_centre_little_of_their_own():
    features, labels = cells(40)
    lonely = labels != 0
    lonely[0] = True  # one lymphocyte, which lies far out
    features[0] = CENTRES[0] + MOVED_BY + 12
    known = relocated(rule().familiarity, features[lonely], labels[lonely])
    assert np.abs(np.array(known.centres)[0] - (CENTRES[0] + MOVED_BY)).max() < 7


def test_cells_of_the_microscope_are_called_that_the_parent_found_unlike_any():
    features, labels = cells()
    sure = probabilities(labels)
    before = Judge(rule(), CLASSES)(sure.astype(np.float32), features.astype(np.float32))
    assert all(one.reason == "unfamiliar" for one in before)
    adapted = adapted_rule(rule(), CLASSES, features, labels, sure, folds_of(labels))
    fresh, true = cells(seed=1)
    after = Judge(adapted, CLASSES)(probabilities(true).astype(np.float32), fresh.astype(np.float32))
    assert np.mean([one.reason is None for one in after]) > 0.9
    strange = Judge(adapted, CLASSES)(sure.astype(np.float32), (features + 9).astype(np.float32))
    assert all(one.reason == "unfamiliar" for one in strange), "what is like none of them is still refused"


def test_new_cells_of_the_microscope_are_as_usual_as_the_named_ones_were_when_held_back():
    features, labels = cells()
    named = features, labels, probabilities(labels), folds_of(labels)
    adapted = adapted_rule(rule(), CLASSES, *named)
    judged = judged_apart(rule(), adapted, CLASSES, *named)
    said = probabilities(labels).astype(np.float32), judged, labels, np.ones(len(labels))
    known = known_microscopes(*said, classes=CLASSES, on="named cells")
    fresh, true = cells(seed=1)
    after = Judge(adapted, CLASSES)(probabilities(true).astype(np.float32), fresh.astype(np.float32))
    unlike = np.mean([one.distance > known.unlike for one in after])
    assert unlike < known.limits["unlike"].unfamiliar
    # By centres that they are part of, the named cells seem nearer than new ones are.
    nearer = Judge(adapted, CLASSES)(probabilities(labels).astype(np.float32), features.astype(np.float32))
    assert np.mean([a.distance for a in nearer]) < np.mean([b.distance for b in judged])


@pytest.mark.parametrize("wrong", [(0, 5, 20, 40), (0, 3, 6, 9, 12, 16, 20, 24, 30, 36, 40, 44)])
def test_wrong_calls_raise_the_threshold_until_few_are_left_but_not_until_nothing_is_called(wrong):
    features, labels = cells()
    said = probabilities(labels, wrong=wrong)
    careless = adapted_rule(rule(0.0), CLASSES, features, labels, probabilities(labels), folds_of(labels))
    careful = adapted_rule(rule(0.0), CLASSES, features, labels, said, folds_of(labels))
    assert careful.familiarity.minimum_trust > careless.familiarity.minimum_trust
    judged = Judge(careful, CLASSES)(said.astype(np.float32), features.astype(np.float32))
    called = np.array([one.reason is None for one in judged])
    assert called.mean() >= LEAST_CALLED - 0.1
    assert called[list(wrong)].mean() < 0.5


def test_a_threshold_is_never_lower_than_the_parents_unless_that_refuses_too_many():
    features, labels = cells()
    said = probabilities(labels)
    usual = adapted_rule(rule(0.6), CLASSES, features, labels, said, folds_of(labels))
    assert usual.familiarity.minimum_trust == pytest.approx(0.6)
    deaf = adapted_rule(rule(0.9999), CLASSES, features, labels, said, folds_of(labels))
    assert deaf.familiarity.minimum_trust < 0.9999


def test_a_rule_without_distances_stays_as_it_is():
    features, labels = cells()
    plain = Reject(0.5)
    assert adapted_rule(plain, CLASSES, features, labels, probabilities(labels), folds_of(labels)) == plain
