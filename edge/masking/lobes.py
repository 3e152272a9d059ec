"""Which parts of the nucleus mask are one nucleus: lobes are joined, cells that touch are parted.

The parts tell little: two lobes of one neutrophil and two small lymphocytes side by side look alike. The
cells around them tell more: between two cells there is glass or at least a neck, between lobes there is none.
How wide the cells are at a place is the distance to the glass there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.masking.field import Pixels

_LEAST_PART = 12  # pixels
_REACH = 0.9  # of the square root of the larger part's area: lobes of one nucleus lie no further apart
_CLOSE = 0.15  # of the same: parts so close are lobes, whatever the cytoplasm looks like
_NEAR = 0.4  # of the same, for parts too small for a nucleus
_ALIKE = 0.5  # of the larger part's area: without a ruler, what is smaller is no whole nucleus
_NECK = 0.7  # of the width of the narrower side: where cells are less wide between parts, they are two
_FACING = 0.5  # of the same: pairs of points that much further apart than the nearest face each other
_SMALLEST_LOBE = 0.04  # of the larger part's area
_WHOLE_NUCLEUS = 0.75  # of a red cell's area: the smallest lymphocyte's nucleus
_LARGEST_NUCLEUS = 3.0  # red cells' areas: more is the nuclei of two cells
_SOLID = 0.9  # of its convex hull: rounder parts are not two nuclei that touch
_CORE = 0.6  # of a nucleus's greatest depth: what is deeper are its cores


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of the nucleus mask. outline: float32 (n, 2), x and y. width: of the cell there, pixels."""

    label: int
    area: float
    outline: NDArray[np.float32]
    width: float


def find_groups(
    nuclei: Pixels, tissue: NDArray[np.bool_], red_cell: float | None
) -> tuple[NDArray[np.int32], list[list[int]], NDArray[np.int32]]:
    """Give the parts of all nuclei, int32 (h, w), 0 elsewhere; which are one nucleus; and each part's area.

    nuclei: uint8 (h, w), 0 or 255. tissue: bool (h, w), what cells cover. red_cell: area of a red cell,
    pixels, or None. What is as large as that is no lobe unless its cell says so.
    """
    count, components, measures, _ = cv2.connectedComponentsWithStats(nuclei)
    labels = np.asarray(components, np.int32)
    boxes = [tuple(int(v) for v in row[:4]) for row in measures]
    areas = [int(v) for v in measures[:, cv2.CC_STAT_AREA]]
    covered = tissue.view(np.uint8) | (nuclei > 0)
    depth = np.asarray(cv2.distanceTransform(covered, cv2.DIST_L2, 3), np.float32)
    for k in range(1, count):
        _part_touching(labels, k, boxes, areas, red_cell)
    parts = [
        _measured(labels, k, boxes[k], areas[k], depth)
        for k in range(1, len(areas))
        if areas[k] >= _LEAST_PART
    ]
    parts.sort(key=lambda part: -part.area)
    return labels, _joined(parts, depth, red_cell), np.array(areas, np.int32)


