"""From a nucleus mask to cells: lobes joined, platelets left out, the cytoplasm around each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from edge.imaging.components import of_box, widened
from edge.imaging.histograms import median
from edge.masking.cytoplasm import Nucleus, grow_cell
from edge.masking.field import FoundCell
from edge.masking.lobes import find_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.imaging.components import Components, Window
    from edge.imaging.pixels import BoxTuple, Pixels
    from edge.masking.cytoplasm import Surroundings
    from edge.masking.lobes import Groups

_LEAST_CONTRAST = 0.2  # log of B/G above the glass: nuclei have 0.32 and more on every set, red cells 0.05
_SHARE_OF_CONTRAST = 0.5  # of the strongest nucleus's
_CLEAR_CONTRAST = 0.6  # whatever else there is: a monocyte is paler than half of the neutrophil beside it
_SHARE_OF_DEPTH = 0.25  # of the thickest nucleus's: lobes beside a monocyte have 0.3 and more
_MIN_SHARE_OF_LARGEST = 0.12
_MIN_SHARE_OF_FRAME = 0.0015
_MIN_SHARE_OF_RED_CELL = 0.3  # a lymphocyte's nucleus is as large as a red cell, a platelet a tenth of it


class Separated(NamedTuple):
    """The cells of a field. Images are (h, w) at working scale.

    labels: int32, those of `FieldMasks`. owner: uint16, k + 1 in the nucleus of cell k. ambiguous: bool, what
    may be of a cell or of a red cell that touches it. windows: for each cell rows and columns that hold it.
    """

    labels: NDArray[np.int32]
    owner: NDArray[np.uint16]
    ambiguous: NDArray[np.bool_]
    windows: list[Window]


def separate(
    pieces: Components,
    nuclei: Pixels,
    around: Surroundings,
    outside: NDArray[np.bool_] | None,
    red_cell: float | None,
) -> Separated:
    """Join the lobes of each nucleus, drop what is too small to be one, and find the cell around each.

    pieces: of `nuclei`, uint8 (h, w), 0 or 255; their labels are changed. outside: bool (h, w), what is no
    picture. red_cell: area of a red cell, pixels, where that is known.
    """
    labels = np.zeros(nuclei.shape, np.int32)
    owner = np.zeros(nuclei.shape, np.uint16)
    ambiguous = np.zeros(nuclei.shape, np.bool_)
    groups = find_groups(pieces, nuclei, around.tissue, red_cell)
    kept = _kept(groups, nuclei, around, red_cell)
    down, right = groups.window[0].start, groups.window[1].start
    found = []
    for rank, (window, mine, level) in enumerate(kept):
        at = _shifted(window, down, right)
        owner[at][mine] = rank + 1
        found.append(Nucleus(rank, at, mine, level))
    windows = [grow_cell(labels, ambiguous, owner, nucleus, around) for nucleus in found]
    if outside is not None:
        labels[outside] = 0
        owner[outside] = 0
    return Separated(labels, owner, ambiguous, windows)


def _kept(
    groups: Groups, nuclei: Pixels, around: Surroundings, red_cell: float | None
) -> list[tuple[Window, NDArray[np.bool_], float]]:
    """Return those that are nuclei of white cells, the largest first.

    Of each a window of the groups' window that holds it, where in that it is, and its median ratio.
    """
    areas = [sum(groups.areas[k] for k in nucleus) for nucleus in groups.nuclei]
    smallest = max(_MIN_SHARE_OF_LARGEST * max(areas, default=0), _MIN_SHARE_OF_FRAME * nuclei.size)
    if red_cell is not None:
        smallest = max(smallest, _MIN_SHARE_OF_RED_CELL * red_cell)
    large = [i for i, area in enumerate(areas) if area >= smallest]
    large.sort(key=lambda i: -areas[i])
    masks = [_masked(groups, i) for i in large]
    ratio = around.ratio[groups.window]
    levels = [median(ratio[window][mine]) for window, mine in masks]
    # Nuclei of one smear are stained alike, and lobes are thick: folds are paler, rims of red cells are thin.
    strongest = max((level - around.bare_ratio for level in levels), default=0)
    least = max(_LEAST_CONTRAST, min(_SHARE_OF_CONTRAST * strongest, _CLEAR_CONTRAST))
    thick = _thick(nuclei, groups.window, masks)
    return [
        (window, mine, level)
        for (window, mine), level, is_thick in zip(masks, levels, thick, strict=True)
        if level - around.bare_ratio >= least and is_thick
    ]


def _thick(nuclei: Pixels, at: Window, masks: list[tuple[Window, NDArray[np.bool_]]]) -> list[bool]:
    """Tell of each nucleus, by its window in the window `at` and its mask there, if it is no thin fold."""
    if len(masks) < 2:
        return [True] * len(masks)
    # One row and column of what is no nucleus all around: from there the distances count.
    wide, inner = widened(at, 1)
    depth = cv2.distanceTransform(nuclei[wide], cv2.DIST_L2, 3)[inner]
    deepest = [cv2.minMaxLoc(depth[window], mine.view(np.uint8))[1] for window, mine in masks]
    thinnest = _SHARE_OF_DEPTH * max(deepest)
    return [deep >= thinnest for deep in deepest]


def _masked(groups: Groups, number: int) -> tuple[Window, NDArray[np.bool_]]:
    """Return a window of the groups' window that holds a nucleus, and where in it that is: bool."""
    parts = groups.nuclei[number]
    if len(parts) == 1:
        window = of_box(groups.boxes[parts[0]])
        return window, groups.labels[window] == parts[0]
    boxes = [groups.boxes[k] for k in parts]
    x0, y0 = min(box[0] for box in boxes), min(box[1] for box in boxes)
    x1, y1 = max(x + w for x, _, w, _ in boxes), max(y + h for _, y, _, h in boxes)
    window = of_box((x0, y0, x1 - x0, y1 - y0))
    labels = groups.labels[window]
    mine = labels == parts[0]
    for k in parts[1:]:
        mine |= labels == k
    return window, mine


