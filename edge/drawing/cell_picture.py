"""The picture of one cell as people see it: true colours, its surroundings, always of the same size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import simplejpeg

from edge.drawing.cell_window import PICTURE_SIDE, cell_window

if TYPE_CHECKING:
    from edge.imaging.pixels import Pixels
    from edge.messages.field import Box

_QUALITY = 85
_BESIDE = 235  # grey: what lies beyond the frame's edge


def cell_picture(pixels: Pixels, box: Box, micrometres_per_pixel: float | None) -> bytes:
    """Return the picture of a cell, JPEG of PICTURE_SIDE x PICTURE_SIDE pixels.

    pixels: its frame, uint8 RGB (height, width, 3). box: x, y, width, height of the cell in it.
    """
    left, top, side, _ = cell_window(box, micrometres_per_pixel)
    inner = pixels[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)]
    if inner.shape[:2] != (side, side):
        whole = np.full((side, side, 3), _BESIDE, np.uint8)
        y, x = max(0, -top), max(0, -left)
        whole[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
        inner = whole
    how = cv2.INTER_LINEAR if side > PICTURE_SIDE else cv2.INTER_CUBIC
    if side % PICTURE_SIDE == 0:
        how = cv2.INTER_AREA
    shown = cv2.resize(inner, (PICTURE_SIDE, PICTURE_SIDE), interpolation=how)
    shown = np.ascontiguousarray(shown)
    jpeg = simplejpeg.encode_jpeg(shown, quality=_QUALITY, colorspace="RGB", colorsubsampling="420")
    return bytes(jpeg)
