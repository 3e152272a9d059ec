"""What an overlay is made of: outlines, a map in colours or as contours, a legend, lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.masking import Pixels

LINE = 22
INK = (20, 20, 20)
FAINT = (100, 100, 100)
WARNING = (190, 60, 0)
CONTOURS = (0.25, 0.5, 0.75)
"""Of the peak: where the contours lie."""

_CELL = (0, 150, 60)
_NUCLEUS = (230, 30, 30)
_PAPER = (250, 250, 250)
_OPACITY, _STEEPNESS = 0.65, 1.6  # full opacity from 1 / 1.6 of the peak on
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def outlined(picture: Pixels, masks: Pixels, thickness: int) -> Pixels:
    """Outline the cells (green) and their nuclei (red) in a copy; masks: uint8 (h, w) as `--masks` writes."""
    drawn = picture.copy()
    for level, colour in ((64, _CELL), (192, _NUCLEUS)):
        found, _ = cv2.findContours(
            (masks > level).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(drawn, found, -1, colour, thickness, cv2.LINE_AA)
    return drawn


def coloured(picture: Pixels, strength: NDArray[np.float32]) -> Pixels:
    """Lay a map, float32 (h, w) in 0 to 1, over a picture of its size: where it is weak, all shows."""
    opacity = (_OPACITY * np.clip(_STEEPNESS * strength, 0, 1))[..., None]
    return np.asarray(picture * (1 - opacity) + _colours(strength) * opacity, np.uint8)


def with_contours(picture: Pixels, strength: NDArray[np.float32]) -> Pixels:
    """Draw a map's lines at `CONTOURS` of its peak in a copy, which hide nothing of the cell's texture."""
    drawn = picture.copy()
    for level in CONTOURS:
        above = (strength >= level).astype(np.uint8)
        found, _ = cv2.findContours(above, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        # A dark line below the bright one, so that it reads on glass and on a nucleus alike.
        cv2.drawContours(drawn, found, -1, INK, 3, cv2.LINE_AA)
        cv2.drawContours(drawn, found, -1, _line_colour(level), 2, cv2.LINE_AA)
    return drawn


def legend(width: int, style: str) -> Pixels:
    """Give a strip, uint8 RGB (h, width, 3), that says what colours, contours and outlines mean."""
    made = strip(width, 2)
    if style == "contours":
        place = 6
        write(made, "evidence, of its peak:", (place, 17), FAINT, 0.42)
        for level in CONTOURS:
            place += 105 if level != CONTOURS[0] else 160
            cv2.line(made, (place, 12), (place + 30, 12), INK, 3, cv2.LINE_AA)
            cv2.line(made, (place, 12), (place + 30, 12), _line_colour(level), 2, cv2.LINE_AA)
            write(made, f"{100 * level:.0f} %", (place + 36, 17), FAINT, 0.42)
    else:
        ramp = np.linspace(0, 1, width // 2, dtype=np.float32)[None].repeat(12, axis=0)
        left = width // 4
        made[6:18, left : left + width // 2] = _colours(ramp)
        write(made, "no evidence", (6, 17), FAINT, 0.42)
        write(made, "strongest", (left + width // 2 + 6, 17), FAINT, 0.42)
    write(made, "outlines: red nucleus, green cell. Not a medical device.", (6, 2 * LINE - 7), FAINT, 0.42)
    return made


def strip(width: int, lines: int) -> Pixels:
    """Give blank paper for so many lines of text."""
    return np.full((lines * LINE, width, 3), _PAPER, np.uint8)


def with_line(frame: Pixels, text: str) -> Pixels:
    """Give the frame with a line of text below it."""
    line = strip(frame.shape[1], 1)
    write(line, text, (6, LINE - 6), INK, 0.5)
    return np.asarray(np.vstack([frame, line]), np.uint8)


def padded(picture: Pixels, height: int) -> Pixels:
    """Give the picture with paper below it, so that it is as tall as this."""
    missing = height - picture.shape[0]
    return np.asarray(
        cv2.copyMakeBorder(picture, 0, missing, 0, 0, cv2.BORDER_CONSTANT, value=_PAPER), np.uint8
    )


def write(
    picture: Pixels, text: str, place: tuple[int, int], colour: tuple[int, int, int], size: float
) -> None:
    """Write a line into the picture, its left end and its foot at (x, y)."""
    cv2.putText(picture, text, place, _FONT, size, colour, 1, cv2.LINE_AA)


def _colours(strength: NDArray[np.float32]) -> Pixels:
    """Colour by viridis, which rises evenly in lightness: float32 (h, w) in 0 to 1 -> uint8 RGB."""
    levels = np.asarray(np.clip(strength * 255, 0, 255), np.uint8)
    return np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[:, :, ::-1], np.uint8)


def _line_colour(level: float) -> tuple[int, int, int]:
    red, green, blue = _colours(np.array([[level / CONTOURS[-1]]], np.float32))[0, 0].tolist()
    return red, green, blue
