"""The published recipe, to the letter: Islam, Assaduzzaman and Hasan, explainable blood cell classification.

Ten pixels of border, a fixed RGB range, erosion, dilation, the largest contour, black outside of it. The
range is tuned to one camera and one stain; under another it finds nothing.

What the study does not say is taken from the recipe's usual public form: the border has the grey of that
camera's background, erosion is 3x3 twice, dilation 5x5 five times. The dilation is wider than the erosion by
eight pixels at 320x240: it joins the lobes and takes in the cytoplasm around the coloured nucleus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.masking.field import CROP_SIZE, FieldMasks, FoundCell

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.imaging.pixels import Pixels

_LOW = (80, 80, 180)
_HIGH = (180, 170, 245)
_BORDER = 10
_BACKGROUND = (198, 203, 208)
_EROSION = (3, 2)  # side of the kernel, times
_DILATION = (5, 5)


def find(pixels: Pixels) -> FieldMasks:
    """Find the one largest thing of the fixed colour; its coloured part counts as the nucleus."""
    height, width = pixels.shape[:2]
    labels = np.zeros((height, width), np.int32)
    padded = _padded(pixels)
    coloured = _coloured(padded)
    largest = _largest(coloured)
    if largest is None:
        return FieldMasks((), labels, None, (height, width), "study")
    inner = np.s_[_BORDER : _BORDER + height, _BORDER : _BORDER + width]
    cell = _filled(largest, coloured.shape)[inner] > 0
    nucleus = cell & (coloured[inner] > 0)
    labels[cell] = 1
    labels[nucleus] = 2
    x, y, w, h = cv2.boundingRect(largest)
    nucleus_box = cv2.boundingRect(nucleus.astype(np.uint8))
    # What was dilated may pass the frame's edge; the coloured part alone says whether the edge cuts the cell.
    complete = (
        nucleus_box[0] > 0
        and nucleus_box[1] > 0
        and nucleus_box[0] + nucleus_box[2] < width
        and nucleus_box[1] + nucleus_box[3] < height
    )
    left, top = max(x - _BORDER, 0), max(y - _BORDER, 0)
    right, bottom = min(x - _BORDER + w, width), min(y - _BORDER + h, height)
    found = FoundCell(
        box=(left, top, right - left, bottom - top),
        nucleus_box=(nucleus_box[0], nucleus_box[1], nucleus_box[2], nucleus_box[3]),
        crop=(x - _BORDER, y - _BORDER, w, h),
        nucleus_area=int(nucleus.sum()),
        complete=complete,
    )
    return FieldMasks((found,), labels, None, (height, width), "study")


def cut(pixels: Pixels, cell: FoundCell) -> Pixels:
    """Black out what is not the cell, and stretch its box to 120x120."""
    padded = _padded(pixels)
    largest = _largest(_coloured(padded))
    x, y, w, h = cell.crop
    area = np.s_[y + _BORDER : y + _BORDER + h, x + _BORDER : x + _BORDER + w]
    patch = padded[area]
    if largest is not None:
        patch = patch * _filled(largest, padded.shape[:2])[area][..., None]
    return np.asarray(cv2.resize(patch, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR), np.uint8)


def _padded(pixels: Pixels) -> Pixels:
    border = (_BORDER, _BORDER, _BORDER, _BORDER)
    return np.asarray(cv2.copyMakeBorder(pixels, *border, cv2.BORDER_CONSTANT, value=_BACKGROUND), np.uint8)


def _coloured(padded: Pixels) -> NDArray[np.uint8]:
    """Return what has the colour and is wider than a few pixels: uint8 (h, w), 255 or 0."""
    mask = cv2.inRange(padded, np.array(_LOW, np.uint8), np.array(_HIGH, np.uint8))
    side, times = _EROSION
    return np.asarray(cv2.erode(mask, np.ones((side, side), np.uint8), iterations=times), np.uint8)


def _largest(coloured: NDArray[np.uint8]) -> NDArray[np.int32] | None:
    side, times = _DILATION
    wide = cv2.dilate(coloured, np.ones((side, side), np.uint8), iterations=times)
    contours, _ = cv2.findContours(wide, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(max(contours, key=cv2.contourArea), np.int32) if contours else None


def _filled(contour: NDArray[np.int32], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return 1 inside the contour, 0 outside: uint8 (h, w)."""
    mask = np.zeros(shape, np.uint8)
    cv2.drawContours(mask, [contour], -1, (1,), cv2.FILLED)
    return mask
