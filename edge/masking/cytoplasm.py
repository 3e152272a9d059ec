"""The cell around each nucleus: what is neither bare glass nor red cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.masking.thresholds import median

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.masking.pieces import Window

_REACH = 0.8  # of the nucleus's radius, beyond its hull
_REACH_ALONE = 1.5  # of the same, for a cell that lies free
_RIM = 0.12  # of the same: what surrounds a nucleus belongs to its cell
_BLUISH = 0.15  # of the way from glass to nucleus in the log of blue over green
_SMOOTH = 0.35  # of the nucleus's radius: narrower parts of a cell are its neighbours' rims
_SMOOTH_ALONE = 0.6  # of the same, for a cell that lies free
_REACH_BESIDE = 0.3  # of the same, for a cell that bluish red cells touch
_SOLID = 0.95  # of its convex hull: a cell without bays
_SOLID_BLUISH = 0.92  # of the same: what is cut out by its colour has a rougher outline


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What cells lie in. Images are (h, w) at working scale.

    ratio: float32, log of blue over green. tissue: bool, what cells cover. bare_ratio: the ratio on bare
    glass.
    """

    ratio: NDArray[np.float32]
    tissue: NDArray[np.bool_]
    bare_ratio: float


def grow_cell(
    labels: NDArray[np.int32],
    doubtful: NDArray[np.bool_],
    owner: NDArray[np.uint16],
    rank: int,
    nucleus_at: Window,
    around: Surroundings,
) -> Window:
    """Write cell `rank` into `labels`, those of `FieldMasks`: its nucleus and its cytoplasm.

    owner: uint16 (h, w), rank + 1 in the nucleus. nucleus_at: rows and columns that hold it. Gives those that
    hold the cell. A cell that lies free is all tissue there. Where that has bays, red cells were taken along,
    and only what is bluer than these is kept. Where that has bays as well, red cells are as blue, and only
    what is near the nucleus is kept; the rest is written into `doubtful`, bool (h, w).
    """
    mine = (owner[nucleus_at] == rank + 1).view(np.uint8)
    left, top, wide, high = cv2.boundingRect(mine)
    left, top = left + nucleus_at[1].start, top + nucleus_at[0].start
    radius = float(np.sqrt(cv2.countNonZero(mine) / np.pi))
    reach = int(np.ceil(_REACH_ALONE * radius)) + 2
    height, width = labels.shape
    y0, y1 = max(0, top - reach), min(height, top + high + reach)
    x0, x1 = max(0, left - reach), min(width, left + wide + reach)
    window = np.s_[y0:y1, x0:x1]
    others = owner[window]
    nucleus = (others == rank + 1).view(np.uint8)
    contours, _ = cv2.findContours(
        nucleus[top - y0 : top - y0 + high, left - x0 : left - x0 + wide],
        cv2.RETR_EXTERNAL,
        cv2.CHAIN_APPROX_SIMPLE,
        offset=(left - x0, top - y0),
    )
    corners = cv2.convexHull(np.concatenate(contours))
    hull = np.zeros_like(nucleus)
    cv2.fillConvexPoly(hull, corners, (1,))
    distance = cv2.distanceTransform(1 - hull, cv2.DIST_L2, 3)
    allowed = around.tissue[window]
    if cv2.countNonZero(others) > cv2.countNonZero(mine):
        foreign = (others > 0) & (nucleus == 0)
        allowed = allowed & (distance <= cv2.distanceTransform((~foreign).view(np.uint8), cv2.DIST_L2, 3))
    sure = distance <= _RIM * radius  # 0 in the hull
    start = (int(corners[0, 0, 1]), int(corners[0, 0, 0]))
    keep = _piece(sure | (allowed & (distance <= _REACH_ALONE * radius)), hull, start, _SMOOTH_ALONE * radius)
    if not _is_round(keep, _SOLID):
        level = median(around.ratio[window][nucleus > 0])
        # Red cells absorb blue as well: their ratio lies at or below that of the bare glass.
        bluish = around.ratio[window] > around.bare_ratio + _BLUISH * (level - around.bare_ratio)
        keep = _piece(
            sure | (allowed & bluish & (distance <= _REACH * radius)), hull, start, _SMOOTH * radius
        )
        if not _is_round(keep, _SOLID_BLUISH):
            near = _piece(sure | (keep & (distance <= _REACH_BESIDE * radius)), hull, start, _SMOOTH * radius)
            doubtful[window] |= keep & ~near
            keep = near
    view = labels[window]
    free = others == 0
    if view.any():
        free &= (view == 0) | (view & 1 > 0) & (distance < 1)
    view[keep & free] = 2 * rank + 1
    view[nucleus > 0] = 2 * rank + 2
    return window


def _piece(
    cell: NDArray[np.bool_], hull: NDArray[np.uint8], start: tuple[int, int], width: float
) -> NDArray[np.bool_]:
    """Give what hangs together with `start`, a row and a column, by more than `width` pixels, or is hull."""
    # With one row and column of what is no cell all around, nothing beyond counts.
    x, y, w, h = cv2.boundingRect(cell.view(np.uint8))
    top, left = max(0, y - 1), max(0, x - 1)
    near = np.s_[top : y + h + 1, left : x + w + 1]
    # An opening with a disc; by distances it costs the same for every size.
    depth = cv2.distanceTransform(cell[near].view(np.uint8), cv2.DIST_L2, 3)
    shallow = np.asarray(depth <= width / 2, np.uint8)
    opened = cv2.distanceTransform(shallow, cv2.DIST_L2, 3) < width / 2
    opened |= hull[near].view(np.bool_)
    _, pieces = cv2.connectedComponents(opened.view(np.uint8), ltype=cv2.CV_16U)
    piece = np.zeros_like(cell)
    piece[near] = pieces == pieces[start[0] - top, start[1] - left]
    return piece


def _is_round(cell: NDArray[np.bool_], solid: float) -> bool:
    """Tell whether a cell fills that share of its hull: with neighbours taken along it would have bays."""
    contours, _ = cv2.findContours(cell.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    contour = max(contours, key=cv2.contourArea)
    return bool(cv2.contourArea(contour) >= solid * cv2.contourArea(cv2.convexHull(contour)))