def _part_touching(
    labels: NDArray[np.int32], k: int, boxes: list[tuple[int, ...]], areas: list[int], red_cell: float | None
) -> None:
    """Cut component k in two or more where it is whole nuclei that touch; new parts get new numbers."""
    if red_cell is not None and areas[k] < 2 * _WHOLE_NUCLEUS * red_cell:
        return
    if areas[k] < 20 * _LEAST_PART:
        return
    x, y, w, h = boxes[k]
    window = labels[y : y + h, x : x + w]
    mine = np.pad((window == k).view(np.uint8), 1)
    contours, _ = cv2.findContours(mine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=cv2.contourArea)
    if cv2.contourArea(contour) >= _SOLID * cv2.contourArea(cv2.convexHull(contour)):
        return
    filled = cv2.drawContours(np.zeros_like(mine), [contour], -1, (1,), cv2.FILLED)
    depth = cv2.distanceTransform(filled, cv2.DIST_L2, 3)
    count, cores, _, _ = cv2.connectedComponentsWithStats((depth > _CORE * depth.max()).view(np.uint8))
    if count < 3:
        return
    _, nearest = cv2.distanceTransformWithLabels(
        (cores == 0).view(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_CCOMP
    )
    inner = np.s_[1:-1, 1:-1]
    territory = nearest[inner]
    pieces = [(window == k) & (territory == int(nearest[cores == core][0])) for core in range(1, count)]
    least = _WHOLE_NUCLEUS * red_cell if red_cell is not None else 0.3 * areas[k]
    if sum(int(piece.sum()) >= least for piece in pieces) < 2:
        return
    for piece in pieces[1:]:
        ys, xs = np.nonzero(piece)
        if not len(xs):
            continue
        window[piece] = len(areas)
        boxes.append((x + int(xs.min()), y + int(ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1))
        areas.append(len(xs))
        areas[k] -= len(xs)


def _measured(
    labels: NDArray[np.int32], k: int, box: tuple[int, ...], area: int, depth: NDArray[np.float32]
) -> _Part:
    x, y, w, h = box
    window = np.s_[y : y + h, x : x + w]
    mine = (labels[window] == k).view(np.uint8)
    contours, _ = cv2.findContours(mine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = np.concatenate(contours)[::2, 0, :].astype(np.float32) + np.array((x, y), np.float32)
    return _Part(k, area, outline, cv2.minMaxLoc(depth[window], mine)[1])


def _joined(parts: list[_Part], depth: NDArray[np.float32], red_cell: float | None) -> list[list[int]]:
    """Group the parts, the largest first, into nuclei."""
    parent = list(range(len(parts)))

    def root(k: int) -> int:
        while parent[k] != k:
            k = parent[k]
        return k

    for i, one in enumerate(parts):
        for j in range(i + 1, len(parts)):
            if parts[j].area < _SMALLEST_LOBE * one.area:
                break
            if root(i) != root(j) and _are_one(one, parts[j], depth, red_cell):
                parent[root(j)] = root(i)
    groups: dict[int, list[int]] = {}
    for k, part in enumerate(parts):
        groups.setdefault(root(k), []).append(part.label)
    return list(groups.values())


def _are_one(one: _Part, other: _Part, depth: NDArray[np.float32], red_cell: float | None) -> bool:
    """Tell whether two parts, the larger first, are lobes of one nucleus."""
    size = float(np.sqrt(one.area))
    reach = _REACH * size
    low, high = one.outline.min(axis=0) - reach, one.outline.max(axis=0) + reach
    if (other.outline.max(axis=0) < low).any() or (other.outline.min(axis=0) > high).any():
        return False
    apart = np.square(one.outline[:, None] - other.outline[None]).sum(axis=2)
    gap = float(np.sqrt(apart.min()))
    if gap > reach:
        return False
    # Where the two face each other, not only where they are nearest: that may be at the cell's rim.
    facing = np.nonzero(apart <= (gap + _FACING * size) ** 2)
    middle = ((one.outline[facing[0]] + other.outline[facing[1]]) / 2).astype(np.intp)
    neck = float(depth[middle[:, 1], middle[:, 0]].max()) + 1
    if neck >= _NECK * min(one.width, other.width):
        return True
    # Fragments none of which could be a nucleus belong together, for each belongs to some nucleus.
    fragments = red_cell is not None and one.area < _WHOLE_NUCLEUS * red_cell
    return gap <= (_NEAR if fragments else _CLOSE) * size and not _whole(one, other, red_cell)


def _whole(one: _Part, other: _Part, red_cell: float | None) -> bool:
    """Tell whether each of two parts, the larger first, is large enough to be a nucleus."""
    if red_cell is not None:
        together = one.area + other.area > _LARGEST_NUCLEUS * red_cell
        return together and other.area > _WHOLE_NUCLEUS * red_cell
    # Without a ruler: alike in size, and none of them with a lobe's bends.
    return other.area > _ALIKE * one.area and all(
        part.area > _SOLID * cv2.contourArea(cv2.convexHull(part.outline)) for part in (one, other)
    )
