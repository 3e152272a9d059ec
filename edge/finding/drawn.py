"""Dots that a program drew into a picture: round as a cell and dark as a nucleus, but of one colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEVELS = 4  # grey levels by which JPEG may change the dot's one colour
_MOST = 0.85  # share of the middle in one colour; of 1,300 white cells of seven sets none has more than 0.64
_ENOUGH = 16  # rows in half of the middle: of a larger one only every second or third row is read
_MIDDLE = 0.4  # of the diameter: a cell's nucleus lies within
_AROUND = 1.5  # diameters: within this distance there is some bare glass
_GLASS = 0.95  # quantile of the green levels there that is taken for the glass
_BRIGHT = 120  # level of the glass from which `_LEVELS` holds; in all data sets the glass is brighter


def is_drawn(pixels: NDArray[np.uint8], centre: NDArray[np.float32], diameter: float) -> bool:
    """Whether what lies there has one flat colour, as no cell has.

    pixels: uint8 RGB (height, width, 3). centre: x and y in pixels. diameter: in pixels.
    """
    reach = max(1.0, _MIDDLE * float(diameter))
    x, y = (float(value) for value in centre)
    left, top = max(0, int(x - reach)), max(0, int(y - reach))
    step = max(1, int(reach / _ENOUGH))
    bottom, right = min(pixels.shape[0], int(y + reach) + 1), min(pixels.shape[1], int(x + reach) + 1)
    window = pixels[top:bottom:step, left:right:step]
    rows, columns = np.ogrid[top:bottom:step, left:right:step]
    middle = np.hypot(columns - x, rows - y) <= reach
    if not middle.any():
        return False
    apart = np.zeros(np.count_nonzero(middle))
    for channel in range(3):
        levels = window[:, :, channel][middle]
        apart = np.maximum(apart, np.abs(levels - np.median(levels)))
        # One varied channel is enough to know it for a cell; mostly the first is.
        if (apart <= _LEVELS).mean() <= _MOST:
            return False
    # In a dim picture a real nucleus, too, has few grey levels.
    most = max(1, min(_LEVELS, int(_LEVELS * _glass(pixels, x, y, float(diameter)) / _BRIGHT)))
    return bool((apart <= most).mean() > _MOST)


def _glass(pixels: NDArray[np.uint8], x: float, y: float, diameter: float) -> float:
    """Return the green level of the glass around a middle, which lies in the picture or close to it."""
    reach = max(2.0, _AROUND * diameter)
    step = max(1, int(reach / _ENOUGH))
    rows, columns = (slice(max(0, int(place - reach)), int(place + reach) + 1, step) for place in (y, x))
    return float(np.quantile(pixels[rows, columns, 1], _GLASS))
