"""The black around a picture that was rotated, or cut by a diaphragm: not part of what the lens shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.imaging.components import components_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLACK = np.array([[0, 0, 0], [23, 23, 23]], np.uint8)  # RGB, from and to
_LEAST = 0.001  # of the frame: a smaller black patch at its edge belongs to the picture


def black_border(pixels: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Return where a frame, uint8 RGB (height, width, 3), has large black areas at its edge: bool (h, w).

    They are widened by three pixels, since JPEG and interpolation blur their edge. None if there are none.
    """
    sides = np.concatenate((pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))
    if not cv2.countNonZero(_black(sides[None])):
        return None
    pieces = components_of(_black(pixels))
    height, width = pixels.shape[:2]
    left, top = pieces.boxes[:, 0] + pieces.window[1].start, pieces.boxes[:, 1] + pieces.window[0].start
    right, bottom = left + pieces.boxes[:, 2], top + pieces.boxes[:, 3]
    at_edge = (left == 0) | (top == 0) | (right == width) | (bottom == height)
    wedge = at_edge & (pieces.areas > _LEAST * height * width)
    wedge[0] = False
    if not wedge.any():
        return None
    black = np.zeros((height, width), np.uint8)
    black[pieces.window] = pieces.chosen(wedge)
    return np.asarray(cv2.dilate(black, np.ones((7, 7), np.uint8)), np.uint8).view(np.bool_)


def _black(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.inRange(pixels, _BLACK[0], _BLACK[1]), np.uint8)
