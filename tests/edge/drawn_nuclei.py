"""Pictures with nuclei drawn in them."""

from __future__ import annotations

import cv2
import numpy as np

BACKGROUND = (225, 220, 215)


RED_CELL = (205, 165, 165)


NUCLEUS = (100, 60, 150)


def field(width=640, height=480, background=BACKGROUND, red_cells=True):
    """Draw a field of pale red cells, 80 pixels across, as every magnification of the tests has them."""
    pixels = np.full((height, width, 3), background, np.uint8)
    if red_cells:
        for y in range(60, height - 40, 120):
            for x in range(60, width - 40, 120):
                cv2.circle(pixels, (x, y), 40, RED_CELL, -1, cv2.LINE_AA)
    return pixels


def draw_nucleus(pixels, x, y, radius=38):
    cv2.circle(pixels, (x, y), radius + 12, (200, 170, 210), -1, cv2.LINE_AA)
    cv2.circle(pixels, (x, y), radius, NUCLEUS, -1, cv2.LINE_AA)
    return pixels
