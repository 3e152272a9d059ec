"""The published recipe, to the letter: Islam, Assaduzzaman and Hasan, explainable blood cell classification.

Ten pixels of border, a fixed RGB range, erosion, dilation, the largest contour, black outside of it. The
range is tuned to one camera and one stain; under another it finds nothing.
"""

from __future__ import annotations

import cv2
import numpy as np

from edge.masking.field import CROP_SIZE, FieldMasks, FoundCell, Pixels

_LOW = (80, 80, 180)
_HIGH = (180, 170, 245)
_BORDER = 10


def find(pixels: Pixels) -> FieldMasks:
    """Find the one largest thing of the fixed colour."""
    height, width = pixels.shape[:2]
    border = (_BORDER, _BORDER, _BORDER, _BORDER)
    padded = cv2.copyMakeBorder(pixels, *border, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    mask = cv2.inRange(padded, np.array(_LOW, np.uint8), np.array(_HIGH, np.uint8))
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
    inner = filled[_BORDER : _BORDER + height, _BORDER : _BORDER + width]
    labels[inner > 0] = 2
    x, y, w, h = cv2.boundingRect(largest)
    box = (x - _BORDER, y - _BORDER, w, h)
    complete = box[0] > 0 and box[1] > 0 and box[0] + w < width and box[1] + h < height
    cell = FoundCell(box, box, box, int(inner.sum()), complete)
    return FieldMasks((cell,), labels, black, None, (height, width), "study")


def cut(pixels: Pixels, masks: FieldMasks, cell: FoundCell) -> Pixels:
    """Black out what is not the cell, and scale its box to 120x120."""
    x, y, w, h = cell.crop
    patch = pixels[y : y + h, x : x + w] * (masks.labels[y : y + h, x : x + w, None] > 0).astype(np.uint8)
    crop = cv2.resize(patch, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)
