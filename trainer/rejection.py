"""Fitting the rule by which the device does not answer, on cells that were held out of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from edge.rejection import OTHER, Familiarity, Reject, distances, log_odds, trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_TARGET_ERROR = 0.01  # of the calls; the device's cells will be harder than those held out
_MOST_REJECTED = 0.10  # of cells of known classes
_LEAST_EXAMPLES = 10  # of calls that should not be made: with fewer, nothing can be fitted


@dataclass(frozen=True)
class Outputs:
    """What an int8 network says of cells: logits (n, classes), features (n, f), and the true labels (n,)."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int64]

    def probabilities(self, temperature: float) -> NDArray[np.float64]:
        """Give calibrated probabilities, float64 (n, classes)."""
        scaled = self.logits.astype(np.float64) / temperature
        exponent = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.asarray(exponent / exponent.sum(axis=1, keepdims=True))


def fit_rejection(
    seen: Outputs, held_out: Outputs, classes: Sequence[str], temperature: float, minimum_probability: float
) -> tuple[Reject, dict[str, float]]:
    """Fit the rule; give it with its figures on the held-out cells.

    seen: training cells, which say where each class lies in feature space. held_out: they say how much
    confidence and distance tell, and where the threshold lies: the lowest at which at most 1 % of the calls
    are wrong, and not so high that more than 10 % of known cells are refused. With too few calls to learn
    from that should not have been made, only the minimum probability stands.
    """
    plain = Reject(minimum_probability)
    if not len(held_out.labels) or set(np.unique(seen.labels)) != set(range(len(classes))):
        return plain, {}
    centres = np.stack([seen.features[seen.labels == c].mean(axis=0) for c in range(len(classes))])
    spread = np.sqrt(np.mean((seen.features - centres[seen.labels]) ** 2, axis=0))
    known = Familiarity(
        centres=tuple(tuple(round(float(v), 3) for v in row) for row in centres),
        spread=tuple(round(max(float(v), 1e-3), 4) for v in spread),
        usual_distance=0.0,
        intercept=0.0,
        confidence=1.0,
        distance=0.0,
        minimum_trust=0.0,
    )
    probabilities = held_out.probabilities(temperature)
    assessed = np.array([label != OTHER for label in classes])
    called = np.where(assessed, probabilities, -1.0).argmax(axis=1)
    is_known = assessed[held_out.labels]
    right = is_known & (called == held_out.labels)
    if right.sum() < _LEAST_EXAMPLES or (~right).sum() < _LEAST_EXAMPLES:
        return plain, {}
    confidence, distance = log_odds(probabilities, called), distances(held_out.features, called, known)
    # Both kinds weigh the same: how many strangers a set happens to hold says nothing of the clinic's.
    fitted = LogisticRegression(class_weight="balanced").fit(np.stack([confidence, -distance], axis=1), right)
    weights = [max(0.0, float(w)) for w in fitted.coef_[0]]
    known = replace(
        known,
        usual_distance=round(float(np.quantile(distance[right], 0.99)), 3),
        intercept=round(float(fitted.intercept_[0]), 4),
        confidence=round(weights[0], 4),
        distance=round(weights[1], 4),
    )
    score = trust(probabilities, held_out.features, called, known)
    answered = probabilities.argmax(axis=1) == called  # otherwise it is called `other` already
    known = replace(known, minimum_trust=_threshold(score, right, is_known, answered))
    rule = replace(plain, familiarity=known)
    return rule, figures(score, known.minimum_trust, right, is_known, answered)


def _threshold(
    score: NDArray[np.float64],
    right: NDArray[np.bool_],
    is_known: NDArray[np.bool_],
    answered: NDArray[np.bool_],
) -> float:
    highest = float(np.quantile(np.where(answered, score, 0.0)[is_known], _MOST_REJECTED))
    order = np.argsort(-score[answered])
    wrong = np.cumsum(~right[answered][order]) / np.arange(1, len(order) + 1)
    kept = np.flatnonzero(wrong <= _TARGET_ERROR)
    lowest = float(score[answered][order][kept[-1]]) if kept.size else 1.0
    return round(min(highest, lowest), 6)


def figures(
    score: NDArray[np.float64],
    threshold: float,
    right: NDArray[np.bool_],
    is_known: NDArray[np.bool_],
    answered: NDArray[np.bool_],
) -> dict[str, float]:
    """Give the rule's figures: shares of 0 to 1.

    auroc: of known cells against the others by trust; absent where all are known. called: of the known cells.
    wrong_calls: of all calls. wrong_calls_at_90: of the calls, were the threshold such that 90 % of the known
    cells are called.
    """
    result: dict[str, float] = {}
    shown = np.where(answered, score, 0.0)
    if not is_known.all():
        result["auroc"] = round(float(roc_auc_score(is_known, score)), 4)
    calls = answered & (score >= threshold)
    result["called"] = round(float(calls[is_known].mean()), 4)
    result["wrong_calls"] = round(float((~right[calls]).mean()), 4) if calls.any() else 0.0
    at_90 = answered & (shown >= np.quantile(shown[is_known], 0.1))
    result["wrong_calls_at_90"] = round(float((~right[at_90]).mean()), 4)
    return result
