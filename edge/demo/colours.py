"""A heatmap as a small coloured grid of half blocks, and one colour a class.

A terminal that is not in UTF-8 has no blocks: there it is a grid of coloured spaces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.color import Color
from rich.measure import Measurement
from rich.style import Style
from rich.text import Text

from edge.messages import Heatmap  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

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


@dataclass(frozen=True)
class Drawn:
    """A drawing of blocks, and the same in ASCII for a terminal that is not in UTF-8; both of one size."""

    drawing: Text
    in_ascii: Text

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.in_ascii if options.ascii_only else self.drawing

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self.drawing)


def heat(heatmap: Heatmap) -> Drawn:
    """Draw a heatmap: two rows of it in each line of text."""
    rows, columns = heatmap.shape
    shades = [shade(level) for level in heatmap.data]
    return blocks([shades[row * columns : (row + 1) * columns] for row in range(rows)])


def blocks(rows: Sequence[Sequence[Sequence[int]]]) -> Drawn:
    """Draw a picture, rows of RGB colours from 0 to 255: two rows in each line of text.

    An upper half block over a background shows both; in ASCII a space shows their mean.
    """
    drawing, in_ascii = Text(no_wrap=True), Text(no_wrap=True)
    for top in range(0, len(rows), 2):
        for column in zip(*rows[top : top + 2], strict=True):
            lower = Color.from_rgb(*column[1]) if len(column) == 2 else None
            drawing.append("▀", Style(color=Color.from_rgb(*column[0]), bgcolor=lower))
            red, green, blue = (sum(levels) // len(column) for levels in zip(*column, strict=True))
            in_ascii.append(" ", Style(bgcolor=Color.from_rgb(red, green, blue)))
        for text in (drawing, in_ascii):
            text.append("\n")
    for text in (drawing, in_ascii):
        text.right_crop(1)
    return Drawn(drawing, in_ascii)


def line(text: str, style: str) -> Drawn:
    """Draw a text on one line: what does not fit is cut off, with an ellipsis where there is one."""
    drawing = Text(text, style, no_wrap=True, overflow="ellipsis")
    return Drawn(drawing, Text(text, style, no_wrap=True, overflow="crop"))


def bar(length: int, colour: str) -> Drawn:
    """Draw a bar so many columns long; a thin line for none."""
    return Drawn(Text("█" * length or "▏", colour), Text("#" * length or "|", colour))
