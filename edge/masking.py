"""Where the white cells are: nucleus and cell masks, boxes, and the crops that the classifier sees.

Two recipes. `adaptive` (the default) finds every white cell of a field from the picture's own statistics.
`study` is the published one, kept to the letter: one cell, one fixed colour range, one camera.
The trainer makes its crops with this very code, so training and device cannot drift apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Recipe = Literal["adaptive", "study"]
BoxTuple = tuple[int, int, int, int]

CROP_SIZE = 120
"""Side of the classifier's input, pixels."""

PREPROCESSING = {"adaptive": "adaptive/1", "study": "study/1"}
"""Version of each recipe's crops. It stands in the bundle: a model only reads crops of its own recipe."""

WHITE_LEVEL = 235
"""Grey level that the cell-free background is brought to."""

_WORK_SIDE = 320  # a nucleus is still 20 to 60 pixels across, and a field costs a few milliseconds
_CROP_MARGIN = 1.6  # of the nucleus box: cytoplasm and its granules tell an eosinophil from a neutrophil
_LEAST_CONTRAST = 0.12  # natural log of B/G: a nucleus stands out by 0.3 and more
_TWO_KINDS = 0.8  # difference in optical density (natural log), at which what is blue is of two kinds
_WHOLE_NUCLEUS = 0.75  # of a red cell's area: the smallest lymphocyte's nucleus
_LOBE_GAP = 0.7  # of the square root of the larger lobe's area
_CYTOPLASM_REACH = 0.8  # of the nucleus's radius, beyond its hull
_MIN_SHARE_OF_LARGEST = 0.12
_MIN_SHARE_OF_FRAME = 0.0015
_MIN_SHARE_OF_RED_CELL = 0.3  # a lymphocyte's nucleus is as large as a red cell, a platelet a tenth of it
_LOG = np.log(np.arange(256, dtype=np.float32) + 1)


@dataclass(frozen=True, slots=True)
class FoundCell:
    """One white cell. Boxes are [x, y, width, height] in pixels of the frame.

    box: the whole cell. nucleus_box: its nucleus, all lobes. crop: the square that is classified; it may
    pass the frame's edge. nucleus_area: pixels of the frame. complete: False when the frame's edge cuts it.
    """

    box: BoxTuple
    nucleus_box: BoxTuple
    crop: BoxTuple
    nucleus_area: int
    complete: bool


@dataclass(frozen=True, slots=True)
class FieldMasks:
    """All cells of a field, the largest nucleus first.

    labels: int32 (h, w) at working scale: 0 background, 2k+1 the cytoplasm and 2k+2 the nucleus of cell k.
    white: RGB of the cell-free background, float32 (3,). outside: bool (h, w), what is no picture at all
    (the black wedges of a rotated image), or None.
    """

    cells: tuple[FoundCell, ...]
    labels: NDArray[np.int32]
    white: NDArray[np.float32]
    outside: NDArray[np.bool_] | None
    frame_size: tuple[int, int]
    recipe: Recipe

    def picture(self) -> Pixels:
        """Give the masks at the frame's size: uint8 (height, width), 255 nucleus, 128 the rest, 0 background."""
        small = np.zeros(self.labels.shape, np.uint8)
        small[self.labels > 0] = 128
        small[(self.labels > 0) & (self.labels % 2 == 0)] = 255
        height, width = self.frame_size
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)


def find_cells(pixels: Pixels, recipe: Recipe = "adaptive") -> FieldMasks:
    """Find the white cells of a frame (uint8 RGB, (height, width, 3))."""
    return _find_study(pixels) if recipe == "study" else _find_adaptive(pixels)


def cut_crop(pixels: Pixels, masks: FieldMasks, cell: FoundCell, *, context: float = 1.0) -> Pixels:
    """Give the classifier's input for one cell: uint8 RGB (120, 120, 3).

    `context` above 1 gives as much more of the surroundings at the same scale (adaptive only): what the
    trainer turns and shifts, it cuts back to 120x120 afterwards.
    """
    if masks.recipe == "study":
        return _cut_study(pixels, masks, cell)
    return _cut_adaptive(pixels, masks, cell, context)


# --- adaptive -------------------------------------------------------------------------------------------


