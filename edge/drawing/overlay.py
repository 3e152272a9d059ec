"""What an overlay is made of: outlines, a map in colours or as contours, a legend, lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.imaging.pixels import Pixels

LINE = 22
LEGEND = 2
"""Lines of text that the legend takes."""

INK = (20, 20, 20)
FAINT = (100, 100, 100)
WARNING = (190, 60, 0)
CONTOURS = (0.25, 0.5, 0.75)
"""Of the peak: where the contours lie."""

_CELL = (0, 150, 60)
_NUCLEUS = (230, 30, 30)
_PAPER = (250, 250, 250)
_OPACITY, _STEEPNESS = 0.65, 1.6  # full opacity from 1 / 1.6 of the peak on
_BAR_UM = 5
_SMALL = 0.46
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
    opacity = _OPACITY * np.clip(_STEEPNESS * strength, 0, 1)
    return np.asarray(cv2.blendLinear(picture, _colours(strength), 1 - opacity, opacity), np.uint8)


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
    """Return a strip, uint8 RGB (h, width, 3), that says what colours, contours and outlines mean."""
    made = strip(width, LEGEND)
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
    """Return blank paper for so many lines of text."""
    return np.full((lines * LINE, width, 3), _PAPER, np.uint8)


def with_line(frame: Pixels, text: str) -> Pixels:
    """Return the frame with a line of text below it, smaller where it would be too long."""
    line = strip(frame.shape[1], 1)
    (wide, _), _ = cv2.getTextSize(text, _FONT, _SMALL, 1)
    write(line, text, (6, LINE - 6), INK, _SMALL * min(1.0, (frame.shape[1] - 10) / wide))
    return np.asarray(np.vstack([frame, line]), np.uint8)


def padded(picture: Pixels, height: int) -> Pixels:
    """Return the picture with paper below it, so that it is as tall as this."""
    missing = height - picture.shape[0]
    return np.asarray(
        cv2.copyMakeBorder(picture, 0, missing, 0, 0, cv2.BORDER_CONSTANT, value=_PAPER), np.uint8
    )


def window(pixels: Pixels, box: tuple[int, int, int, int]) -> Pixels:
    """Cut a box (x, y, width, height) out of a frame, uint8 RGB; beyond its edge there is paper."""
    x, y, width, height = box
    rows, columns = pixels.shape[:2]
    cut = np.full((height, width, 3), _PAPER, np.uint8)
    top, left, bottom, right = max(0, y), max(0, x), min(rows, y + height), min(columns, x + width)
    cut[top - y : bottom - y, left - x : right - x] = pixels[top:bottom, left:right]
    return cut


def scale_bar(picture: Pixels, pixels_per_micrometre: float, *, guessed: bool) -> None:
    """Draw five micrometres into the lower left corner; a scale that is a guess says so."""
    foot, left = picture.shape[0] - 10, 10
    right = left + round(_BAR_UM * pixels_per_micrometre)
    text = f"about {_BAR_UM} " if guessed else f"{_BAR_UM} "
    (before, _), _ = cv2.getTextSize(text, _FONT, _SMALL, 1)
    (whole, _), _ = cv2.getTextSize(f"{text}um", _FONT, _SMALL, 1)
    cv2.rectangle(
        picture, (left - 5, foot - 24), (max(right, left + whole) + 5, foot + 6), _PAPER, cv2.FILLED
    )
    cv2.rectangle(
        picture, (left, foot - 1), (right - 1, foot + 1), INK, cv2.FILLED
    )  # a line has rounded ends
    write(picture, f"{text}um", (left, foot - 9), INK, _SMALL)
    # The font has no Greek: a stem makes a mu of the u.
    cv2.line(picture, (left + before + 1, foot - 13), (left + before + 1, foot - 5), INK, 1, cv2.LINE_AA)


def label(picture: Pixels, text: str, place: tuple[int, int]) -> None:
    """Write a line that reads on glass and on cells, moved to lie within the picture."""
    size = 0.5 * max(1.0, picture.shape[1] / 900)
    (wide, high), _ = cv2.getTextSize(text, _FONT, size, 1)
    x = min(max(2, place[0]), max(2, picture.shape[1] - wide - 2))
    y = min(max(high + 2, place[1]), picture.shape[0] - 4)
    cv2.putText(picture, text, (x, y), _FONT, size, _PAPER, 4, cv2.LINE_AA)
    write(picture, text, (x, y), INK, size)


def write(
    picture: Pixels, text: str, place: tuple[int, int], colour: tuple[int, int, int], size: float
) -> None:
    """Write a line into the picture, its left end and its foot at (x, y)."""
    cv2.putText(picture, text, place, _FONT, size, colour, 1, cv2.LINE_AA)


def _colours(strength: NDArray[np.float32]) -> Pixels:
    """Colour by viridis, which rises evenly in lightness: float32 (h, w) in 0 to 1 -> uint8 RGB."""
    levels = np.asarray(np.clip(strength * 255, 0, 255), np.uint8)
    blue_first = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)
    return np.asarray(cv2.cvtColor(blue_first, cv2.COLOR_BGR2RGB), np.uint8)


def _line_colour(level: float) -> tuple[int, int, int]:
    red, green, blue = _colours(np.array([[level / CONTOURS[-1]]], np.float32))[0, 0].tolist()
    return red, green, blue
