"""Fitting the rule by which the device does not answer, on cells that were held out of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

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
_PARTS = 10  # of the photographs or slides, each of which is held back once


@dataclass(frozen=True)
class Outputs:
    """What an int8 network says of cells: logits (n, classes), features (n, f), and the true labels (n,)."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int64]

    def chosen(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Outputs:
        """Return some of the cells: where bool (n,) is True, or by their numbers."""
        return Outputs(self.logits[which], self.features[which], self.labels[which])

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
    left_out_trust: float | None = None,
    groups: Sequence[str] | None = None,
) -> tuple[Reject, dict[str, float]]:
    """Fit the rule; give it with its figures on the held-out cells.

    seen: training cells, which say where each class lies in feature space. held_out: they say how much
    confidence and distance tell. weights: (n,) of them, so that each photograph counts once, and `other` as
    often as it is expected on slides. left_out_trust: the threshold, as microscopes left out told it
    (`trainer.evaluation.trust`); None: the held-out cells tell it, by `cheapest_threshold`. In neither case
    is it so high that more than 30 % of known cells are refused. With too few calls to learn from that should
    not have been made, only the minimum probability stands.
    groups: n names of photographs or slides; None: each cell is one. Each cell's figures are by a rule that
    was fitted without its group, for the rule's own cells flatter it. There are none where so few are left.
    """
    asked = _Asked(tuple(classes), temperature, minimum_probability, left_out_trust)
    known = _where_classes_lie(seen, len(classes))
    fitted = None if known is None else _fitted(known, held_out, weights, asked)
    if known is None or fitted is None:
        return Reject(minimum_probability), {}
    names = [str(number) for number in range(len(weights))] if groups is None else groups
    return Reject(minimum_probability, fitted), _held_back_figures(known, held_out, weights, names, asked)


class _Asked(NamedTuple):
    """What a rule is to be of: see `fit_rejection`."""

    classes: tuple[str, ...]
    temperature: float
    minimum_probability: float
    left_out_trust: float | None


class _Judged(NamedTuple):
    """What a rule says of n cells: (n,) each. score: its confidence. The rest: see `figures`."""

    score: NDArray[np.float64]
    right: NDArray[np.bool_]
    is_known: NDArray[np.bool_]
    answered: NDArray[np.bool_]


def _where_classes_lie(seen: Outputs, classes: int) -> Familiarity | None:
    """Return what training cells tell, with nothing fitted yet; None where a class has none."""
    if set(np.unique(seen.labels)) != set(range(classes)):
        return None
    centres = np.stack([seen.features[seen.labels == c].mean(axis=0) for c in range(classes)])
    spread = np.sqrt(np.mean((seen.features - centres[seen.labels]) ** 2, axis=0))
    return Familiarity(
        centres=tuple(tuple(round(float(v), 3) for v in row) for row in centres),
        spread=tuple(round(max(float(v), 1e-3), 4) for v in spread),
        usual_distance=0.0,
        intercept=0.0,
        confidence=1.0,
        distance=0.0,
        minimum_trust=0.0,
        logits=tuple(
            tuple(round(float(v), 3) for v in seen.logits[seen.labels == c].mean(axis=0))
            for c in range(classes)
        ),
    )


def _fitted(
    known: Familiarity, cells: Outputs, weights: NDArray[np.float64], asked: _Asked
) -> Familiarity | None:
    """Return what is known with all that cells (n,) tell; None where they are too few."""
    probabilities, called, is_known = _likeliest(cells, asked)
    right = is_known & (called == cells.labels)
    if right.sum() < _LEAST_EXAMPLES or (~right).sum() < _LEAST_EXAMPLES:
        return None
    confidence, distance = log_odds(probabilities, called), distances(cells.features, called, known)
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
    judged = _judged(known, cells, asked)
    threshold = (
        cheapest_threshold(*judged, weights)
        if asked.left_out_trust is None
        else min(round(asked.left_out_trust, 6), _highest_threshold(judged, weights))
    )
    return replace(known, minimum_trust=threshold)


