"""The default recipe: every white cell of a field, from the picture's own statistics.

The log ratio of two channels cancels the illumination; nuclei, which take up the blue dye and absorb green,
stand out from red cells under every stain tried. Otsu (1979) sets the thresholds per picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.masking.field import CROP_SIZE, FieldMasks, FoundCell, Pixels
from edge.masking.separation import measure, separate

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHITE_LEVEL = 235
"""Grey level that the cell-free background is brought to."""

_WORK_SIDE = 320  # a nucleus is still 20 to 60 pixels across, and a field costs a few milliseconds
_LEAST_SPREAD = 0.12  # natural log of B/G: below it everything in the picture has one colour
_TWO_KINDS = 0.8  # difference in optical density (natural log), at which what is blue is of two kinds
_FEW = 0.0015  # share of the frame: fewer dark pixels are specks, not nuclei
_LOG = np.log(np.arange(256, dtype=np.float32) + 1)


def find(pixels: Pixels) -> FieldMasks:
    """Find the nuclei by the ratio of blue to green, which dyes change and light does not; then each cell."""
    height, width = pixels.shape[:2]
    scale = min(1.0, _WORK_SIDE / max(height, width))
    small = pixels
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    outside = _outside(small)
    white, tissue = _background(small, outside)
    ratio = _ratio(small, outside)
    nuclei = _nuclei(ratio, small, white, outside)
    labels, found = separate(nuclei, ratio, tissue, outside)
    cells = tuple(measure(labels, k, 1 / scale, outside, (height, width)) for k in range(found))
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
    grown = np.asarray(cv2.dilate(wedge[labels].astype(np.uint8), np.ones((7, 7), np.uint8)))
    return np.asarray(grown > 0)


def _background(
    small: Pixels, outside: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Give the white point (the median of what no cell covers) and what cells cover."""
    green = np.asarray(cv2.GaussianBlur(np.ascontiguousarray(small[:, :, 1]), (3, 3), 0), np.uint8)
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
    # Chroma is coarser than luma in every JPEG.
    return np.asarray(cv2.GaussianBlur(ratio, (0, 0), 1.5), np.float32)


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
    if high - low < _LEAST_SPREAD:
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
        enough = dark.size > _FEW * density.size and pale.size > 0
        if enough and float(dark.mean()) - float(pale.mean()) > 128 * _TWO_KINDS:
            mask &= density > threshold
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    opened = cv2.morphologyEx(mask.astype(np.uint8) * np.uint8(255), cv2.MORPH_OPEN, kernel)
    return np.asarray(opened, np.uint8)


def _otsu(values: NDArray[np.uint8]) -> float:
    threshold, _ = cv2.threshold(values.reshape(-1, 1), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return float(threshold)


def cut(pixels: Pixels, masks: FieldMasks, cell: FoundCell, context: float) -> Pixels:
    """Scale the crop to 120x120, its background to WHITE_LEVEL; beyond the frame there is background."""
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
    crop = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)
    gains = WHITE_LEVEL / np.maximum(masks.white, 32.0)
    table = np.clip(np.arange(256, dtype=np.float32)[:, None] * gains, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(crop, table.reshape(1, 256, 3)), np.uint8)
