"""From a nucleus mask to cells: lobes joined, platelets left out, the cytoplasm around each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.masking.cytoplasm import Surroundings, grow_cell
from edge.masking.field import BoxTuple, FoundCell, Pixels
from edge.masking.lobes import find_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_CONTRAST = 0.2  # log of B/G above the glass: nuclei have 0.32 and more on every set, red cells 0.05
_SHARE_OF_CONTRAST = 0.5  # of the strongest nucleus's
_SHARE_OF_DEPTH = 0.25  # of the thickest nucleus's: lobes beside a monocyte have 0.3 and more
_MIN_SHARE_OF_LARGEST = 0.12
_MIN_SHARE_OF_FRAME = 0.0015
_MIN_SHARE_OF_RED_CELL = 0.3  # a lymphocyte's nucleus is as large as a red cell, a platelet a tenth of it


def separate(
    nuclei: Pixels, around: Surroundings, outside: NDArray[np.bool_] | None, red_cell: float | None
) -> tuple[NDArray[np.int32], int]:
    """Join the lobes of each nucleus, drop what is too small to be one, and find the cell around each.

    nuclei: uint8 (h, w), 0 or 255. outside: bool (h, w), what is no picture. red_cell: area of a red cell,
    pixels, where that is known. Gives the labels of `FieldMasks` and the number of cells.
    """
    labels = np.zeros(nuclei.shape, np.int32)
    if not nuclei.any():
        return labels, 0
    parts, groups, sizes = find_groups(nuclei, around.tissue, red_cell)
    if not groups:
        return labels, 0
    areas = np.array([sizes[g].sum() for g in groups])
    smallest = max(_MIN_SHARE_OF_LARGEST * areas.max(), _MIN_SHARE_OF_FRAME * nuclei.size)
    if red_cell is not None:
        smallest = max(smallest, _MIN_SHARE_OF_RED_CELL * red_cell)
    large = [int(i) for i in np.argsort(-areas, kind="stable") if areas[i] >= smallest]
    depth = np.asarray(cv2.distanceTransform(nuclei, cv2.DIST_L2, 3), np.float32)
    levels = [_levels_of(parts, groups[i], around.ratio, depth) for i in large]
    # Nuclei of one smear are stained alike, and lobes are thick: folds are paler, rims of red cells are thin.
    least = max(
        _LEAST_CONTRAST, _SHARE_OF_CONTRAST * max((r - around.bare_ratio for r, _ in levels), default=0)
    )
    thinnest = _SHARE_OF_DEPTH * max((d for _, d in levels), default=0)
    kept = [
        i
        for i, (ratio, deepest) in zip(large, levels, strict=True)
        if ratio - around.bare_ratio >= least and deepest >= thinnest
    ]
    which = np.zeros(len(sizes), np.int32)  # component -> 1-based rank of its cell
    for rank, i in enumerate(kept):
        which[groups[i]] = rank + 1
    owner = which[parts]
    for rank in range(len(kept)):
        grow_cell(labels, owner, rank, around)
    if outside is not None:
        labels[outside] = 0
    return labels, len(kept)


def _levels_of(
    parts: NDArray[np.int32], group: list[int], ratio: NDArray[np.float32], depth: NDArray[np.float32]
) -> tuple[float, float]:
    """Give the median of `ratio` and the greatest `depth` over the parts of a nucleus."""
    mine = parts == group[0]
    for k in group[1:]:
        mine |= parts == k
    return float(np.median(ratio[mine])), float(depth[mine].max())


def measure(
    labels: NDArray[np.int32],
    rank: int,
    scale: float,
    outside: NDArray[np.bool_] | None,
    frame_size: tuple[int, int],
    side: int,
) -> FoundCell:
    """Give the boxes of cell `rank` in pixels of the frame, `scale` times those of `labels`.

    side: of the crop, pixels of the frame.
    """
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
    crop = (round(nx + nw / 2 - side / 2), round(ny + nh / 2 - side / 2), side, side)
    return FoundCell(box, nucleus_box, crop, round(int(nucleus.sum()) * scale * scale), complete)


def _box_of(mask: NDArray[np.bool_], scale: float, frame_size: tuple[int, int]) -> BoxTuple:
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    x0, y0 = round(x * scale), round(y * scale)
    x1, y1 = min(frame_size[1], round((x + w) * scale)), min(frame_size[0], round((y + h) * scale))
    return x0, y0, max(1, x1 - x0), max(1, y1 - y0)
