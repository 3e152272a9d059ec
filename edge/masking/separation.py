"""From a nucleus mask to cells: lobes joined, platelets left out, the cytoplasm around each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.masking.field import BoxTuple, FoundCell, Pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CROP_MARGIN = 1.6  # of the nucleus box: cytoplasm and its granules tell an eosinophil from a neutrophil
_WHOLE_NUCLEUS = 0.75  # of a red cell's area: the smallest lymphocyte's nucleus
_LOBE_GAP = 0.7  # of the square root of the larger lobe's area
_CYTOPLASM_REACH = 0.8  # of the nucleus's radius, beyond its hull
_LEAST_CONTRAST = 0.2  # log of B/G above the glass: nuclei have 0.32 and more on every set, red cells 0.05
_MIN_SHARE_OF_LARGEST = 0.12
_MIN_SHARE_OF_FRAME = 0.0015
_MIN_SHARE_OF_RED_CELL = 0.3  # a lymphocyte's nucleus is as large as a red cell, a platelet a tenth of it


def separate(
    nuclei: Pixels, ratio: NDArray[np.float32], tissue: NDArray[np.bool_], outside: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int32], int]:
    """Join the lobes of each nucleus, drop what is too small to be one, and find the cell around each.

    nuclei: uint8 (h, w), 0 or 255. ratio: float32 (h, w), log of blue over green. tissue, outside: bool
    (h, w), what cells cover and what is no picture. Gives the labels of `FieldMasks` and the number of cells.
    """
    labels = np.zeros(nuclei.shape, np.int32)
    count, components, measures, _ = cv2.connectedComponentsWithStats(nuclei)
    parts, stats = np.asarray(components, np.int32), np.asarray(measures, np.int32)
    if count == 1:
        return labels, 0
    ruler = _red_cell_diameter(tissue, nuclei)
    red_cell = None if ruler is None else float(np.pi / 4 * ruler * ruler)
    groups = _join_lobes(parts, stats, red_cell)
    if not groups:
        return labels, 0
    areas = np.array([stats[g, cv2.CC_STAT_AREA].sum() for g in groups])
    smallest = max(_MIN_SHARE_OF_LARGEST * areas.max(), _MIN_SHARE_OF_FRAME * nuclei.size)
    if red_cell is not None:
        smallest = max(smallest, _MIN_SHARE_OF_RED_CELL * red_cell)
    bare_level = float(np.median(ratio[~tissue])) if (~tissue).any() else float(np.min(ratio))
    kept = [
        i
        for i in np.argsort(-areas, kind="stable")
        # The contrast last: it looks at the whole picture, and most specks are too small to be asked.
        if areas[i] >= smallest
        and float(np.median(ratio[np.isin(parts, groups[i])])) - bare_level >= _LEAST_CONTRAST
    ]
    which = np.zeros(count, np.int32)  # component -> 1-based rank of its cell
    for rank, i in enumerate(kept):
        which[groups[i]] = rank + 1
    owner = which[parts]
    for rank in range(len(kept)):
        _grow_cell(labels, owner, rank, ratio, tissue, bare_level)
    if outside is not None:
        labels[outside] = 0
    return labels, len(kept)


def _red_cell_diameter(tissue: NDArray[np.bool_], nuclei: Pixels) -> float | None:
    """Give the median diameter of the round, free-lying cells without a nucleus: the red cells, 7-8 um.

    They are the ruler that tells a platelet from a white cell at any magnification. None where fewer than
    three lie free.
    """
    height, width = tissue.shape
    contours, _ = cv2.findContours(tissue.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    diameters = []
    for contour in contours:
        if len(contour) < 20:
            continue
        x, y, w, h = cv2.boundingRect(contour)
        if x == 0 or y == 0 or x + w == width or y + h == height or not 0.6 < w / h < 1.67:
            continue
        area = cv2.contourArea(contour)
        perimeter = cv2.arcLength(contour, closed=True)
        round_enough = 4 * np.pi * area > 0.6 * perimeter * perimeter
        if round_enough and not nuclei[y : y + h, x : x + w].any():
            diameters.append(2 * np.sqrt(area / np.pi))
    if len(diameters) < 3:
        return None
    # Platelets and debris are round too, but small: the ruler is among the larger ones.
    return float(np.percentile(diameters, 70))


def _join_lobes(
    parts: NDArray[np.int32], stats: NDArray[np.int32], red_cell: float | None
) -> list[list[int]]:
    """Group components into nuclei: lobes lie closer to each other than their own width.

    red_cell: the area of a red cell, pixels. What is as large as a whole nucleus is no lobe: two such are two
    cells side by side.
    """
    count = len(stats)
    areas = stats[:, cv2.CC_STAT_AREA]
    parent = list(range(count))

    def root(k: int) -> int:
        while parent[k] != k:
            k = parent[k]
        return k

    order = [int(k) for k in np.argsort(-areas[1:]) + 1 if areas[k] >= 12]
    for n, a in enumerate(order):
        xa, ya, wa, ha = stats[a, :4]
        reach = _LOBE_GAP * np.sqrt(areas[a])
        for b in order[n + 1 :]:
            xb, yb, wb, hb = stats[b, :4]
            if max(xb - xa - wa, xa - xb - wb) > reach or max(yb - ya - ha, ya - yb - hb) > reach:
                continue
            if areas[b] < 0.04 * areas[a] or root(a) == root(b):
                continue
            if red_cell is not None and areas[b] > _WHOLE_NUCLEUS * red_cell:
                continue
            x0, y0 = min(xa, xb), min(ya, yb)
            x1, y1 = max(xa + wa, xb + wb), max(ya + ha, yb + hb)
            patch = parts[y0:y1, x0:x1]
            distance = cv2.distanceTransform((patch != a).astype(np.uint8), cv2.DIST_L2, 3)
            if distance[patch == b].min() <= reach:
                parent[root(b)] = root(a)
    groups: dict[int, list[int]] = {}
    for k in order:
        groups.setdefault(root(k), []).append(k)
    return list(groups.values())


def _grow_cell(
    labels: NDArray[np.int32],
    owner: NDArray[np.int32],
    rank: int,
    ratio: NDArray[np.float32],
    tissue: NDArray[np.bool_],
    bare_level: float,
) -> None:
    """Write cell `rank` into `labels`: its nucleus, and the cytoplasm, which is neither bare nor red cell."""
    mine = owner == rank + 1
    ys, xs = np.nonzero(mine)
    radius = np.sqrt(len(xs) / np.pi)
    reach = int(np.ceil(_CYTOPLASM_REACH * radius)) + 2
    height, width = labels.shape
    y0, y1 = max(0, ys.min() - reach), min(height, ys.max() + reach + 1)
    x0, x1 = max(0, xs.min() - reach), min(width, xs.max() + reach + 1)
    nucleus = mine[y0:y1, x0:x1].astype(np.uint8)
    points = np.stack([xs - x0, ys - y0], axis=1).astype(np.int32)
    hull = np.zeros_like(nucleus)
    cv2.fillConvexPoly(hull, cv2.convexHull(points), (1,))
    distance = cv2.distanceTransform(1 - hull, cv2.DIST_L2, 3)
    local, covered = ratio[y0:y1, x0:x1], tissue[y0:y1, x0:x1]
    nuclear_level = float(np.median(local[nucleus > 0]))
    # Red cells absorb blue as well: their ratio lies at or below that of the bare glass.
    bluish = local > bare_level + 0.15 * (nuclear_level - bare_level)
    cell = (distance <= _CYTOPLASM_REACH * radius) & covered & bluish
    cell |= (hull > 0) | (distance <= 0.12 * radius)
    size = max(3, int(radius * 0.35) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    opened = cv2.morphologyEx(cell.astype(np.uint8), cv2.MORPH_OPEN, kernel) | hull
    _, pieces = cv2.connectedComponents(opened)
    keep = pieces == pieces[points[0, 1], points[0, 0]]
    view, others = labels[y0:y1, x0:x1], owner[y0:y1, x0:x1]
    free = (others == 0) & ((view == 0) | (view % 2 == 1) & (distance < 1))
    view[keep & free] = 2 * rank + 1
    view[nucleus > 0] = 2 * rank + 2


def measure(
    labels: NDArray[np.int32],
    rank: int,
    scale: float,
    outside: NDArray[np.bool_] | None,
    frame_size: tuple[int, int],
) -> FoundCell:
    """Give the boxes of cell `rank` in pixels of the frame, `scale` times those of `labels`."""
    nucleus = labels == 2 * rank + 2
    cell = nucleus | (labels == 2 * rank + 1)
    box, nucleus_box = _box_of(cell, scale, frame_size), _box_of(nucleus, scale, frame_size)
    x, y, w, h = cv2.boundingRect(cell.astype(np.uint8))
    height, width = labels.shape
    complete = x > 0 and y > 0 and x + w < width and y + h < height
    if complete and outside is not None:
        grown = np.asarray(cv2.dilate(cell.astype(np.uint8), np.ones((3, 3), np.uint8)))
        complete = not bool(grown[outside].any())
    nx, ny, nw, nh = nucleus_box
    side = round(_CROP_MARGIN * max(nw, nh))
    crop = (round(nx + nw / 2 - side / 2), round(ny + nh / 2 - side / 2), side, side)
    return FoundCell(box, nucleus_box, crop, round(int(nucleus.sum()) * scale * scale), complete)


def _box_of(mask: NDArray[np.bool_], scale: float, frame_size: tuple[int, int]) -> BoxTuple:
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    x0, y0 = round(x * scale), round(y * scale)
    x1, y1 = min(frame_size[1], round((x + w) * scale)), min(frame_size[0], round((y + h) * scale))
    return x0, y0, max(1, x1 - x0), max(1, y1 - y0)
