"""Things that people and programs draw into pictures: banners, scale bars, arrows, ink, text, frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORDS = ("20 um", "40x", "WBC", "2024-05-01", "Sample", "100 um", "Image", "Zoom 1.0", "ID 42", "OIL")


def draw_in(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw one to three things into the picture, uint8 (h, w, 3), in place; return where, bool (h, w)."""
    before = pixels.copy()
    things = (_banner, _bar, _arrow, _ink, _dot, _dot, _text, _frame)
    for number in rng.integers(0, len(things), rng.integers(1, 4)):
        things[number](pixels, rng)
    return np.asarray((pixels != before).any(axis=2))


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    """Return black, white, a screen's pure colour, navy, or any."""
    kind = rng.integers(5)
    if kind == 0:
        return (0, 0, 0)
    if kind == 1:
        return (255, 255, 255)
    if kind == 2:
        red, green, blue = (255 * rng.integers(0, 2, 3)).tolist()
    elif kind == 3:
        red, green, blue = rng.integers(0, 60), rng.integers(0, 60), rng.integers(80, 200)
    else:
        red, green, blue = rng.integers(0, 256, 3).tolist()
    return int(red), int(green), int(blue)


def _banner(pixels: NDArray[np.uint8], rng: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    thick = int(rng.uniform(0.04, 0.16) * height)
    top = 0 if rng.random() < 0.5 else height - thick
    cv2.rectangle(pixels, (0, top), (width, top + thick), _colour(rng), -1)
    size = max(0.25, thick / 45)
    at = (int(rng.uniform(0, 0.5) * width), top + int(0.75 * thick))
    cv2.putText(
        pixels, str(rng.choice(_WORDS)), at, cv2.FONT_HERSHEY_SIMPLEX, size, _colour(rng), 1, cv2.LINE_AA
    )


def _bar(pixels: NDArray[np.uint8], rng: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    x, y = int(rng.uniform(0.05, 0.6) * width), int(rng.uniform(0.05, 0.95) * height)
    long, thick = int(rng.uniform(0.08, 0.35) * width), int(rng.integers(2, 6))
    colour = _colour(rng)
    cv2.rectangle(pixels, (x, y), (x + long, y + thick), colour, -1)
    if rng.random() < 0.7:
        cv2.putText(
            pixels,
            str(rng.choice(_WORDS)),
            (x, y - 4),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.35,
            colour,
            1,
            cv2.LINE_AA,
        )


def _arrow(pixels: NDArray[np.uint8], rng: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    start = (int(rng.uniform(0, 1) * width), int(rng.uniform(0, 1) * height))
    angle, long = rng.uniform(0, 2 * np.pi), rng.uniform(12, 50)
    end = (int(start[0] + long * np.cos(angle)), int(start[1] + long * np.sin(angle)))
    cv2.arrowedLine(
        pixels, start, end, _colour(rng), int(rng.integers(1, 5)), cv2.LINE_AA, 0, rng.uniform(0.2, 0.5)
    )


def _ink(pixels: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Draw a stroke of a felt pen, ragged."""
    height, width = pixels.shape[:2]
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    points = [(int(x), int(y))]
    for _ in range(rng.integers(0, 4)):
        x, y = x + rng.normal(0, 14), y + rng.normal(0, 14)
        points.append((int(x), int(y)))
    colour, thick = _pen(rng), int(rng.integers(4, 34))
    for one, other in zip(points, points[1:] or points, strict=False):
        cv2.line(pixels, one, other, colour, thick, cv2.LINE_AA)


def _dot(pixels: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Draw a dot of a felt pen: as large as a cell, often of the colour of a nucleus, without form."""
    height, width = pixels.shape[:2]
    middle = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
    radius = rng.uniform(4, 32)
    axes = (max(2, int(radius * rng.uniform(0.8, 1.0))), max(2, int(radius)))
    before, colour = pixels.copy(), _pen(rng)
    cv2.ellipse(pixels, middle, axes, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
    if rng.random() < 0.4:  # its rim, where ink collects
        rim = tuple(int(0.7 * value) for value in colour)
        cv2.ellipse(pixels, middle, axes, 0, 0, 360, rim, max(1, int(radius / 6)), cv2.LINE_AA)
    cover = rng.uniform(0.75, 1.0)  # what lies below may show through
    pixels[:] = cv2.addWeighted(pixels, cover, before, 1 - cover, 0)


def _pen(rng: np.random.Generator) -> tuple[int, int, int]:
    """Return a pen's colour: of the stain's blues and purples as often as any other."""
    if rng.random() < 0.5:
        return _colour(rng)
    hue, saturation, value = rng.integers(105, 160), rng.integers(90, 256), rng.integers(50, 220)
    pixel = np.array([[[hue, saturation, value]]], np.uint8)
    red, green, blue = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return int(red), int(green), int(blue)


def _text(pixels: NDArray[np.uint8], rng: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    at = (int(rng.uniform(0, 0.8) * width), int(rng.uniform(0.05, 1) * height))
    cv2.putText(
        pixels,
        str(rng.choice(_WORDS)),
        at,
        cv2.FONT_HERSHEY_SIMPLEX,
        rng.uniform(0.3, 1.0),
        _colour(rng),
        int(rng.integers(1, 3)),
        cv2.LINE_AA,
    )


def _frame(pixels: NDArray[np.uint8], rng: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    thick = int(rng.integers(2, 20))
    colour = _colour(rng)
    if rng.random() < 0.3:  # the round field of an eyepiece
        mask = np.full((height, width), 255, np.uint8)
        radius = int(rng.uniform(0.45, 0.6) * max(height, width))
        cv2.circle(mask, (width // 2, height // 2), radius, (0,), -1)
        pixels[mask > 0] = colour
        return
    cv2.rectangle(pixels, (0, 0), (width - 1, height - 1), colour, thick)
