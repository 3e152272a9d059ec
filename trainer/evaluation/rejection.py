"""Fitting the rule by which the device does not answer, on cells that were held out of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from edge.labels import OTHER
from edge.models.reject import TOO_FAR, Familiarity, Reject
from edge.naming.rejection import call_confidence, distances, log_odds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_A_WRONG_CALL = 20.0  # costs as much as so many refused cells, at each of which a person must look
_HARDLY_MORE = 0.01  # of known cells: less than the cells held out can tell
_MOST_REJECTED = 0.30  # of cells of known classes: of microscopes left out, seven in ten are to be called
_LEAST_EXAMPLES = 10  # of calls that should not be made: with fewer, nothing can be fitted


@dataclass(frozen=True)
class Outputs:
    """What an int8 network says of cells: logits (n, classes), features (n, f), and the true labels (n,)."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int64]

    def probabilities(self, temperature: float) -> NDArray[np.float64]:
        """Return calibrated probabilities, float64 (n, classes)."""
        scaled = self.logits.astype(np.float64) / temperature
        exponent = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.asarray(exponent / exponent.sum(axis=1, keepdims=True))


def fit_rejection(
    seen: Outputs,
    held_out: Outputs,
    weights: NDArray[np.float64],
    classes: Sequence[str],
    temperature: float,
    minimum_probability: float,
    least_trust: float = 0.0,
) -> tuple[Reject, dict[str, float]]:
    """Fit the rule; give it with its figures on the held-out cells.

    seen: training cells, which say where each class lies in feature space. held_out: they say how much
    confidence and distance tell, and where the threshold lies: where wrong calls and refused cells cost the
    least together, and not so high that more than 30 % of known cells are refused. weights: (n,) of them,
    so that each photograph counts once, and `other` as often as it is expected on slides. least_trust: the
    threshold is no lower, as microscopes left out told (`trainer.evaluation.trust`), if that refuses no more
    than 30 % either. With too few calls to learn from that should not have been made, only the minimum
    probability stands.
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
        logits=tuple(
            tuple(round(float(v), 3) for v in seen.logits[seen.labels == c].mean(axis=0))
            for c in range(len(classes))
        ),
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
    terms = np.stack([confidence, -distance], axis=1)
    fitted = LogisticRegression(class_weight="balanced").fit(terms, right, sample_weight=weights)
    confidence_weight, distance_weight = (max(0.0, float(w)) for w in fitted.coef_[0])
    known = replace(
        known,
        usual_distance=round(_quantile(distance[right], weights[right], 0.99), 3),
        intercept=round(float(fitted.intercept_[0]), 4),
        confidence=round(confidence_weight, 4),
        distance=round(distance_weight, 4),
    )
    score = call_confidence(probabilities, held_out.features, called, known)
    # The rest is refused already: called `other`, too unsure, or too far from all that was seen.
    answered = (
        (probabilities.argmax(axis=1) == called)
        & (probabilities.max(axis=1) >= minimum_probability)
        & (distance <= TOO_FAR * known.usual_distance)
    )
    known = replace(
        known, minimum_trust=cheapest_threshold(score, right, is_known, answered, weights, least_trust)
    )
    rule = replace(plain, familiarity=known)
    return rule, figures(score, known.minimum_trust, right, is_known, answered, weights)


def cheapest_threshold(
    score: NDArray[np.float64],
    right: NDArray[np.bool_],
    is_known: NDArray[np.bool_],
    answered: NDArray[np.bool_],
    weights: NDArray[np.float64],
    least_trust: float = 0.0,
) -> float:
    """Return the confidence from which on cells are called: where errors and refusals cost the least.

    A wrong call costs as much as twenty refused cells of known classes. Of thresholds that cost hardly more,
    by one known cell in a hundred, the lowest, which calls most. It is no lower than `least_trust`, but
    whatever is asked, at most 30 % of known cells are refused.
    score: the confidence, (n,). right: called by its name. answered: not refused already, whatever the
    confidence. weights: (n,).
    """
    highest = _quantile(np.where(answered, score, 0.0)[is_known], weights[is_known], _MOST_REJECTED)
    order = np.argsort(-score[answered])
    falling, share, wrong = score[answered][order], weights[answered][order], ~right[answered][order]
    # int8 gives many cells the very same score: the threshold lets in all of them, or none.
    complete = np.append(falling[:-1] != falling[1:], [True] * bool(falling.size))
    # Of each cell that is let in: less where it is not refused any more, more where the call is wrong.
    costs = share * (np.where(wrong, _A_WRONG_CALL, 0.0) - is_known[answered][order])
    together = np.where(complete, np.cumsum(costs), np.inf)
    lowest = 1.0
    if falling.size:
        hardly_more = _HARDLY_MORE * float(weights[is_known].sum())
        lowest = float(falling[np.flatnonzero(together <= together.min() + hardly_more)[-1]])
    return round(min(highest, max(lowest, least_trust)), 6)


def _quantile(values: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float:
    """Return the value below which this share of the weight lies."""
    order = np.argsort(values)
    cumulated = np.cumsum(weights[order])
    return float(values[order][min(len(order) - 1, np.searchsorted(cumulated, share * cumulated[-1]))])


def figures(
    score: NDArray[np.float64],
    threshold: float,
    right: NDArray[np.bool_],
    is_known: NDArray[np.bool_],
    answered: NDArray[np.bool_],
    weights: NDArray[np.float64],
) -> dict[str, float]:
    """Return the rule's figures: shares of 0 to 1, in which cells count by their weights.

    score: the confidence, (n,). answered: not refused already, whatever the confidence. auroc: of known cells
    against the others by confidence; absent where all are known. called: of the known cells. wrong_calls: of
    all calls.
    wrong_calls_at_90: of the calls, were the threshold such that 90 % of the known cells are called. Where no
    cell is known, none of these but others_called: the share of the others that is called all the same.
    """
    result: dict[str, float] = {}
    shown = np.where(answered, score, 0.0)
    if is_known.any() and not is_known.all():
        result["auroc"] = round(float(roc_auc_score(is_known, score, sample_weight=weights)), 4)
    calls = answered & (score >= threshold)
    if not is_known.any():
        return {"others_called": round(float(np.average(calls, weights=weights)), 4)}
    result["called"] = round(float(np.average(calls[is_known], weights=weights[is_known])), 4)
    result["wrong_calls"] = _share_wrong(right, weights, calls)
    least = _quantile(shown[is_known], weights[is_known], 0.1)
    result["wrong_calls_at_90"] = _share_wrong(right, weights, answered & (shown >= least))
    return result


def _share_wrong(right: NDArray[np.bool_], weights: NDArray[np.float64], calls: NDArray[np.bool_]) -> float:
    return round(float(np.average(~right[calls], weights=weights[calls])), 4) if calls.any() else 0.0
