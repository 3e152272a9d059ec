"""A heatmap as a small coloured grid of half blocks, and one colour a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.color import Color
from rich.style import Style
from rich.text import Text

from edge.messages import Heatmap  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Sequence

COLOURS = {
    "neutrophil": "#c77dff",
    "lymphocyte": "#4ea8de",
    "monocyte": "#80ed99",
    "eosinophil": "#ff7b54",
    "basophil": "#5e60ce",
}

# Evenly rising in lightness, dark to light, so that it reads without colour vision as well.
_STOPS = (
    (0, 0, 4),
    (40, 11, 84),
    (101, 21, 110),
    (159, 42, 99),
    (212, 72, 66),
    (245, 125, 21),
    (250, 193, 39),
    (252, 255, 164),
)


def shade(level: int) -> tuple[int, int, int]:
    """Return the RGB colour of a level from 0 to 255, interpolated between a few stops."""
    place = level / 255 * (len(_STOPS) - 1)
    low = min(int(place), len(_STOPS) - 2)
    share = place - low
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(_STOPS[low], _STOPS[low + 1], strict=True))
    return red, green, blue


def heat(heatmap: Heatmap) -> Text:
    """Draw a heatmap: two rows of it in each line of text, as an upper half block over a background."""
    rows, columns = heatmap.shape
    shades = [shade(level) for level in heatmap.data]
    return blocks([shades[row * columns : (row + 1) * columns] for row in range(rows)])


def blocks(rows: Sequence[Sequence[Sequence[int]]]) -> Text:
    """Draw a picture, rows of RGB colours from 0 to 255: two rows in each line of text."""
    text = Text(no_wrap=True)
    for top in range(0, len(rows), 2):
        below = rows[top + 1] if top + 1 < len(rows) else [None] * len(rows[top])
        for above, under in zip(rows[top], below, strict=True):
            lower = None if under is None else Color.from_rgb(*under)
            text.append("▀", Style(color=Color.from_rgb(*above), bgcolor=lower))
        text.append("\n")
    text.right_crop(1)
    return text
