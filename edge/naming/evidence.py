"""Where the evidence for a call lies: a class activation map over its crop, its field, and its cell's masks.

A grid's values stand for the middles of its squares; between them it is interpolated, at the rim continued.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from edge.masking import CROP_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.masking import FieldMasks, FoundCell

    Grid = NDArray[np.float32]
    Mask = NDArray[np.bool_]

OUTSIDE = "evidence outside the cell"
"""The flag of a call less than `LEAST_IN_CELL` of whose evidence lies in its cell."""

LEAST_IN_CELL = 0.5
"""Of 607 cells of the training sets that an earlier model called by a counted class, 8 have less. None of
the 8 was called wrongly, so that such a call is not refused for it, only pointed out. Calls of `other` are
not flagged: half have less, for what surrounds a thing tells, too, that it is no white cell.
"""


class Shares(NamedTuple):
    """Of a map's evidence, 0 to 1: what lies in the call's own cell, and what of it in its nucleus.

    None where the map has no evidence for the class at all. in_nucleus: also where no nucleus was seen.
    """

    in_cell: float | None
    in_nucleus: float | None

    def flags(self) -> tuple[str, ...]:
        """Return what to doubt the call for: `OUTSIDE`, or nothing."""
        return (OUTSIDE,) if self.in_cell is not None and self.in_cell < LEAST_IN_CELL else ()


def shares(grid: Grid, masks: FieldMasks, number: int) -> Shares:
    """Measure how much of what speaks for the class (ReLU) lies in the cell (energy; Wang et al. 2020).

    grid: float32 (rows, columns), over the crop of the field's cell `number`, from 0. What lies beyond the
    frame is outside of every cell.
    """
    strength = over_crop(np.maximum(grid, 0))
    total = float(strength.sum())
    if not total > 0:  # also where it is no number
        return Shares(None, None)
    in_cell, in_nucleus = (
        min(1.0, float(np.vdot(strength, part)) / total) for part in masks_in_crop(masks, number)
    )
    return Shares(in_cell, in_nucleus if masks.cells[number].nucleus_area else None)


def masks_in_crop(masks: FieldMasks, number: int) -> tuple[Mask, Mask]:
    """Return a cell's own masks as its crop shows them, bool (120, 120): the whole cell, and its nucleus."""
    found = masks.cells[number]
    height, width = masks.frame_size
    x, y, w, h = found.crop
    rows = _places(y, h, height, masks.labels.shape[0])
    columns = _places(x, w, width, masks.labels.shape[1])
    left, right = max(0, int(columns.min())), max(1, int(columns.max()) + 1)
    labels = np.take(masks.labels[:, left:right][np.maximum(rows, 0)], np.maximum(columns - left, 0), axis=1)
    if rows[0] < 0 or rows[-1] < 0:
        labels[rows < 0] = 0
    if columns[0] < 0 or columns[-1] < 0:
        labels[:, columns < 0] = 0
    nucleus = labels == 2 * number + 2
    return nucleus | (labels == 2 * number + 1), nucleus


def over_crop(grid: Grid) -> Grid:
    """Return the map at the crop's size: float32 (120, 120)."""
    return _resized(grid, CROP_SIZE, CROP_SIZE)


def over_field(grid: Grid, found: FoundCell, frame_size: tuple[int, int]) -> Grid:
    """Return the map where it lies in its field: float32 (height, width), 0 outside of the crop.

    frame_size: height, width. What of the crop passes the frame's edge is cut off.
    """
    height, width = frame_size
    x, y, w, h = found.crop
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    field = np.zeros((height, width), np.float32)
    if left < right and top < bottom:
        field[top:bottom, left:right] = _resized(grid, w, h)[top - y : bottom - y, left - x : right - x]
    return field


def _resized(grid: Grid, width: int, height: int) -> Grid:
    small = np.ascontiguousarray(grid, np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _places(start: int, length: int, frame: int, working: int) -> NDArray[np.intp]:
    """Return each crop pixel's row or column at working scale, (120,); -1 beyond the frame."""
    middles = start + (np.arange(CROP_SIZE) + 0.5) * (length / CROP_SIZE)
    places = np.floor(middles * (working / frame)).astype(np.intp)
    return np.where((middles >= 0) & (middles < frame), np.minimum(places, working - 1), -1)
