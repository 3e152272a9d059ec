"""Which square of a frame the picture of a cell shows. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.messages.field import Box

PICTURE_SIDE = 160
"""Of a cell's picture, pixels."""

_MICROMETRES = 30.0  # a monocyte of 20 with its surroundings, and a bar of 20 below it
_LEAST, _MOST = 1.6, 4.0  # of the cell's longer side, whatever the ruler says
_WITHOUT_RULER = 2.2  # the same, of a neutrophil of 13.5 micrometres


def cell_window(box: Box, micrometres_per_pixel: float | None) -> Box:
    """Return the square around a cell: x, y, side, side in pixels of the frame; it may pass the frame."""
    x, y, width, height = box
    longer = max(width, height, 1)
    side = _WITHOUT_RULER * longer
    if micrometres_per_pixel:
        side = min(max(_MICROMETRES / micrometres_per_pixel, _LEAST * longer), _MOST * longer)
    if side > 1.5 * PICTURE_SIDE:  # made smaller by a whole number, a picture takes a tenth of the time
        times = max(round(side / PICTURE_SIDE), math.ceil(_LEAST * longer / PICTURE_SIDE))
        side = times * PICTURE_SIDE
    whole = max(2, round(side))
    return round(x + width / 2 - whole / 2), round(y + height / 2 - whole / 2), whole, whole