def _find_adaptive(pixels: Pixels) -> FieldMasks:
    """Nuclei by the ratio of blue to green, which dyes change and light does not; then the cell around each.

    The log ratio of two channels cancels the illumination; nuclei, which take up the blue dye and absorb
    green, stand out from red cells under every stain tried. Otsu (1979) sets the threshold per picture.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, _WORK_SIDE / max(height, width))
    small = pixels
    if scale < 1:
        small = cv2.resize(
            pixels, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA
        )
    outside = _outside(small)
    white, tissue = _background(small, outside)
    ratio = _ratio(small, outside)
    nuclei = _nuclei(ratio, small, white, outside)
    labels, found = _separate(nuclei, ratio, tissue, outside)
    cells = tuple(_measure(labels, k, 1 / scale, outside, (height, width)) for k in range(found))
    return FieldMasks(cells, labels, white, outside, (height, width), "adaptive")


def _outside(small: Pixels) -> NDArray[np.bool_] | None:
    """Give the black wedges that a rotated picture carries: large, black, at the edge."""
    black = (small.max(axis=2) < 24).astype(np.uint8)
    if not black.any():
        return None
    count, labels, stats, _ = cv2.connectedComponentsWithStats(black)
    height, width = black.shape
    wedge = np.zeros(count, bool)
    for k in range(1, count):
        x, y, w, h, area = stats[k]
        at_edge = x == 0 or y == 0 or x + w == width or y + h == height
        wedge[k] = at_edge and area > 0.001 * height * width
    if not wedge.any():
        return None
    # Three pixels more: JPEG and interpolation smear the wedge's edge.
    grown: Pixels = cv2.dilate(wedge[labels].astype(np.uint8), np.ones((7, 7), np.uint8))
    return grown > 0


def _background(small: Pixels, outside: NDArray[np.bool_] | None) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Give the white point (the median of what no cell covers) and what cells cover."""
    green = cv2.GaussianBlur(np.ascontiguousarray(small[:, :, 1]), (3, 3), 0)
    inside = green if outside is None else green[~outside]
    tissue = green <= _otsu(inside)
    bare = ~tissue if outside is None else ~tissue & ~outside
    if not bare.any():
        bare = np.ones_like(tissue)
    return np.median(small[bare], axis=0).astype(np.float32), tissue


