"""Closed curves on a drawn smear, filled and softened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Curve = NDArray[np.float64]

FRACTION_BITS = 4  # of a pixel, in what OpenCV is given to draw
FRACTION = 1 << FRACTION_BITS

_ANGLES = np.linspace(0, 2 * np.pi, 64, endpoint=False)


def blob(rng: np.random.Generator, axes: tuple[float, float], turn: float, *, wobble: float) -> Curve:
    """Return an uneven ellipse around (0, 0) as points (64, 2), x and y.

    axes: half the length and half the breadth, pixels. turn: of the first axis, radians. wobble: how uneven,
    as a share of the axes.
    """
    waves = np.arange(2, 7)
    heights = rng.normal(0, wobble, waves.size) / waves
    reach = 1 + heights @ np.cos(np.outer(waves, _ANGLES) + rng.uniform(0, 2 * np.pi, (waves.size, 1)))
    return turned(np.stack([axes[0] * reach * np.cos(_ANGLES), axes[1] * reach * np.sin(_ANGLES)], 1), turn)


def bean(rng: np.random.Generator, radius: float, *, dent: float, width: float, wobble: float) -> Curve:
    """Return a disc with one dent on its right side, as deep as `dent` (0 to 1) and `width` radians wide."""
    disc = blob(rng, (radius * 1.08, radius * 0.94), 0.0, wobble=wobble)
    away = np.angle(np.exp(1j * _ANGLES))
    return np.asarray(disc * (1 - dent * np.exp(-0.5 * (away / width) ** 2))[:, None])


def turned(curve: Curve, turn: float) -> Curve:
    """Turn a curve around (0, 0) by an angle in radians."""
    cos, sin = np.cos(turn), np.sin(turn)
    return np.asarray(curve @ np.array([[cos, sin], [-sin, cos]]))


def bounds(curves: Sequence[Curve]) -> tuple[int, int, int, int]:
    """Return the box (x, y, width, height) of whole pixels that holds all the curves."""
    points = np.concatenate(curves)
    low, high = np.floor(points.min(0)).astype(int), np.ceil(points.max(0)).astype(int)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def filled(curve: Curve, half: int, softness: float) -> NDArray[np.float32]:
    """Fill a curve in a square of 2 * half pixels around (0, 0): float32, 1 inside, 0 outside.

    softness: deviation of the blur of its edge, pixels.
    """
    mask = np.zeros((2 * half, 2 * half), np.uint8)
    points = np.rint((curve + half) * FRACTION).astype(np.int32)
    cv2.fillPoly(mask, [points], (255,), cv2.LINE_AA, FRACTION_BITS)
    return softened(mask, softness)


def softened(mask: NDArray[np.uint8], softness: float) -> NDArray[np.float32]:
    """Blur a mask of 0 to 255, and give it as float32, 0 to 1."""
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), softness), np.float32) * np.float32(1 / 255)


def smoothed(values: NDArray[np.float32], deviation: float) -> NDArray[np.float32]:
    """Blur a map of float32; deviation in pixels."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), deviation), np.float32)
