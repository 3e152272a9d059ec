"""The cell around each nucleus: what is neither bare glass nor red cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from edge.imaging.components import of_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.imaging.components import Window
    from edge.imaging.pixels import Pixels

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


class Nucleus(NamedTuple):
    """A nucleus: its number, rows and columns that hold it, where in these it is, and its median ratio."""

    rank: int
    window: Window
    mask: NDArray[np.bool_]
    level: float


class _Near(NamedTuple):
    """What lies around one nucleus, in a window: start, x and y, is one of its pixels."""

    hull: NDArray[np.bool_]
    distance: NDArray[np.float32]
    start: tuple[int, int]


class _Piece(NamedTuple):
    """What may be a cell: rows and columns that hold it just so, and where in these it is."""

    window: Window
    mask: NDArray[np.bool_]
    is_round: bool


def grow_cell(
    labels: NDArray[np.int32],
    ambiguous: NDArray[np.bool_],
    owner: NDArray[np.uint16],
    nucleus: Nucleus,
    around: Surroundings,
) -> Window:
    """Write a cell into `labels`, those of `FieldMasks`: its nucleus and its cytoplasm.

    owner: uint16 (h, w), rank + 1 in the nucleus. Gives rows and columns that hold the cell. A cell that
    lies free is all tissue there. Where that has bays, red cells were taken along, and only what is bluer
    than these is kept. Where that has bays as well, red cells are as blue, and only what is near the nucleus
    is kept; the rest is written into `ambiguous`, bool (h, w).
    """
    mine = nucleus.mask.view(np.uint8)
    left, top, wide, high = cv2.boundingRect(mine)
    left, top = left + nucleus.window[1].start, top + nucleus.window[0].start
    area = cv2.countNonZero(mine)
    radius = math.sqrt(area / math.pi)
    reach = math.ceil(_REACH_ALONE * radius) + 2
    height, width = labels.shape
    y0, y1 = max(0, top - reach), min(height, top + high + reach)
    x0, x1 = max(0, left - reach), min(width, left + wide + reach)
    window = np.s_[y0:y1, x0:x1]
    others = owner[window]
    near = _near(mine, nucleus.window[1].start - x0, nucleus.window[0].start - y0, (y1 - y0, x1 - x0))
    distance = near.distance
    allowed = around.tissue[window]
    if cv2.countNonZero(others) > area:
        foreign = (others != 0) & (others != nucleus.rank + 1)
        allowed = allowed & (distance <= cv2.distanceTransform((~foreign).view(np.uint8), cv2.DIST_L2, 3))
    sure = distance <= _RIM * radius  # 0 in the hull
    piece = _piece(
        sure | (allowed & (distance <= _REACH_ALONE * radius)), near, _SMOOTH_ALONE * radius, _SOLID
    )
    if not piece.is_round:
        # Red cells absorb blue as well: their ratio lies at or below that of the bare glass.
        bluish = around.ratio[window] > around.bare_ratio + _BLUISH * (nucleus.level - around.bare_ratio)
        bluish &= allowed
        bluish &= distance <= _REACH * radius
        piece = _piece(sure | bluish, near, _SMOOTH * radius, _SOLID_BLUISH)
        if not piece.is_round:
            kept, beside = piece, sure.copy()
            beside[kept.window] |= kept.mask & (distance[kept.window] <= _REACH_BESIDE * radius)
            piece = _piece(beside, near, _SMOOTH * radius, _SOLID_BLUISH)
            rest = np.zeros_like(sure)
            rest[kept.window] = kept.mask
            rest[piece.window] &= ~piece.mask
            ambiguous[window] |= rest
    rows, columns = piece.window
    at = slice(y0 + rows.start, y0 + rows.stop), slice(x0 + columns.start, x0 + columns.stop)
    view = labels[at]
    keep = piece.mask & (owner[at] == 0)
    if view.any():
        keep &= (view == 0) | (view & 1 > 0) & (distance[piece.window] < 1)
    view[keep] = 2 * nucleus.rank + 1
    labels[nucleus.window][nucleus.mask] = 2 * nucleus.rank + 2
    return at


def _near(mine: Pixels, x: int, y: int, shape: tuple[int, int]) -> _Near:
    """Return the hull of a nucleus and the distance from it, of this shape; its mask begins at x and y."""
    contours, _ = cv2.findContours(mine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))
    corners = cv2.convexHull(contours[0] if len(contours) == 1 else np.concatenate(contours))
    beyond = np.ones(shape, np.uint8)
    cv2.fillConvexPoly(beyond, corners, (0,))
    distance = np.asarray(cv2.distanceTransform(beyond, cv2.DIST_L2, 3), np.float32)
    return _Near(beyond == 0, distance, (int(corners[0, 0, 0]), int(corners[0, 0, 1])))


def _piece(cell: NDArray[np.bool_], near: _Near, width: float, solid: float) -> _Piece:
    """Return what hangs together with the start by more than `width` pixels, or is hull.

    It is round where it fills the share `solid` of its own hull: with neighbours taken along it has bays.
    """
    # With one row and column of what is no cell all around, nothing beyond counts.
    x, y, w, h = cv2.boundingRect(cell.view(np.uint8))
    top, left = max(0, y - 1), max(0, x - 1)
    part = np.s_[top : y + h + 1, left : x + w + 1]
    # An opening with a disc; by distances it costs the same for every size.
    depth = cv2.distanceTransform(cell[part].view(np.uint8), cv2.DIST_L2, 3)
    shallow = (depth <= width / 2).view(np.uint8)
    opened = cv2.distanceTransform(shallow, cv2.DIST_L2, 3) < width / 2
    opened |= near.hull[part]
    x, y = near.start
    filled = opened.view(np.uint8)
    _, _, _, (x, y, w, h) = cv2.floodFill(filled, None, (x - left, y - top), (2,), flags=8)
    mask = filled[y : y + h, x : x + w] == 2
    (contour,), _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    is_round = cv2.contourArea(contour) >= solid * cv2.contourArea(cv2.convexHull(contour))
    return _Piece(of_box((left + x, top + y, w, h)), mask, is_round)
