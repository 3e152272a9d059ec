"""Which parts of the nucleus mask are one nucleus: lobes are joined, cells that touch are parted.

The parts tell little: two lobes of one neutrophil and two small lymphocytes side by side look alike. The
cells around them tell more: between two cells there is glass or at least a neck, between lobes there is none.
How wide the cells are at a place is the distance to the glass there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from edge.imaging.components import SHORTEST_STEP, of_box, widened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.imaging.components import Components, Window
    from edge.imaging.pixels import BoxTuple, Pixels

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
_CERTAIN = 1.001  # of a distance: more than rounding can make of it
_MARGIN = 40  # pixels: glass is seldom further from a nucleus


class _Part(NamedTuple):
    """One part of the nucleus mask.

    area: pixels. outline: float32 (2, n), x and y. box: [x, y, width, height]. mask: uint8, 0 or 1, of the
    box's shape.
    """

    area: float
    outline: NDArray[np.float32]
    box: BoxTuple
    mask: NDArray[np.uint8]


class Groups(NamedTuple):
    """The parts of all nuclei, and which are one nucleus.

    window: rows and columns that hold them all. labels: uint16, of its shape, 0 where there is no nucleus.
    boxes: [x, y, width, height] in the window, and areas, pixels: of each label; a part that was cut keeps
    the box of before. nuclei: labels of each nucleus, the one with the largest part first.
    """

    window: Window
    labels: NDArray[np.uint16]
    boxes: list[BoxTuple]
    areas: list[int]
    nuclei: list[list[int]]


def find_groups(
    pieces: Components, nuclei: Pixels, tissue: NDArray[np.bool_], red_cell: float | None
) -> Groups:
    """Find the parts of all nuclei, and join those that are one.

    pieces: of `nuclei`, uint8 (h, w), 0 or 255; their labels are changed where one is cut. tissue: bool
    (h, w), what cells cover. red_cell: area of a red cell, pixels, or None. What is as large as that is no
    lobe unless its cell says so.
    """
    window, labels, measures, sizes = pieces
    boxes: list[BoxTuple] = [(x, y, w, h) for x, y, w, h in measures.tolist()]
    areas: list[int] = sizes.tolist()
    for k in range(1, len(areas)):
        _part_touching(labels, k, boxes, areas, red_cell)
    order = [k for k in range(1, len(areas)) if areas[k] >= _LEAST_PART]
    order.sort(key=lambda k: -areas[k])
    near = _near(order, boxes, areas)
    if not near:
        return Groups(window, labels, boxes, areas, [[k] for k in order])
    corner = window[1].start, window[0].start
    parts = {k: _measured(labels, k, boxes[k], areas[k], corner) for k in {k for pair in near for k in pair}}
    return Groups(
        window, labels, boxes, areas, _joined(order, near, parts, tissue.view(np.uint8) | nuclei, red_cell)
    )


def _near(order: list[int], boxes: list[BoxTuple], areas: list[int]) -> list[tuple[int, int]]:
    """Return the pairs of parts, the larger first, whose boxes do not tell that they lie too far apart."""
    spans = [(x, x + w - 1, y, y + h - 1) for x, y, w, h in (boxes[k] for k in order)]
    near = []
    for i, one in enumerate(order):
        reach = _CERTAIN * _REACH * math.sqrt(areas[one])
        least = _SMALLEST_LOBE * areas[one]
        left, right, top, bottom = spans[i]
        for j in range(i + 1, len(order)):
            if areas[order[j]] < least:
                break
            its_left, its_right, its_top, its_bottom = spans[j]
            sideways = max(left - its_right, its_left - right, 0)
            # Most lie far apart: that is seen by one side already.
            if sideways > reach:
                continue
            lengthways = max(top - its_bottom, its_top - bottom, 0)
            if math.hypot(sideways, lengthways) <= reach:
                near.append((one, order[j]))
    return near


def _depth(covered: NDArray[np.uint8], window: Window) -> NDArray[np.float32]:
    """Return the distance to the glass, float32, of the window's shape; covered: uint8 (h, w), 0 on glass."""
    wide, inner = widened(window, _MARGIN)
    near = covered[wide]
    depth = cv2.distanceTransform(near, cv2.DIST_L2, 3)[inner]
    # What is nearer than the margin's end is right; beyond, glass outside of it may be nearer.
    if near.size < covered.size and depth.max() >= SHORTEST_STEP * _MARGIN:
        depth = cv2.distanceTransform(covered, cv2.DIST_L2, 3)[window]
    return np.asarray(depth, np.float32)