def _shifted(window: Window, down: int, right: int) -> Window:
    rows, columns = window
    return slice(rows.start + down, rows.stop + down), slice(columns.start + right, columns.stop + right)


def measure(
    labels: NDArray[np.int32],
    rank: int,
    window: Window,
    scale: float,
    outside: NDArray[np.bool_] | None,
    frame_size: tuple[int, int],
    side: int,
) -> FoundCell:
    """Return the boxes of cell `rank` in pixels of the frame, `scale` times those of `labels`.

    window: rows and columns of `labels` that hold the cell. side: of the crop, pixels of the frame.
    """
    here = labels[window]
    nucleus = here == 2 * rank + 2
    cell = nucleus | (here == 2 * rank + 1)
    at, nucleus_at = _place(cell, window), _place(nucleus, window)
    x, y, w, h = at
    height, width = labels.shape
    complete = x > 0 and y > 0 and x + w < width and y + h < height
    if complete and outside is not None:
        # Widened by one in a window that has room for it: the cell touches no edge of the frame.
        wide = of_box((x - 1, y - 1, w + 2, h + 2))
        own = (labels[wide] - 2 * rank - 1).view(np.uint32) <= 1
        grown = np.asarray(cv2.dilate(own.view(np.uint8), np.ones((3, 3), np.uint8)))
        complete = not bool(grown[outside[wide]].any())
    box, nucleus_box = (_scaled(place, scale, frame_size) for place in (at, nucleus_at))
    nx, ny, nw, nh = nucleus_box
    crop = (round(nx + nw / 2 - side / 2), round(ny + nh / 2 - side / 2), side, side)
    area = round(cv2.countNonZero(nucleus.view(np.uint8)) * scale * scale)
    return FoundCell(box, nucleus_box, crop, area, complete)


def _place(mask: NDArray[np.bool_], window: Window) -> BoxTuple:
    """Return the box of what is in a window's mask, in the frame of the window; all 0 where there is none."""
    x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
    return (x + window[1].start, y + window[0].start, w, h) if w else (0, 0, 0, 0)


def _scaled(place: BoxTuple, scale: float, frame_size: tuple[int, int]) -> BoxTuple:
    x, y, w, h = place
    x0, y0 = round(x * scale), round(y * scale)
    x1, y1 = min(frame_size[1], round((x + w) * scale)), min(frame_size[0], round((y + h) * scale))
    return x0, y0, max(1, x1 - x0), max(1, y1 - y0)