def _held_back_figures(
    known: Familiarity,
    cells: Outputs,
    weights: NDArray[np.float64],
    groups: Sequence[str],
    asked: _Asked,
) -> dict[str, float]:
    """Return the figures of cells (n,), each judged by a rule that was fitted without its group.

    Of ten parts of the groups each is held back in turn, of fewer groups each by itself. None where a part
    leaves too few cells.
    """
    names, group = np.unique(np.array(groups), return_inverse=True)
    part = np.random.default_rng(0).permutation(len(names))[group] % _PARTS
    judged = _judged(known, cells, asked)  # to be replaced, part by part
    calls = np.zeros(len(weights), np.bool_)
    for number in np.unique(part):
        own = part == number
        rule = _fitted(known, cells.chosen(~own), weights[~own], asked)
        if rule is None:
            return {}
        of_part = _judged(rule, cells.chosen(own), asked)
        for whole, found in zip(judged, of_part, strict=True):
            whole[own] = found
        calls[own] = of_part.answered & (of_part.score >= rule.minimum_trust)
    return _figures(judged, calls, weights)


def _likeliest(
    cells: Outputs, asked: _Asked
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return probabilities (n, classes), the likeliest class that is counted and whether the true one is."""
    probabilities = cells.probabilities(asked.temperature)
    counted = np.array([label != OTHER for label in asked.classes])
    return probabilities, np.where(counted, probabilities, -1.0).argmax(axis=1), counted[cells.labels]


def _judged(known: Familiarity, cells: Outputs, asked: _Asked) -> _Judged:
    probabilities, called, is_known = _likeliest(cells, asked)
    # The rest is refused already: called `other`, too unsure, or too far from all that was seen.
    answered = (
        (probabilities.argmax(axis=1) == called)
        & (probabilities.max(axis=1) >= asked.minimum_probability)
        & (distances(cells.features, called, known) <= TOO_FAR * known.usual_distance)
    )
    score = call_confidence(probabilities, cells.features, called, known)
    return _Judged(score, is_known & (called == cells.labels), is_known, answered)


def cheapest_threshold(
    score: NDArray[np.float64],
    right: NDArray[np.bool_],
    is_known: NDArray[np.bool_],
    answered: NDArray[np.bool_],
    weights: NDArray[np.float64],
) -> float:
    """Return the confidence from which on cells are called: where errors and refusals cost the least.

    A wrong call costs as much as twenty refused cells of known classes. Of thresholds that cost hardly more,
    by one known cell in a hundred, the lowest, which calls most. At most 30 % of known cells are refused.
    score: the confidence, (n,). right: called by its name. answered: not refused already, whatever the
    confidence. weights: (n,).
    """
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
    highest = _highest_threshold(_Judged(score, right, is_known, answered), weights)
    return min(highest, round(lowest, 6))


def _highest_threshold(judged: _Judged, weights: NDArray[np.float64]) -> float:
    """Return the confidence from which on seven in ten of the known cells are called."""
    shown = np.where(judged.answered, judged.score, 0.0)[judged.is_known]
    return round(_quantile(shown, weights[judged.is_known], _MOST_REJECTED), 6)


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
    return _figures(_Judged(score, right, is_known, answered), answered & (score >= threshold), weights)


def _figures(judged: _Judged, calls: NDArray[np.bool_], weights: NDArray[np.float64]) -> dict[str, float]:
    """As `figures`, of cells (n,) whose threshold need not be one; calls: which are called, bool (n,)."""
    score, right, is_known, answered = judged
    result: dict[str, float] = {}
    shown = np.where(answered, score, 0.0)
    if is_known.any() and not is_known.all():
        result["auroc"] = round(float(roc_auc_score(is_known, score, sample_weight=weights)), 4)
    if not is_known.any():
        return {"others_called": round(float(np.average(calls, weights=weights)), 4)}
    result["called"] = round(float(np.average(calls[is_known], weights=weights[is_known])), 4)
    result["wrong_calls"] = _share_wrong(right, weights, calls)
    least = _quantile(shown[is_known], weights[is_known], 0.1)
    result["wrong_calls_at_90"] = _share_wrong(right, weights, answered & (shown >= least))
    return result


def _share_wrong(right: NDArray[np.bool_], weights: NDArray[np.float64], calls: NDArray[np.bool_]) -> float:
    return round(float(np.average(~right[calls], weights=weights[calls])), 4) if calls.any() else 0.0