def _part_touching(
    labels: NDArray[np.uint16], k: int, boxes: list[BoxTuple], areas: list[int], red_cell: float | None
) -> None:
    """Cut component k in two or more where it is whole nuclei that touch; new parts get new numbers."""
    if red_cell is not None and areas[k] < 2 * _WHOLE_NUCLEUS * red_cell:
        return
    if areas[k] < 20 * _LEAST_PART:
        return
    x, y = boxes[k][:2]
    window = labels[of_box(boxes[k])]
    mine = window == k
    contours, _ = cv2.findContours(
        mine.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(1, 1)
    )
    contour = max(contours, key=cv2.contourArea)
    if cv2.contourArea(contour) >= _SOLID * cv2.contourArea(cv2.convexHull(contour)):
        return
    # With one row and column of what is no nucleus all around: from there the distances count.
    filled = np.zeros((mine.shape[0] + 2, mine.shape[1] + 2), np.uint8)
    cv2.drawContours(filled, [contour], -1, (1,), cv2.FILLED)
    depth = cv2.distanceTransform(filled, cv2.DIST_L2, 3)
    count, cores = cv2.connectedComponents((depth > _CORE * depth.max()).view(np.uint8))
    if count < 3:
        return
    _, nearest = cv2.distanceTransformWithLabels(
        (cores == 0).view(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_CCOMP
    )
    inner = np.s_[1:-1, 1:-1]
    territory = nearest[inner]
    pieces = [mine & (territory == int(nearest[cores == core][0])) for core in range(1, count)]
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
    labels: NDArray[np.uint16],
    k: int,
    box: BoxTuple,
    area: int,
    corner: tuple[int, int],
) -> _Part:
    """Measure a part. corner: x and y of `labels` in the frame."""
    mine = (labels[of_box(box)] == k).view(np.uint8)
    x, y = box[0] + corner[0], box[1] + corner[1]
    contours, _ = cv2.findContours(mine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(x, y))
    outline = np.ascontiguousarray(np.concatenate(contours)[::2, 0, :].T, np.float32)
    return _Part(area, outline, (x, y, box[2], box[3]), mine)


def _joined(
    order: list[int],
    near: list[tuple[int, int]],
    parts: dict[int, _Part],
    covered: NDArray[np.uint8],
    red_cell: float | None,
) -> list[list[int]]:
    """Group the parts, the largest first, into nuclei."""
    parent = {k: k for k in order}

    def root(k: int) -> int:
        while parent[k] != k:
            k = parent[k]
        return k

    for one, other in near:
        if root(one) != root(other) and _are_one(parts[one], parts[other], covered, red_cell):
            parent[root(other)] = root(one)
    groups: dict[int, list[int]] = {}
    for k in order:
        groups.setdefault(root(k), []).append(k)
    return list(groups.values())


def _are_one(one: _Part, other: _Part, covered: NDArray[np.uint8], red_cell: float | None) -> bool:
    """Tell whether two parts, the larger first, are one nucleus's. covered: uint8 (h, w), 0 on glass."""
    size = math.sqrt(one.area)
    (x, y), (other_x, other_y) = one.outline, other.outline
    apart, along = x[:, None] - other_x, y[:, None] - other_y
    apart *= apart
    along *= along
    apart += along
    gap = float(np.sqrt(apart.min()))
    if gap > _REACH * size:
        return False
    # Fragments none of which could be a nucleus belong together, for each belongs to some nucleus.
    fragments = red_cell is not None and one.area < _WHOLE_NUCLEUS * red_cell
    if gap <= (_NEAR if fragments else _CLOSE) * size and not _whole(one, other, red_cell):
        return True
    left, top = min(one.box[0], other.box[0]), min(one.box[1], other.box[1])
    right, bottom = (max(part.box[k] + part.box[k + 2] for part in (one, other)) for k in (0, 1))
    depth = _depth(covered, (slice(top, bottom), slice(left, right)))
    width = min(_deepest(part, depth, (left, top)) for part in (one, other))
    # Where the two face each other, not only where they are nearest: that may be at the cell's rim.
    ours, theirs = np.divmod(np.flatnonzero(apart <= (gap + _FACING * size) ** 2), len(other_x))
    columns, rows = ((a[ours] + b[theirs]) / 2 for a, b in ((x, other_x), (y, other_y)))
    neck = float(depth[rows.astype(np.intp) - top, columns.astype(np.intp) - left].max()) + 1
    return neck >= _NECK * width


def _deepest(part: _Part, depth: NDArray[np.float32], corner: tuple[int, int]) -> float:
    """Return the greatest depth in a part; corner: x and y of `depth` in the frame."""
    x, y, w, h = part.box
    return cv2.minMaxLoc(depth[of_box((x - corner[0], y - corner[1], w, h))], part.mask)[1]


def _whole(one: _Part, other: _Part, red_cell: float | None) -> bool:
    """Tell whether each of two parts, the larger first, is large enough to be a nucleus."""
    if red_cell is not None:
        together = one.area + other.area > _LARGEST_NUCLEUS * red_cell
        return together and other.area > _WHOLE_NUCLEUS * red_cell
    # Without a ruler: alike in size, and none of them with a lobe's bends.
    return other.area > _ALIKE * one.area and all(
        part.area > _SOLID * cv2.contourArea(cv2.convexHull(np.ascontiguousarray(part.outline.T)))
        for part in (one, other)
    )
