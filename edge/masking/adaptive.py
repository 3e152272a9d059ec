"""The default recipe: every white cell of a field, from the picture's own statistics.

Nuclei are found by their dye (`nuclei`), lobes are joined and touching nuclei parted by the cells that they
lie in (`lobes`), what is too small or too pale is dropped (`separation`), cytoplasm is added (`cytoplasm`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.imaging.black_border import black_border
from edge.imaging.components import components_of
from edge.imaging.histograms import histogram, median_levels, quantile, split_in_three
from edge.masking.cytoplasm import Surroundings
from edge.masking.field import CROP_SIZE, FieldMasks, FoundCell
from edge.masking.nuclei import find_nuclei, log_ratio
from edge.masking.scale import RED_CELL_UM, Rims, find_rims
from edge.masking.separation import measure, separate
from edge.masking.stain import measure_stain
from edge.messages import Scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.imaging.pixels import Pixels

_ONE_SIGMA = 0.683  # share of a bell's upper half within one standard deviation
_NOISE = 0.04  # of the glass's own level: a clipped or smoothed camera shows less spread than there is
_LOG = np.log(np.arange(256) + 1.0)
_CROP_UM = 21.0  # side of a crop, micrometres: the largest monocytes are 20 across
_WORK_SIDE = 320  # a nucleus is still 20 to 60 pixels across, and a field costs a few milliseconds


def find(pixels: Pixels, micrometres_per_pixel: float | None = None) -> FieldMasks:
    """Find the nuclei by the ratio of blue to green, which dyes change and light does not; then each cell."""
    height, width = pixels.shape[:2]
    scale = min(1.0, _WORK_SIDE / max(height, width))
    small = pixels
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    outside = black_border(small)
    red, green, blue = (np.asarray(channel, np.uint8) for channel in cv2.split(small))
    white, tissue = _background((red, green, blue), outside)
    ratio = log_ratio(green, blue, outside)
    bare_level = float(_LOG[int(white[2])] - _LOG[int(white[1])])
    nuclei = find_nuclei(ratio, (green, blue), white, outside, bare_level)
    pieces = components_of(nuclei)
    # Where the scale is known, nobody asks the red cells.
    measure_by = (
        find_rims(tissue, nuclei, outside, pieces) if micrometres_per_pixel is None else micrometres_per_pixel
    )
    around = Surroundings(ratio, tissue, bare_level)
    red_cell = _red_cell_area(measure_by, scale)
    labels, owner, ambiguous, windows = separate(pieces, nuclei, around, outside, red_cell)
    if not windows:
        return FieldMasks((), labels, outside, (height, width), "adaptive")
    known = _scale(measure_by, float(np.count_nonzero(owner[windows[0]] == 1)), scale)
    in_nuclei = owner > 0
    stain = measure_stain(small, white, in_nuclei, _red_cells((labels > 0) | ambiguous, tissue, outside))
    side = round(_CROP_UM / known.micrometres_per_pixel)
    cells = tuple(
        measure(labels, rank, window, 1 / scale, outside, (height, width), side)
        for rank, window in enumerate(windows)
    )
    return FieldMasks(cells, labels, outside, (height, width), "adaptive", stain, known)


def _red_cell_area(measure_by: Rims | float, work_scale: float) -> float | None:
    """Return the area of a red cell in pixels at working scale, where picture or configuration tells.

    measure_by: the picture's rims, or the micrometres of a pixel of the frame as configured.
    """
    if not isinstance(measure_by, Rims):
        return float(np.pi / 4 * (RED_CELL_UM / measure_by * work_scale) ** 2)
    # Lobes are not joined yet: the largest part may be a whole nucleus or a third of one.
    ruler = measure_by.ruler(2 * measure_by.largest_part)
    return float(np.pi / 4 * ruler.diameter**2) if ruler.is_seen else None


def _scale(measure_by: Rims | float, nucleus_area: float, work_scale: float) -> Scale:
    if not isinstance(measure_by, Rims):
        return Scale(measure_by, "configured")
    ruler = measure_by.ruler(nucleus_area)
    measured = round(RED_CELL_UM * work_scale / ruler.diameter, 4)
    return Scale(measured, "red cells" if ruler.is_seen else "nucleus")


def _red_cells(
    white_cells: NDArray[np.bool_], tissue: NDArray[np.bool_], outside: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    near = cv2.dilate(white_cells.view(np.uint8), np.ones((9, 9), np.uint8))
    red_cells = np.asarray(tissue & (near == 0))
    return red_cells if outside is None else red_cells & ~outside


def _background(
    channels: tuple[Pixels, Pixels, Pixels], outside: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the white point (the median of what no cell covers) and what cells cover."""
    green = np.asarray(cv2.GaussianBlur(channels[1], (3, 3), 0), np.uint8)
    inside = None if outside is None else np.asarray(~outside, np.uint8)
    threshold = _glass(histogram(green, inside))
    tissue = np.asarray(green <= threshold)
    bare = ~tissue if outside is None else ~tissue & ~outside
    if not bare.any():
        bare = np.ones_like(tissue)
    mask = bare.view(np.uint8)
    return np.array(median_levels(channels, mask), np.float32), tissue


def _glass(counts: NDArray[np.float64]) -> int:
    """Return the green level that only bare glass passes, for the counts of each level (256,).

    Glass is the brightest of three kinds, and a narrow peak of it: pale cytoplasm lies just below.
    """
    threshold = split_in_three(counts)[1]
    mode = threshold + 1 + int(np.argmax(counts[threshold + 1 :])) if threshold < 255 else 255
    spread = quantile(counts[mode:], _ONE_SIGMA)
    return max(threshold, mode - max(3 * spread, round(_NOISE * mode)))


def cut(pixels: Pixels, masks: FieldMasks, cell: FoundCell, context: float) -> Pixels:
    """Scale the crop to 120x120, its colours to the reference's; beyond the frame there is bare glass."""
    if masks.stain is None:
        raise ValueError("these masks have no stain: they are not of the adaptive recipe")
    x, y, side, _ = cell.crop
    size = round(CROP_SIZE * context)
    extra = round(side * (context - 1) / 2)
    x, y, side = x - extra, y - extra, side + 2 * extra
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = max(0, x), max(0, y), min(width, x + side), min(height, y + side)
    inner = pixels[y0:y1, x0:x1]
    white = masks.stain.white
    if masks.outside is not None:
        small = masks.outside.shape
        rows = np.arange(y0, y1) * small[0] // height
        columns = np.arange(x0, x1) * small[1] // width
        if masks.outside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].any():
            inner = inner.copy()
            inner[masks.outside[np.ix_(rows, columns)]] = white.astype(np.uint8)
    margins = (y0 - y, y + side - y1, x0 - x, x + side - x1)
    if any(margins):
        glass = tuple(int(v) for v in white)
        inner = np.asarray(cv2.copyMakeBorder(inner, *margins, cv2.BORDER_CONSTANT, value=glass), np.uint8)
    crop = cv2.resize(inner, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)
    return masks.stain.normalized(np.asarray(crop, np.uint8))
