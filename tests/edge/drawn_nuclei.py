"""Pictures with white cells in them, each where it is wanted."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import SimulatedConfig

BACKGROUND = (225, 220, 215)


RED_CELL = (205, 165, 165)


def field(width=640, height=480, background=BACKGROUND, red_cells=True):
    """Draw a field of pale red cells, 80 pixels across, as every magnification of the tests has them."""
    pixels = np.full((height, width, 3), background, np.uint8)
    if red_cells:
        for y in range(60, height - 40, 120):
            for x in range(60, width - 40, 120):
                cv2.circle(pixels, (x, y), 40, RED_CELL, -1, cv2.LINE_AA)
    return pixels


@cache
def white_cell():
    """Return a white cell of the drawn slide, uint8 (h, w, 3), and where in that it is, float32 (h, w)."""
    camera = SimulatedCamera(SimulatedConfig(seed=1, cells=12, noise=0, vignetting=0))
    for frame in iter(camera.read, None):
        for cell in camera.truth(frame.name):
            if cell.complete and cell.label == "lymphocyte":
                x, y, width, height = cell.box
                inside = np.zeros((height, width), np.float32)
                middle, axes = (width // 2, height // 2), (width // 2 - 1, height // 2 - 1)
                cv2.ellipse(inside, middle, axes, 0, 0, 360, (1.0,), -1, cv2.LINE_AA)
                return frame.pixels[y : y + height, x : x + width], inside
    raise AssertionError("the slide has no lymphocyte")


def draw_nucleus(pixels, x, y, radius=38):
    """Draw a white cell around a nucleus of this radius."""
    cell, inside = white_cell()
    side = 2 * (radius + 12)
    cell = cv2.resize(cell, (side, side), interpolation=cv2.INTER_AREA)
    inside = cv2.resize(inside, (side, side), interpolation=cv2.INTER_AREA)[:, :, None]
    top, left = max(0, y - side // 2), max(0, x - side // 2)
    bottom, right = min(pixels.shape[0], y - side // 2 + side), min(pixels.shape[1], x - side // 2 + side)
    part = np.s_[top - y + side // 2 : bottom - y + side // 2, left - x + side // 2 : right - x + side // 2]
    view = pixels[top:bottom, left:right]
    view[:] = np.rint(view * (1 - inside[part]) + cell[part] * inside[part]).astype(np.uint8)
    return pixels
