"""When the model does not answer: the cell is of no class that it counts, unlike its kind, or between two.

The probability alone does not do, for a network is often sure of what it has never seen; nor is distance in
feature space, for it says nothing of two classes that lie side by side. Both come out of the same int8 pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from edge.labels import OTHER
from edge.models.reject import TOO_FAR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.models.reject import Familiarity, Reject

Reason = Literal["other", "unfamiliar", "uncertain"]


class Judgement(NamedTuple):
    """What is said of a call.

    confidence: in it, 0 to 1. reason: why it is not to be counted, or None. distance: of the cell to known
    ones of its likeliest counted class, in times of what 99 % of these stay within; None where the bundle
    knows none.
    """

    confidence: float
    reason: Reason | None
    distance: float | None


_MOST = 12.0  # logits: beyond, int8 tells nothing any more


def log_odds(probabilities: NDArray[np.float64], called: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the log-odds, float64 (n,), of the called class (n,) in probabilities (n, classes)."""
    p = probabilities[np.arange(len(called)), called].astype(np.float64)
    odds = np.log(np.maximum(p, 1e-9)) - np.log(np.maximum(1 - p, 1e-9))
    # `np.clip` takes longer to ask what is meant than these two take.
    return np.asarray(np.minimum(np.maximum(odds, -_MOST), _MOST), np.float64)


def distances(
    features: NDArray[np.float32], called: NDArray[np.int64], known: Familiarity
) -> NDArray[np.float64]:
    """Return how far features (n, f) lie from the centre of their called class (n,): float64 (n,).

    Root mean square over the features of the difference in standard deviations: a Mahalanobis distance with
    a shared diagonal covariance (Lee et al. 2018).
    """
    return _apart(features, np.array(known.centres)[called], np.array(known.spread))


def _apart(
    features: NDArray[np.float32], centres: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    off = (features - centres) / spread
    return np.asarray(np.sqrt(np.mean(off * off, axis=-1)), np.float64)


def call_confidence(
    probabilities: NDArray[np.float64],
    features: NDArray[np.float32],
    called: NDArray[np.int64],
    known: Familiarity,
) -> NDArray[np.float64]:
    """Return the confidence in calls, float64 (n,) in 0 to 1."""
    return _confidence(log_odds(probabilities, called), distances(features, called, known), known)


def _confidence(
    odds: NDArray[np.float64], off: NDArray[np.float64], known: Familiarity
) -> NDArray[np.float64]:
    score = known.intercept + known.confidence * odds - known.distance * off
    # Where a feature never varied in training, a cell can be thousands of deviations off.
    return np.asarray(1 / (1 + np.exp(-np.minimum(np.maximum(score, -500), 500))), np.float64)


class Judge:
    """Says of calls how sure each is, and why it is not to be counted.

    What the rule says is made ready once: a bundle has it as thousands of numbers in a form of its own.
    """

    def __init__(self, rule: Reject, labels: Sequence[str]) -> None:
        self._rule = rule
        self._labels = labels
        self._counted = np.array([label != OTHER for label in labels])
        known = rule.familiarity
        self._centres = None if known is None else np.array(known.centres)
        self._spread = None if known is None else np.array(known.spread)

    def __call__(
        self, probabilities: NDArray[np.float32], features: NDArray[np.float32] | None
    ) -> list[Judgement]:
        """Return what is said of each call.

        probabilities: (n, labels). features: (n, f) or None. It is that in the likeliest class that is
        counted, also where `other` is likelier; without a bundle's `familiarity` it is that class's
        probability.
        """
        rule, known = self._rule, self._rule.familiarity
        counted = np.where(self._counted, probabilities, np.float32(-1))
        best, likeliest = counted.argmax(axis=1), counted.max(axis=1)
        if known is None or features is None or self._centres is None or self._spread is None:
            confident, needed = likeliest.astype(np.float64), rule.minimum_probability
            off, usual = np.full(len(best), np.nan), 1.0
        else:
            odds = log_odds(probabilities.astype(np.float64), best)
            off, usual = _apart(features, self._centres[best], self._spread), known.usual_distance
            confident, needed = _confidence(odds, off, known), known.minimum_trust
        verdicts: list[Judgement] = []
        called = probabilities.argmax(axis=1).tolist()
        for label, sure, distance, probability in zip(
            called, confident.tolist(), off.tolist(), likeliest, strict=True
        ):
            reason: Reason | None = None
            if self._labels[label] == OTHER:
                reason = "other"
            elif sure < needed or distance > TOO_FAR * usual:
                reason = "unfamiliar" if distance > usual else "uncertain"
            elif probability < rule.minimum_probability:
                reason = "uncertain"
            apart = None if np.isnan(distance) else distance / usual
            verdicts.append(Judgement(sure, reason, apart))
        return verdicts
