"""When the model does not answer, and why: of no class it counts, unlike its kind, or between two."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge.config import SHIPPED_MODEL
from edge.models.bundle import Description, read_bundle
from edge.models.reject import Familiarity, Reject
from edge.naming.rejection import Judge, call_confidence, distances, log_odds

LABELS = ("lymphocyte", "monocyte", "other")
CENTRES = ((0.0, 0.0), (4.0, 0.0), (0.0, 4.0))
KNOWN = Familiarity(CENTRES, (1.0, 1.0), 2.0, 1.0, 1.0, 0.5, 0.6)
RULE = Reject(0.5, KNOWN)


def judged(probabilities, features=(0.0, 0.0), rule=RULE):
    judge = Judge(rule, LABELS)
    return judge(np.array([probabilities], np.float32), np.array([features], np.float32))[0]


def test_a_sure_call_among_its_kind_is_counted():
    confidence, reason, _ = judged((0.98, 0.01, 0.01))
    assert reason is None
    assert confidence > 0.9


def test_what_is_not_counted_is_never_counted_however_sure():
    assert judged((0.01, 0.01, 0.98), (0.0, 4.0))[1] == "other"


def test_between_two_classes_there_is_no_answer():
    assert judged((0.45, 0.44, 0.11))[1] == "uncertain"


def test_a_sure_call_unlike_its_kind_is_refused_for_that():
    confidence, reason, _ = judged((0.999, 0.0005, 0.0005), (30.0, 30.0))
    assert reason == "unfamiliar"
    assert confidence < judged((0.999, 0.0005, 0.0005))[0]
    assert judged((0.999, 0.0005, 0.0005), (30.0, 30.0)).distance == pytest.approx(15.0)
    even_so = msgspec.structs.replace(KNOWN, distance=0.0, minimum_trust=0.0)
    assert judged((0.999, 0.0005, 0.0005), (30.0, 30.0), Reject(0.5, even_so))[1] == "unfamiliar"


def test_a_bundle_that_knows_no_distances_goes_by_probability_as_before():
    older = msgspec.json.decode(b'{"minimum_probability": 0.5}', type=Reject)
    assert judged((0.7, 0.2, 0.1), rule=older) == (pytest.approx(0.7), None, None)
    assert judged((0.4, 0.35, 0.25), rule=older)[1] == "uncertain"
    assert msgspec.json.encode(older) == b'{"minimum_probability":0.5}'


def test_the_rule_survives_the_bundle():
    assert msgspec.json.decode(msgspec.json.encode(RULE), type=Reject) == RULE


def test_beyond_all_that_was_seen_it_is_refused_even_at_full_trust():
    certain = msgspec.structs.replace(KNOWN, intercept=400.0, distance=0.0)
    confidence, reason, _ = judged((0.999, 0.0005, 0.0005), (30.0, 30.0), Reject(0.5, certain))
    assert confidence == 1.0
    assert reason == "unfamiliar"


@pytest.mark.parametrize(
    ("away", "reason"),
    [(1.9, None), (2.9, None), (3.1, "unfamiliar")],
    ids=["usual", "within one and a half times the usual", "beyond"],
)
def test_however_sure_and_trusted_it_is_what_is_too_far_from_its_class_is_refused(away, reason):
    trusting = msgspec.structs.replace(KNOWN, intercept=50.0, distance=0.0, minimum_trust=0.0)
    assert judged((0.999, 0.0005, 0.0005), (away, away), Reject(0.5, trusting))[1] == reason


def test_where_distances_are_known_an_improbable_call_is_refused_even_so():
    trusting = msgspec.structs.replace(KNOWN, intercept=50.0, minimum_trust=0.0)
    assert judged((0.4, 0.35, 0.25), rule=Reject(0.5, trusting))[1] == "uncertain"
    assert judged((0.6, 0.35, 0.05), rule=Reject(0.5, trusting))[1] is None


def test_among_its_kind_with_little_trust_it_is_uncertain_and_far_off_unfamiliar():
    strict = msgspec.structs.replace(KNOWN, minimum_trust=0.999)
    assert judged((0.7, 0.2, 0.1), (0.5, 0.5), Reject(0.5, strict))[1] == "uncertain"
    assert judged((0.7, 0.2, 0.1), (2.5, 2.5), Reject(0.5, strict))[1] == "unfamiliar"


def test_the_trust_in_a_cell_called_other_is_in_the_likeliest_class_that_counts():
    older = Reject(0.5)
    assert judged((0.2, 0.1, 0.7), rule=older)[:2] == (pytest.approx(0.2), "other")


def test_distance_is_in_units_of_the_classes_own_spread():
    wide = msgspec.structs.replace(KNOWN, spread=(10.0, 10.0), minimum_trust=0.0)
    assert judged((0.999, 0.0005, 0.0005), (15.0, 15.0), Reject(0.5, wide))[1] is None


def test_a_feature_that_never_varied_in_training_does_not_overflow():
    stiff = msgspec.structs.replace(KNOWN, spread=(1e-3, 1.0), distance=50.0)
    with np.errstate(all="raise"):
        assert judged((0.99, 0.005, 0.005), (1e3, 0.0), Reject(0.5, stiff))[:2] == (
            pytest.approx(0.0, abs=1e-9),
            "unfamiliar",
        )


def test_the_bundles_description_carries_the_rule_and_an_older_one_has_none():
    about = read_bundle(SHIPPED_MODEL).description
    described = msgspec.structs.replace(about, reject=RULE)
    again = msgspec.json.decode(msgspec.json.encode(described), type=Description)
    assert again == described
    raw = msgspec.json.decode(msgspec.json.encode(described))
    del raw["reject"]["familiarity"]
    assert msgspec.convert(raw, Description).reject == Reject(0.5)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.34, 1), st.floats(0, 8))
def test_a_higher_threshold_never_lets_through_what_a_lower_one_refused(one, other, sure, away):
    lax, strict = (Reject(0.5, msgspec.structs.replace(KNOWN, minimum_trust=t)) for t in sorted((one, other)))
    shares = (sure, (1 - sure) / 2, (1 - sure) / 2)
    if judged(shares, (away, 0.0), lax)[1] is not None:
        assert judged(shares, (away, 0.0), strict)[1] is not None


@given(
    arrays(np.float64, 3, elements=st.floats(0, 1)).filter(lambda p: p.sum() > 0.1),
    arrays(np.float64, 2, elements=st.floats(-50, 50)),
)
def test_every_cell_gets_a_verdict_and_nearer_is_never_less_trusted(probabilities, features):
    probabilities = (probabilities / probabilities.sum()).astype(np.float32)
    confidence, reason, _ = judged(probabilities, features)
    assert 0 <= confidence <= 1
    assert reason in {None, "other", "uncertain", "unfamiliar"}
    best = int(np.argmax(probabilities[:2]))
    halfway = (features + np.array(CENTRES[best])) / 2
    assert judged(probabilities, halfway)[0] >= confidence - 1e-6


def test_cells_judged_together_get_the_verdict_that_each_gets_alone():
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet(np.full(len(LABELS), 0.3), 40).astype(np.float32)
    features = rng.normal(0, 2, (40, 2)).astype(np.float32)
    for rule in (RULE, Reject(minimum_probability=0.6)):
        judge = Judge(rule, LABELS)
        alone = [judge(p[None], f[None])[0] for p, f in zip(probabilities, features, strict=True)]
        assert judge(probabilities, features) == alone
        assert len(set(alone)) > 10
        assert {reason for _, reason, _ in alone} >= {"uncertain", None}


def test_the_confidence_is_the_rules_own_formula():
    rule = Familiarity(CENTRES, (2.0, 0.5), 2.0, 0.3, 0.7, 0.4, 0.1)
    features = np.array([[1.0, 1.0], [4.0, 1.0]], np.float32)
    called = np.array([0, 1])
    probabilities = np.array([[0.8, 0.15, 0.05], [0.3, 0.6, 0.1]])
    # Off by half a deviation and by two: the root of the mean of their squares.
    off = np.sqrt([(0.5**2 + 2**2) / 2, (0.0 + 2**2) / 2])
    assert distances(features, called, rule) == pytest.approx(off)
    odds = np.log([0.8 / 0.2, 0.6 / 0.4])
    assert log_odds(probabilities, called) == pytest.approx(odds)
    expected = 1 / (1 + np.exp(-(0.3 + 0.7 * odds - 0.4 * off)))
    assert call_confidence(probabilities, features, called, rule) == pytest.approx(expected)
    said = Judge(Reject(0.5, rule), LABELS)(probabilities.astype(np.float32), features)
    assert [one.confidence for one in said] == pytest.approx(expected.tolist())
    assert [one.distance for one in said] == pytest.approx((off / 2).tolist())


def test_beyond_what_int8_can_tell_log_odds_are_all_the_same():
    sure = np.array([[1.0, 0.0], [1 - 1e-6, 1e-6], [1 - 1e-5, 1e-5]])
    assert log_odds(sure, np.zeros(3, np.int64)) == pytest.approx([12, 12, np.log((1 - 1e-5) / 1e-5)])
    assert log_odds(sure, np.ones(3, np.int64)) == pytest.approx([-12, -12, -np.log((1 - 1e-5) / 1e-5)])


def test_what_reaches_a_threshold_is_called():
    assert judged((0.5, 0.25, 0.25), rule=Reject(0.5))[1] is None
    assert judged((0.5, 0.25, 0.25), rule=Reject(0.50001))[1] == "uncertain"
    trusting = msgspec.structs.replace(KNOWN, intercept=50.0, distance=0.0, minimum_trust=0.0)
    assert judged((0.5, 0.25, 0.25), rule=Reject(0.5, trusting))[1] is None
    # Even odds and no distance: a trust of one half.
    half = msgspec.structs.replace(KNOWN, intercept=0.0, distance=0.0, minimum_trust=0.5)
    assert judged((0.5, 0.25, 0.25), rule=Reject(0.4, half)) == (0.5, None, 0.0)
    more = msgspec.structs.replace(half, minimum_trust=0.50001)
    assert judged((0.5, 0.25, 0.25), rule=Reject(0.4, more))[1] == "uncertain"


def test_exactly_at_the_distance_of_no_return_it_is_still_called():
    trusting = msgspec.structs.replace(KNOWN, intercept=50.0, distance=0.0, minimum_trust=0.0)
    assert judged((0.98, 0.01, 0.01), (3.0, 3.0), Reject(0.5, trusting)) == (1.0, None, 1.5)
    strict = msgspec.structs.replace(KNOWN, minimum_trust=1.0)
    assert judged((0.98, 0.01, 0.01), (2.0, 2.0), Reject(0.5, strict))[1:] == ("uncertain", 1.0)


def test_a_network_without_features_is_judged_by_probability_though_its_rule_knows_distances():
    judge = Judge(RULE, LABELS)
    probabilities = np.array([[0.7, 0.2, 0.1], [0.45, 0.35, 0.2]], np.float32)
    assert judge(probabilities, None) == [
        (pytest.approx(0.7), None, None),
        (pytest.approx(0.45), "uncertain", None),
    ]


def test_other_may_stand_anywhere_among_the_labels():
    judge = Judge(Reject(0.5), ("segmented", "other", "band"))
    probabilities = np.array([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1], [0.1, 0.3, 0.6]], np.float32)
    assert judge(probabilities, None) == [
        (pytest.approx(0.2), "other", None),
        (pytest.approx(0.6), None, None),
        (pytest.approx(0.6), None, None),
    ]
