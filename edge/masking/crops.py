"""The picture of one cell for the namer: cut around the finder's circle, with its glass set to one white."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.finding.light import WHITE_LEVEL
from edge.imaging.shrinking import shrunk
from edge.masking.field import CROP_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.imaging.pixels import BoxTuple, Pixels

CROP_DIAMETERS = 1.35
"""Side of a crop in diameters of its cell: the whole cell, and a rim around it."""

_AROUND = 3.0  # side of the window in which the glass is looked for, in diameters
_SAMPLES = 48  # pixels along a side of it
_GLASS = 0.15  # share of its pixels, the brightest, that are taken for glass
_FEWEST = 60  # samples outside of the cell; if there are fewer, the cell's own pixels are used, too
_DARKEST = 40.0  # lowest white point: a lower one would turn noise into colours


def local_whites(
    pixels: Pixels, centres: NDArray[np.float32], diameters: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the colour of the glass around each cell, float32 RGB (n, 3); see `local_white`."""
    circles = zip(centres.tolist(), diameters.tolist(), strict=True)
    whites = [local_white(pixels, (x, y), diameter) for (x, y), diameter in circles]
    return np.array(whites, np.float32).reshape(-1, 3)


def local_white(pixels: Pixels, centre: tuple[float, float], diameter: float) -> NDArray[np.float32]:
    """Return the colour of the glass around a cell, float32 RGB (3,).

    It is the colour of the brightest pixels in the window around the cell, so uneven light is measured where
    it matters. centre: x and y, pixels of the frame, uint8 RGB (height, width, 3).
    """
    height, width = pixels.shape[:2]
    reach = _AROUND * diameter / 2
    x, y = centre
    x0, x1 = max(0, int(x - reach)), min(width, int(x + reach) + 1)
    y0, y1 = max(0, int(y - reach)), min(height, int(y + reach) + 1)
    step = max(1, int(2 * reach / _SAMPLES))
    window = pixels[y0:y1:step, x0:x1:step]
    if not window.size:
        return np.full(3, float(WHITE_LEVEL), np.float32)
    rows = np.arange(y0, y1, step)[:, None] - y
    columns = np.arange(x0, x1, step)[None] - x
    outside = rows * rows + columns * columns > (0.55 * diameter) ** 2
    if np.count_nonzero(outside) < _FEWEST:
        outside[:] = True
    # A channel at a time: NumPy picks the three bytes of a pixel one by one.
    colours = [window[:, :, channel][outside].astype(np.float32) for channel in range(3)]
    brightness = colours[0] + colours[1] + colours[2]
    count = max(1, int(_GLASS * len(brightness)))
    brightest = np.argpartition(brightness, len(brightness) - count)[len(brightness) - count :]
    white = np.median([channel[brightest] for channel in colours], axis=1)
    return np.asarray(np.maximum(white, _DARKEST), np.float32)


def crop_box(centre: tuple[float, float], diameter: float) -> BoxTuple:
    """Return the square that is cut, [x, y, side, side] in pixels of the frame; it may pass its edge."""
    side = max(4, round(CROP_DIAMETERS * diameter))
    return round(centre[0] - side / 2), round(centre[1] - side / 2), side, side


def cut_cell(pixels: Pixels, centre: tuple[float, float], diameter: float, *, context: float = 1.0) -> Pixels:
    """Return the classifier's input for the cell in a circle, as `cut_square` does, by the glass around."""
    white = local_white(pixels, centre, diameter)
    return cut_square(pixels, crop_box(centre, diameter), (white[0], white[1], white[2]), context=context)


def cut_square(
    pixels: Pixels, box: BoxTuple, white: tuple[float, float, float], *, context: float = 1.0
) -> Pixels:
    """Return the classifier's input for one cell, uint8 RGB (120, 120, 3).

    box: of `crop_box`. white: RGB of the glass, as `local_white` tells it. context: above 1, as much more of
    the surroundings at the same scale (120 * context pixels): what the trainer turns and shifts. Beyond the
    frame there is glass.
    """
    x, y, side, _ = box
    extra = round(side * (context - 1) / 2)
    x, y, side = x - extra, y - extra, side + 2 * extra
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = max(0, x), max(0, y), min(width, x + side), min(height, y + side)
    inner = pixels[y0:y1, x0:x1]
    glass = np.clip(white, 1, 255)
    margins = (y0 - y, y + side - y1, x0 - x, x + side - x1)
    if any(margins):
        beyond = tuple(float(round(level)) for level in glass.tolist())
        inner = np.asarray(cv2.copyMakeBorder(inner, *margins, cv2.BORDER_CONSTANT, value=beyond), np.uint8)
    size = round(CROP_SIZE * context)
    if side > size:
        crop = shrunk(inner, (size, size))
    else:
        crop = np.asarray(cv2.resize(inner, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
    levels = np.arange(256, dtype=np.float32)[:, None] * (WHITE_LEVEL / glass)
    table = np.minimum(np.rint(levels), 255).astype(np.uint8)
    return np.asarray(cv2.LUT(crop, table[None]), np.uint8)
