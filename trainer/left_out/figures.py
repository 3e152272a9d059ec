"""The figures of a microscope left out: of names and of found cells, with intervals over groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainer.data.splits import photograph_weights
from trainer.evaluation.bootstrap import over_draws
from trainer.evaluation.finding import matches
from trainer.evaluation.metrics import Estimate, estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.data.images import AnnotatedImage
    from trainer.evaluation.finding import Rectangle

    Floats = NDArray[np.float64]
    Parts = NDArray[np.float64] | NDArray[np.bool_]


def naming_figures(
    labels: NDArray[np.int64],
    likeliest: NDArray[np.int64],
    called: NDArray[np.bool_] | None,
    *,
    counted: Sequence[int],
    groups: Sequence[str],
    cells: Sequence[str],
) -> dict[str, Estimate]:
    """Return the figures of n cells, where each cell counts once, however many pictures there are of it.

    labels, likeliest: int64 (n,), the true and the likeliest class. called: bool (n,), which the rule calls
    rather than refuses; None: no rule. counted: the classes that are called; any other is `other`. groups,
    cells: n names. Of the figures, "macro recall" is the mean over the counted classes that are there of the
    share that the likeliest class names rightly; "called": of the cells of counted classes; "wrong calls": of
    all calls; "others called": of the cells of no counted class. One that there is nothing for is absent.
    """
    weights = photograph_weights(cells)
    known = np.isin(labels, counted)
    right = labels == likeliest
    shares: dict[str, tuple[Parts, Parts]] = {}
    present = [number for number in counted if (labels == number).any()]
    for number in present:
        shares[f"recall {number}"] = (right & (labels == number), labels == number)
    if called is not None:
        # The rule calls the likeliest of the counted classes, and only where it is the likeliest of all.
        shares["called"] = (called & known, known)
        shares["wrong calls"] = (called & ~right, called)
        shares["others called"] = (called & ~known, ~known)
    found = _shares(shares, weights, groups)
    figures = {}
    if present:
        recalls = np.stack([found.pop(f"recall {number}") for number in present], axis=1)
        macro = recalls[0].mean(), _mean(recalls[1:])
        figures["macro recall"] = estimate(float(macro[0]), macro[1])
    for name, values in found.items():
        if not np.isnan(values[0]):
            figures[name] = estimate(float(values[0]), values[1:])
    return figures


def finding_figures(
    images: Sequence[AnnotatedImage], found: Sequence[Sequence[Rectangle]]
) -> tuple[dict[str, Estimate], dict[str, int]]:
    """Return recall and precision of white cells, and counts of what they are of.

    images: with boxes. found: the boxes, [x, y, width, height] in pixels, that were found in each. A found
    box and a drawn one are of one cell from an intersection over union of 0.3; each has one partner at most.
    Images of one cell count once together. Intervals are over the images' groups. A share that there is
    nothing for is absent.
    """
    hits, truths, calls = (np.zeros(len(images)) for _ in range(3))
    for number, (image, boxes) in enumerate(zip(images, found, strict=True)):
        white = [(b.x, b.y, b.width, b.height) for b in image.boxes if b.kind == "white cell"]
        hits[number] = len(matches(white, boxes))
        truths[number], calls[number] = len(white), len(boxes)
    groups = [image.group or image.name for image in images]
    weights = photograph_weights([image.cell or image.name for image in images])
    sums = _shares({"found": (hits, truths), "precision": (hits, calls)}, weights, groups)
    figures = {name: estimate(float(v[0]), v[1:]) for name, v in sums.items() if not np.isnan(v[0])}
    counts = {"cells": int(truths.sum()), "fields": len(images), "groups": len(set(groups))}
    return figures, counts


def _shares(
    shares: dict[str, tuple[Parts, Parts]], weights: Floats, groups: Sequence[str]
) -> dict[str, Floats]:
    """Return each share and, after it, that of each bootstrap draw: float64 (1 + draws,), NaN for 0 of 0."""
    if not len(groups):
        return {name: np.array([np.nan]) for name in shares}
    _, group = np.unique(np.array(groups), return_inverse=True)
    count = int(group.max()) + 1
    columns = [np.bincount(group, weights * part, count) for pair in shares.values() for part in pair]
    sums = np.stack(columns, axis=1)

    def quotients(times: Floats) -> Floats:
        above, below = (times @ sums)[:, ::2], (times @ sums)[:, 1::2]
        return np.asarray(np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0))

    values = np.concatenate([quotients(np.ones((1, count))), over_draws(quotients, count, count)])
    return dict(zip(shares, values.T, strict=True))


def _mean(recalls: Floats) -> Floats:
    """Return the mean (d,) over the classes (d, k) that a draw holds."""
    known = ~np.isnan(recalls)
    sums, of = np.where(known, recalls, 0).sum(axis=1), known.sum(axis=1)
    return np.asarray(np.divide(sums, of, out=np.full_like(sums, np.nan), where=of > 0), np.float64)
