"""How well a finder finds: recall and precision by kind, and their mean over all thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.finding import KINDS, RED_CELL_PIXELS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edge.finding import Detections
    from edge.finding.finder import Finder
    from trainer.finder.fields import TrainingField

LEAST_OVERLAP = 0.3
"""Intersection over union of two squares of the diameters, from which they mean the same thing."""


def measured_on(finder: Finder, one: TrainingField) -> Detections:
    """Return what an int8 finder finds in a training field, in the field's pixels."""
    return finder.find(one.pixels, RED_CELL_PIXELS / one.red_cell)


def squares(found: Detections) -> list[tuple[int, int, int, int]]:
    """Return what was found as boxes, [x, y, width, height] in whole pixels: squares of the diameters."""
    return [
        (round(x - side / 2), round(y - side / 2), max(1, round(side)), max(1, round(side)))
        for (x, y), side in zip(found.centres.tolist(), found.diameters.tolist(), strict=True)
    ]


def matched(
    found: Detections, centres: NDArray[np.float32], diameters: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Return for each of the found things, the surest first, which of the true ones it is, or -1.

    A thing is the true one that its square overlaps most, by `LEAST_OVERLAP` at least, and in which its
    middle lies; each true one is found once. centres: float32 (n, 2). diameters: float32 (n,).
    """
    hits = np.full(len(found), -1, np.int64)
    free = np.ones(len(diameters), np.bool_)
    for number, (centre, diameter) in enumerate(zip(found.centres, found.diameters, strict=True)):
        apart = np.abs(centres - centre)
        shared = np.clip(
            (diameters + diameter)[:, None] / 2 - apart, 0, np.minimum(diameters, diameter)[:, None]
        )
        common = shared.prod(axis=1)
        overlap = common / (diameters**2 + diameter**2 - common)
        overlap[~free | (apart.max(axis=1, initial=0) > diameters / 2)] = 0
        if len(overlap) and overlap.max() >= LEAST_OVERLAP:
            hits[number] = int(overlap.argmax())
            free[hits[number]] = False
    return hits


def average_precision(fields: Sequence[TrainingField], find: Callable[[TrainingField], Detections]) -> float:
    """Return the mean over the kinds of the average precision, of the fields in which a kind is marked.

    The area below precision over recall, each point's precision that of the best at no less recall.
    """
    found = [find(one) for one in fields]
    areas = []
    for number, kind in enumerate(KINDS):
        scores: list[float] = []
        right: list[bool] = []
        total = 0
        for one, things in zip(fields, found, strict=True):
            if not one.annotated[number]:
                continue
            own = one.kinds == number
            hits = matched(own_kind := things.of(kind), one.centres[own], one.diameters[own])
            scores += own_kind.scores.tolist()
            right += (hits >= 0).tolist()
            total += int(own.sum())
        if total:
            areas.append(_area(np.array(scores), np.array(right, np.bool_), total))
    return float(np.mean(areas)) if areas else 0.0


def _area(scores: NDArray[np.float64], right: NDArray[np.bool_], total: int) -> float:
    if not len(scores):
        return 0.0
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    recall = hits / total
    return float(np.sum(np.diff(recall, prepend=0.0) * best))
