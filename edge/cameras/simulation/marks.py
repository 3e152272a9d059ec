"""What people and programs draw into pictures of a slide: banner, scale bar, arrow, ink, text, frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]
    Colour = tuple[int, int, int]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SCREEN: tuple[Colour, ...] = (
    (0, 0, 0),
    (255, 255, 255),
    (12, 24, 110),
    (20, 60, 190),
    (230, 30, 30),
    (255, 220, 0),
)
_PENS: tuple[Colour, ...] = ((30, 30, 40), (35, 45, 130), (70, 40, 120), (20, 90, 60))


def draw_marks(pixels: Picture, kinds: Iterable[str], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw marks of these kinds into a picture, uint8 RGB (h, w, 3), in place; return where: bool (h, w)."""
    before = pixels.copy()
    for kind in kinds:
        _MARKS[kind](pixels, rng)
    return np.asarray((pixels != before).any(axis=2))


def _banner(pixels: Picture, rng: np.random.Generator) -> None:
    """Draw the line of a microscope's program: magnification and date, on a plain ground."""
    height, width = pixels.shape[:2]
    tall = round(0.07 * height)
    top = 0 if rng.random() < 0.5 else height - tall
    ground, ink = _two(rng, _SCREEN)
    cv2.rectangle(pixels, (0, top), (width, top + tall), ground, cv2.FILLED)
    place = (round(0.02 * width), top + round(0.75 * tall))
    cv2.putText(pixels, "100x OIL  2026-03-01", place, _FONT, tall / 40, ink, 1, cv2.LINE_AA)


def _bar(pixels: Picture, rng: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    x, y = round(rng.uniform(0.05, 0.7) * width), round(rng.uniform(0.9, 0.95) * height)
    (colour,) = _some(rng, _SCREEN, 1)
    cv2.rectangle(pixels, (x, y), (x + round(0.2 * width), y + max(2, height // 120)), colour, cv2.FILLED)
    cv2.putText(pixels, "20 um", (x, y - height // 60), _FONT, height / 900, colour, 1, cv2.LINE_AA)


def _arrow(pixels: Picture, rng: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    x, y = round(rng.uniform(0.2, 0.8) * width), round(rng.uniform(0.2, 0.8) * height)
    angle, length = rng.uniform(0, 2 * np.pi), 0.12 * height
    end = (round(x + length * np.cos(angle)), round(y + length * np.sin(angle)))
    (colour,) = _some(rng, _SCREEN, 1)
    cv2.arrowedLine(pixels, (x, y), end, colour, max(2, height // 160), cv2.LINE_AA, 0, 0.35)


def _ink(pixels: Picture, rng: np.random.Generator) -> None:
    """Draw dots of a felt pen: as large as cells, of one colour, a little blurred at the rim."""
    height, width = pixels.shape[:2]
    shade = np.zeros((height, width), np.float32)
    for _ in range(3):
        x, y = round(rng.uniform(0, width)), round(rng.uniform(0, height))
        axes = round(rng.uniform(0.03, 0.08) * height), round(rng.uniform(0.03, 0.08) * height)
        cv2.ellipse(shade, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, (1.0,), cv2.FILLED, cv2.LINE_AA)
    shade = np.asarray(cv2.GaussianBlur(shade, (0, 0), 1.2), np.float32)[:, :, None] * np.float32(0.92)
    (colour,) = _some(rng, _PENS, 1)
    pixels[:] = np.rint(pixels * (1 - shade) + np.array(colour, np.float32) * shade).astype(np.uint8)


def _text(pixels: Picture, rng: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    place = round(rng.uniform(0.05, 0.6) * width), round(rng.uniform(0.1, 0.95) * height)
    (colour,) = _some(rng, _SCREEN, 1)
    cv2.putText(pixels, "Sample 12", place, _FONT, height / 500, colour, max(1, height // 300), cv2.LINE_AA)


def _frame(pixels: Picture, rng: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    (colour,) = _some(rng, _SCREEN, 1)
    thick = max(2, round(rng.uniform(0.005, 0.02) * height))
    cv2.rectangle(pixels, (0, 0), (width - 1, height - 1), colour, 2 * thick)


def _two(rng: np.random.Generator, colours: tuple[Colour, ...]) -> tuple[Colour, Colour]:
    one, other = _some(rng, colours, 2)
    return one, other


def _some(rng: np.random.Generator, colours: tuple[Colour, ...], count: int) -> list[Colour]:
    return [colours[k] for k in rng.choice(len(colours), count, replace=False)]


_MARKS: Mapping[str, Callable[[Picture, np.random.Generator], None]] = {
    "banner": _banner,
    "scale bar": _bar,
    "arrow": _arrow,
    "ink": _ink,
    "text": _text,
    "frame": _frame,
}
