"""The black that a turned picture or a diaphragm brings along: no part of what the microscope shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLACK = np.array([[0, 0, 0], [23, 23, 23]], np.uint8)  # RGB, from and to: what is no picture
_LEAST = 0.001  # of the frame: a smaller black patch at its edge is something in the picture


def black_wedges(pixels: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Give where uint8 RGB (height, width, 3) is no picture, bool (height, width): large, black, at the edge.

    With three pixels more, for JPEG and interpolation smear the edge. None where there is no such place.
    """
    if not any(_black(side).any() for side in (pixels[:1], pixels[-1:], pixels[:, :1], pixels[:, -1:])):
        return None
    black = _black(pixels)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(black)
    height, width = black.shape
    wedge = np.zeros(count, bool)
    for k in range(1, count):
        x, y, w, h, area = stats[k]
        at_edge = x == 0 or y == 0 or x + w == width or y + h == height
        wedge[k] = at_edge and area > _LEAST * height * width
    if not wedge.any():
        return None
    grown = np.asarray(cv2.dilate(wedge[labels].astype(np.uint8), np.ones((7, 7), np.uint8)))
    return np.asarray(grown > 0)


def _black(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.inRange(pixels, _BLACK[0], _BLACK[1]), np.uint8)
