"""Real images as a worse microscope, or a hand that moves, would have taken them."""

from __future__ import annotations

import os

import cv2
import numpy as np
from real_data import real_images

# What limits were chosen on; each is one specimen, in the order of its files.
SETS = {
    "bccd": ("bccd", "JPEGImages"),
    "fields-575": ("fields-575", "images"),
    "fields-416": ("fields-416", "images"),
    "zheng1": ("zheng1", "images"),
    "pbc": ("pbc",),
    "TRAIN": ("blood-cell-images", "TRAIN"),
}
HELD_OUT = {
    "TEST": ("blood-cell-images", "TEST"),
    "TEST_SIMPLE": ("blood-cell-images", "TEST_SIMPLE"),
}
ALL = os.environ.get("LEUKOSCOPE_SOAK") == "1"


def images(name, most=60):
    """Return at most so many images of a set, uint8 RGB, evenly over it; all by LEUKOSCOPE_SOAK=1."""
    paths = sorted(
        path
        for path in real_images(*(SETS | HELD_OUT)[name]).rglob("*")
        if path.suffix in {".jpg", ".jpeg", ".png", ".bmp"}
    )
    if not ALL:
        paths = [paths[i * len(paths) // most] for i in range(most)] if len(paths) > most else paths
    for path in paths:
        yield np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])


def blurred(pixels, sigma):
    return cv2.GaussianBlur(pixels, (0, 0), sigma)


def smeared(pixels, length):
    """Move by so many pixels, at 30 degrees, while the shutter is open."""
    side = length | 1
    kernel = np.zeros((side, side), np.float32)
    middle, reach = side // 2, np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)]) * length / 2
    ends = [tuple(round(16 * (middle + sign * r)) for r in reach) for sign in (-1, 1)]
    cv2.line(kernel, *ends, 1.0, 1, cv2.LINE_8, 4)
    return cv2.filter2D(pixels, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def exposed(pixels, gain):
    return _levels(pixels * float(gain))


def cast(pixels, gain):
    """Let red be so much weaker, and blue a little stronger."""
    return _levels(pixels * np.array([gain, 1, 1 + (1 - gain) / 4]))


def warmed(pixels, gain):
    return cast(pixels[:, :, ::-1], gain)[:, :, ::-1]


def stained(pixels, density):
    white = np.quantile(pixels.reshape(-1, 3), 0.9, axis=0)
    return _levels(white * (np.maximum(pixels, 1) / white) ** density)


DEGRADATIONS = {
    "blur": (blurred, (1, 2, 3, 4, 6), {"out of focus", "motion", "blank"}),
    "motion": (smeared, (6, 12, 20, 32, 48), {"motion", "out of focus"}),
    "exposure down": (exposed, (0.85, 0.7, 0.55, 0.4, 0.2), {"too dark"}),
    "exposure up": (exposed, (1.1, 1.3, 1.7, 3, 8), {"overexposed", "blank"}),
    "bluish": (cast, (0.9, 0.8, 0.65, 0.5, 0.3), {"colour changed"}),
    "reddish": (warmed, (0.9, 0.8, 0.65, 0.5, 0.3), {"colour changed"}),
}


def degraded(pixels, how, step):
    """Degrade a picture, and not the black around a turned one, which was there before any lens."""
    change, _, _ = DEGRADATIONS[how]
    black = cv2.dilate((pixels.max(axis=2) < 16).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if pixels[0, 0].max() >= 16 and pixels[-1, 0].max() >= 16 and pixels[0, -1].max() >= 16:
        return np.ascontiguousarray(change(pixels, step))
    filled = pixels.copy()
    filled[black] = np.median(pixels[~black], axis=0).astype(np.uint8)
    worse = np.ascontiguousarray(change(filled, step))
    worse[black] = 0
    return worse


def _levels(values):
    return np.clip(values, 0, 255).astype(np.uint8)