def _ratio(small: Pixels, outside: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    ratio = _LOG[small[:, :, 2]] - _LOG[small[:, :, 1]]
    if outside is not None:
        ratio[outside] = np.median(ratio[~outside]) if (~outside).any() else 0
    return cv2.GaussianBlur(ratio, (0, 0), 1.5)  # chroma is coarser than luma in every JPEG


def _nuclei(
    ratio: NDArray[np.float32],
    small: Pixels,
    white: NDArray[np.float32],
    outside: NDArray[np.bool_] | None,
) -> Pixels:
    """Give the nucleus mask, 0 or 255.

    Where the stain gives red cells or granules a share of the blue dye, the ratio alone takes them along;
    nuclei are then the darker of two kinds, and a second threshold on optical density parts them.
    """
    low, high = np.percentile(ratio, (1, 99.8))
    if high - low < _LEAST_CONTRAST:  # nothing in the picture is coloured differently from the rest
        return np.zeros(ratio.shape, np.uint8)
    grey = np.clip((ratio - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    mask = grey > _otsu(grey if outside is None else grey[~outside])
    if outside is not None:
        mask &= ~outside
    green = cv2.GaussianBlur(np.ascontiguousarray(small[:, :, 1]), (0, 0), 1.0)
    density = np.clip((_LOG[int(white[1])] - _LOG[green]) * 128, 0, 255).astype(np.uint8)
    stained = density[mask]
    if stained.size:
        threshold = _otsu(stained)
        dark, pale = stained[stained > threshold], stained[stained <= threshold]
        enough = dark.size > _MIN_SHARE_OF_FRAME * density.size and pale.size > 0
        if enough and float(dark.mean()) - float(pale.mean()) > 128 * _TWO_KINDS:
            mask &= density > threshold
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return cv2.morphologyEx(mask.astype(np.uint8) * np.uint8(255), cv2.MORPH_OPEN, kernel)


def _otsu(values: NDArray[np.uint8]) -> float:
    threshold, _ = cv2.threshold(values.reshape(-1, 1), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return float(threshold)


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


def _separate(
    nuclei: Pixels, ratio: NDArray[np.float32], tissue: NDArray[np.bool_], outside: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int32], int]:
    """Join the lobes of each nucleus, drop what is too small to be one, and find the cell around each."""
    labels = np.zeros(nuclei.shape, np.int32)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(nuclei)
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
    kept = [i for i in np.argsort(-areas, kind="stable") if areas[i] >= smallest]
    which = np.zeros(count, np.int32)  # component -> 1-based rank of its cell
    for rank, i in enumerate(kept):
        which[groups[i]] = rank + 1
    owner = which[parts]
    bare_level = float(np.median(ratio[~tissue])) if (~tissue).any() else float(ratio.min())
    for rank in range(len(kept)):
        _grow_cell(labels, owner, rank, ratio, tissue, bare_level)
    if outside is not None:
        labels[outside] = 0
    return labels, len(kept)


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
    """Write cell `rank` into `labels`: its nucleus, and the cytoplasm around it that is neither bare nor red cell."""
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


def _measure(
    labels: NDArray[np.int32],
    rank: int,
    scale: float,
    outside: NDArray[np.bool_] | None,
    frame_size: tuple[int, int],
) -> FoundCell:
    nucleus = labels == 2 * rank + 2
    cell = nucleus | (labels == 2 * rank + 1)
    box, nucleus_box = _box_of(cell, scale, frame_size), _box_of(nucleus, scale, frame_size)
    x, y, w, h = cv2.boundingRect(cell.astype(np.uint8))
    height, width = labels.shape
    complete = x > 0 and y > 0 and x + w < width and y + h < height
    if complete and outside is not None:
        grown: Pixels = cv2.dilate(cell.astype(np.uint8), np.ones((3, 3), np.uint8))
        complete = not bool((grown > 0)[outside].any())
    nx, ny, nw, nh = nucleus_box
    side = round(_CROP_MARGIN * max(nw, nh))
    crop = (round(nx + nw / 2 - side / 2), round(ny + nh / 2 - side / 2), side, side)
    return FoundCell(box, nucleus_box, crop, round(int(nucleus.sum()) * scale * scale), complete)


def _box_of(mask: NDArray[np.bool_], scale: float, frame_size: tuple[int, int]) -> BoxTuple:
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    x0, y0 = round(x * scale), round(y * scale)
    x1, y1 = min(frame_size[1], round((x + w) * scale)), min(frame_size[0], round((y + h) * scale))
    return x0, y0, max(1, x1 - x0), max(1, y1 - y0)


def _cut_adaptive(pixels: Pixels, masks: FieldMasks, cell: FoundCell, context: float) -> Pixels:
    """Scale the crop to 120x120 and bring its background to WHITE_LEVEL; beyond the frame there is background."""
    x, y, side, _ = cell.crop
    size = round(CROP_SIZE * context)
    extra = round(side * (context - 1) / 2)
    x, y, side = x - extra, y - extra, side + 2 * extra
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = max(0, x), max(0, y), min(width, x + side), min(height, y + side)
    inner = pixels[y0:y1, x0:x1]
    if masks.outside is not None:
        small = masks.outside.shape
        rows = np.arange(y0, y1) * small[0] // height
        columns = np.arange(x0, x1) * small[1] // width
        black = masks.outside[np.ix_(rows, columns)]
        if black.any():
            inner = inner.copy()
            inner[black] = masks.white.astype(np.uint8)
    background = tuple(int(v) for v in masks.white)
    square = cv2.copyMakeBorder(
        inner, y0 - y, y + side - y1, x0 - x, x + side - x1, cv2.BORDER_CONSTANT, value=background
    )
    crop = cv2.resize(
        square, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    )
    gains = WHITE_LEVEL / np.maximum(masks.white, 32.0)
    table = np.clip(np.arange(256, dtype=np.float32)[:, None] * gains, 0, 255).astype(np.uint8)
    return cv2.LUT(crop, table.reshape(1, 256, 3))


# --- the study's recipe -----------------------------------------------------------------------------------

_STUDY_LOW = (80, 80, 180)
_STUDY_HIGH = (180, 170, 245)
_STUDY_BORDER = 10


def _find_study(pixels: Pixels) -> FieldMasks:
    """Islam, Assaduzzaman and Hasan: 10 pixels of border, a fixed RGB range, erosion, dilation, largest contour."""
    height, width = pixels.shape[:2]
    padded = cv2.copyMakeBorder(pixels, *([_STUDY_BORDER] * 4), cv2.BORDER_CONSTANT, value=(0, 0, 0))
    mask = cv2.inRange(padded, np.array(_STUDY_LOW, np.uint8), np.array(_STUDY_HIGH, np.uint8))
    kernel = np.ones((3, 3), np.uint8)
    mask = cv2.dilate(cv2.erode(mask, kernel), kernel)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    labels = np.zeros((height, width), np.int32)
    black = np.zeros(3, np.float32)
    if not contours:
        return FieldMasks((), labels, black, None, (height, width), "study")
    largest = max(contours, key=cv2.contourArea)
    filled = np.zeros(padded.shape[:2], np.uint8)
    cv2.drawContours(filled, [largest], -1, (1,), cv2.FILLED)
    inner = filled[_STUDY_BORDER : _STUDY_BORDER + height, _STUDY_BORDER : _STUDY_BORDER + width]
    labels[inner > 0] = 2
    x, y, w, h = cv2.boundingRect(largest)
    box = (x - _STUDY_BORDER, y - _STUDY_BORDER, w, h)
    complete = box[0] > 0 and box[1] > 0 and box[0] + w < width and box[1] + h < height
    cell = FoundCell(box, box, box, int(inner.sum()), complete)
    return FieldMasks((cell,), labels, black, None, (height, width), "study")


def _cut_study(pixels: Pixels, masks: FieldMasks, cell: FoundCell) -> Pixels:
    x, y, w, h = cell.crop
    patch = pixels[y : y + h, x : x + w] * (masks.labels[y : y + h, x : x + w, None] > 0).astype(np.uint8)
    return cv2.resize(patch, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)
