"""When an adapted model refuses to answer: where its classes lie now, and above which confidence it is right.

The parent model knows where its classes lie in feature space on the microscopes that it was trained on. On
another microscope they lie elsewhere, and only a few named cells show where. So all centres are moved by the
mean shift of the named classes, and each further towards its own cells, the more there are of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from edge.labels import OTHER
from edge.models.reject import TOO_FAR, Reject
from edge.naming.rejection import Judge, Judgement, call_confidence, distances

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.adaptation.refit import Floats, Labels
    from edge.models.reject import Familiarity

TARGET_ERROR = 0.05
"""Share of the calls that may be wrong, on named cells that were held back."""

LEAST_CALLED = 0.7
"""Least share of the named cells of counted classes that must be called, whatever the error rate."""

_CENTRE_WEIGHS = 5.0  # cells that the parent's centre of a class counts as, against the named cells
_SPREAD_WEIGHS = 50.0  # cells that the parent's spread of the features counts as
_USUAL = 0.99


def relocated(known: Familiarity, features: Floats, labels: Labels) -> Familiarity:
    """Return the rule with the centres and the spread of named cells.

    features: float64 (cells, n), of the cells as they lay. labels: (cells,).
    """
    centres, spread = np.array(known.centres), np.array(known.spread)
    classes = np.unique(labels)
    means = {int(c): features[labels == c].mean(axis=0) for c in classes}
    moved = centres + np.mean([mean - centres[c] for c, mean in means.items()], axis=0)
    for c, mean in means.items():
        count = int((labels == c).sum())
        moved[c] = (count * mean + _CENTRE_WEIGHS * moved[c]) / (count + _CENTRE_WEIGHS)
    off = features - np.array([means[int(c)] for c in labels])
    inner = max(0, len(labels) - len(classes))
    within = ((off**2).sum(axis=0) + _SPREAD_WEIGHS * spread**2) / (inner + _SPREAD_WEIGHS)
    return replace(
        known,
        centres=tuple(tuple(round(float(value), 3) for value in row) for row in moved),
        spread=tuple(round(max(float(value), 1e-3), 4) for value in np.sqrt(within)),
        logits=(),  # not aligned any more: named cells say more than cells without a name
    )


def adapted_rule(
    rule: Reject,
    classes: Sequence[str],
    features: Floats,
    labels: Labels,
    probabilities: Floats,
    parts: Sequence[NDArray[np.bool_]],
) -> Reject:
    """Return when the adapted model does not answer, by cross-validation over the named cells.

    The confidence threshold is the parent's, or the lowest at which at most one call in twenty is wrong if
    that is higher; but never one that refuses more than three in ten of the cells that should be counted.
    features: float64 (cells, n). labels: (cells,). probabilities: (cells, classes), each cell's from a layer
    that was fitted without it. parts: the cells that were held back together, bool (cells,) each.
    """
    if rule.familiarity is None:
        return rule
    counted = np.array([label != OTHER for label in classes])
    called = np.where(counted, probabilities, -1.0).argmax(axis=1)
    distance, score = np.empty(len(labels)), np.empty(len(labels))
    for part in parts:
        apart = relocated(rule.familiarity, features[~part], labels[~part])
        held = features[part].astype(np.float32)
        distance[part] = distances(held, called[part], apart)
        score[part] = call_confidence(probabilities[part], held, called[part], apart)
    known = relocated(rule.familiarity, features, labels)
    is_known = counted[labels]
    right = is_known & (called == labels)
    if not right.any():
        return replace(rule, familiarity=known)
    usual = float(np.quantile(distance[right], _USUAL))
    answered = (
        (probabilities.argmax(axis=1) == called)
        & (probabilities.max(axis=1) >= rule.minimum_probability)
        & (distance <= TOO_FAR * usual)
    )
    shown = np.where(answered, score, 0.0)
    enough = max(known.minimum_trust, _lowest_right(shown[answered], right[answered]))
    enough = min(enough, float(np.quantile(shown[is_known], 1 - LEAST_CALLED)))
    known = replace(known, usual_distance=round(usual, 3), minimum_trust=round(enough, 6))
    return replace(rule, familiarity=known)


def judged_apart(
    parent: Reject,
    adapted: Reject,
    classes: Sequence[str],
    features: Floats,
    labels: Labels,
    probabilities: Floats,
    parts: Sequence[NDArray[np.bool_]],
) -> list[Judgement]:
    """Return how each named cell is judged by the centres and the spread of the other cells.

    parent: the rule before. adapted: what `adapted_rule` returned for the same cells; its thresholds hold.
    If a cell helped to make the centres, it lies nearer to them than a new cell does; compared with such
    cells, the new ones would seem to be of another microscope.
    """
    said = probabilities.astype(np.float32)
    if parent.familiarity is None or adapted.familiarity is None:
        return Judge(adapted, classes)(said, None)
    judged: list[Judgement | None] = [None] * len(labels)
    for part in parts:
        apart = relocated(parent.familiarity, features[~part], labels[~part])
        fitted = replace(adapted.familiarity, centres=apart.centres, spread=apart.spread)
        held_back = Judge(replace(adapted, familiarity=fitted), classes)(
            said[part], features[part].astype(np.float32)
        )
        for number, one in zip(np.flatnonzero(part), held_back, strict=True):
            judged[number] = one
    return [one for one in judged if one is not None]


def _lowest_right(score: Floats, right: NDArray[np.bool_]) -> float:
    """Return the lowest confidence from which few enough calls are wrong; 0 if all may be called."""
    order = np.argsort(-score, kind="stable")
    falling, wrong = score[order], np.cumsum(~right[order])
    # Of cells with exactly the same confidence, all are called, or none.
    complete = np.append(falling[:-1] != falling[1:], [True] * bool(falling.size))
    kept = np.flatnonzero(complete & (wrong <= TARGET_ERROR * np.arange(1, len(falling) + 1)))
    if not kept.size:
        return 1.0
    return 0.0 if kept[-1] == len(falling) - 1 else float(falling[kept[-1]])
