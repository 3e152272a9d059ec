"""A slide of soft noise, as wide as several views: places of it that are known."""

from __future__ import annotations

import cv2
import numpy as np

WIDTH, HEIGHT = 320, 240


def texture(seed, width=2400, height=HEIGHT):
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 5)
    grey = np.clip(128 + 40 * soft / soft.std(), 0, 255).astype(np.uint8)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)


SLIDE, FOREIGN = texture(1), texture(2)


def view(x, slide=SLIDE):
    """Return what is seen of a slide from so many pixels to the right of its beginning."""
    return np.ascontiguousarray(slide[:, x : x + WIDTH])
