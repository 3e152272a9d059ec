"""How good a map is: like another one, on the cell, and in what the network loses without its places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.masking import CROP_SIZE
from trainer.evaluation.metrics import softmax

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Map = NDArray[np.float32]
    Pixels = NDArray[np.uint8]
    Predictor = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

STEPS = 20
"""In how many equal parts a crop is deleted or inserted."""

_BLUR = 10.0  # standard deviation, pixels: no granule or lobe is left, nor the nucleus's edge
_FLAT = 1e-9  # of a map's range, relative to its peak


def is_blank(grid: Map) -> bool:
    """Tell whether a map (h, w) is the same everywhere, and so says nothing."""
    peak = float(np.abs(grid).max())
    return not np.isfinite(peak) or float(np.ptp(grid)) <= _FLAT * peak


def pearson(one: Map, other: Map) -> float:
    """The correlation of two maps, the larger averaged over the smaller's grid; 0 where one is blank."""
    if one.shape != other.shape:
        small = min((one, other), key=lambda grid: grid.size)
        height, width = small.shape
        one, other = (
            np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_AREA), np.float32)
            for grid in (one, other)
        )
    if is_blank(one) or is_blank(other):
        return 0.0
    return float(np.corrcoef(one.ravel().astype(np.float64), other.ravel().astype(np.float64))[0, 1])


def spearman(one: Map, other: Map) -> float:
    """Return the rank correlation of two maps of one shape; ties share their rank, 0 where one is blank."""
    return pearson(_ranks(one), _ranks(other))


def over_crop(grid: Map) -> Map:
    """Return the map at the crop's size, float32 (120, 120), interpolated between the middles of its squares.

    This is how `edge.drawing.heatmap` draws it.
    """
    return np.asarray(
        cv2.resize(grid.astype(np.float32), (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR),
        np.float32,
    )


def energy_inside(grid: Map, mask: NDArray[np.bool_]) -> float:
    """Return the share of the map's sum that lies inside the mask, bool (120, 120) (Wang et al. 2020).

    Only what speaks for the class counts. A blank map of zeros has none inside.
    """
    positive = np.maximum(over_crop(grid), 0).astype(np.float64)
    total = positive.sum()
    return float(positive[mask].sum() / total) if total > 0 else 0.0


def points_inside(grid: Map, mask: NDArray[np.bool_]) -> bool:
    """Tell whether the map's highest place lies inside the mask (Zhang et al. 2018); a blank map misses."""
    full = over_crop(grid)
    return not is_blank(grid) and bool(mask.ravel()[int(full.argmax())])


def deletion_and_insertion(
    grid: Map, crop: Pixels, called: int, predict: Predictor, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the called class's probability while the map's places go, highest first, and while they come.

    Both float64 (STEPS + 1,), the first value before any change (Petsiuk et al. 2018). What goes is replaced
    by the crop's mean colour; what comes replaces a blurred crop. crop: uint8 (120, 120, 3). predict: uint8
    (n, 120, 120, 3) to logits (n, classes). Places of one value go in an order of chance.
    """
    values = over_crop(grid).ravel()
    chance = np.random.default_rng(seed).random(values.size)
    order = np.lexsort((chance, -values))
    rank = np.empty(values.size, np.int64)
    rank[order] = np.arange(values.size)
    taken = (np.arange(STEPS + 1) * values.size / STEPS)[:, None]
    changed = (rank[None] < taken).reshape(-1, *crop.shape[:2], 1)
    mean = crop.reshape(-1, 3).mean(axis=0).astype(np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(crop, (0, 0), _BLUR), np.uint8)
    deleted = np.where(changed, mean, crop)
    inserted = np.where(changed, crop, blurred)
    logits = predict(np.concatenate([deleted, inserted]).astype(np.uint8))
    probability = softmax(logits)[:, called]
    return probability[: STEPS + 1], probability[STEPS + 1 :]


def area(curve: NDArray[np.float64]) -> float:
    """Return the area under a curve (n,) of equal steps, from 0 to 1 on both axes."""
    return float((curve[:-1] + curve[1:]).mean() / 2)


def _ranks(grid: Map) -> Map:
    _, place, counts = np.unique(grid, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts + 1) / 2
    return np.asarray(middle[place.reshape(-1)].reshape(grid.shape), np.float32)
