"""A heatmap as a small coloured grid of half blocks, and one colour a class."""

from __future__ import annotations

from rich.color import Color
from rich.style import Style
from rich.text import Text

from edge.messages import Heatmap  # noqa: TC001

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
    """Give the RGB colour of a level from 0 to 255, interpolated between a few stops."""
    place = level / 255 * (len(_STOPS) - 1)
    low = min(int(place), len(_STOPS) - 2)
    share = place - low
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(_STOPS[low], _STOPS[low + 1], strict=True))
    return red, green, blue


def heat(heatmap: Heatmap) -> Text:
    """Draw a heatmap: two rows of it in each line of text, as an upper half block over a background."""
    rows, columns = heatmap.shape
    text = Text(no_wrap=True)
    for top in range(0, rows, 2):
        for column in range(columns):
            upper = Color.from_rgb(*shade(heatmap.data[top * columns + column]))
            lower = None
            if top + 1 < rows:
                lower = Color.from_rgb(*shade(heatmap.data[(top + 1) * columns + column]))
            text.append("▀", Style(color=upper, bgcolor=lower))
        text.append("\n")
    text.right_crop(1)
    return text
