"""Nucleus and cell of each white cell, outlined in a window where the finder saw it.

Middle and diameter of each cell are known, so every threshold comes from one cell's own window. Uneven light,
a pale stain or an unusual neighbour in one window does not affect the others.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.imaging.black_border import black_border
from edge.masking.border import find_cell
from edge.masking.crops import crop_box, local_whites
from edge.masking.field import FieldMasks, FoundCell
from edge.masking.nucleus import find_nucleus
from edge.masking.window import REACH, Circle, Field, Window, cut_window, span, without_red_cells

if TYPE_CHECKING:
    from edge.finding.cells import FoundCells
    from edge.imaging.pixels import BoxTuple, Pixels
    from edge.masking.window import Floats

_WORKING_DIAMETER = 64  # pixels, within a factor of the square root of 2: a nucleus is then 20 to 60 wide
_OVERLAID = 0.7  # of the radius: a red cell with its middle this near is the white cell, found twice


def outline_cells(
    pixels: Pixels,
    centres: Floats,
    diameters: Floats,
    whites: Floats,
    red_cells: tuple[Floats, Floats] | None = None,
) -> FieldMasks:
    """Return nucleus and cell of each white cell of a frame, uint8 RGB (height, width, 3), in their order.

    centres: float32 (n, 2), x and y; diameters: float32 (n,); in pixels of the frame. whites: float32 (n, 3),
    RGB of the bare glass around each. red_cells: their centres and diameters; there is no cytoplasm there. A
    cell without a visible nucleus gets an empty one, of area 0. A cell without a visible border gets the
    finder's disc as its mask, and the square around the disc as its box.
    """
    height, width = pixels.shape[:2]
    halvings = _halvings(diameters)
    step = 1 << halvings
    outside = black_border(pixels[::step, ::step])
    labels = np.zeros((-(-height // step), -(-width // step)), np.int32)
    field = Field(pixels, halvings, labels, outside)
    circles = _circles(centres, diameters, step)
    reds = None if red_cells is None else _circles(*red_cells, step)
    cells = []
    for rank, (x, y, radius) in enumerate(circles.tolist()):
        circle = Circle(x, y, radius)
        window = cut_window(field, circle, whites[rank], _beside(circle, circles, 0.0))
        if reds is not None:
            window = without_red_cells(window, _beside(circle, reds, _OVERLAID * radius))
        nucleus = find_nucleus(window)
        cell, is_seen = find_cell(window, nucleus)
        rows, columns = cell.shape
        view = labels[window.y : window.y + rows, window.x : window.x + columns]
        np.copyto(view, 2 * rank + 1, where=cell.view(np.bool_))
        np.copyto(view, 2 * rank + 2, where=nucleus.view(np.bool_))
        found = _found(field, window, cell if is_seen else None, nucleus)
        red, green, blue = whites[rank].tolist()
        cells.append(replace(found, white=(red, green, blue)))
    return FieldMasks(tuple(cells), labels, outside, (height, width), "found")


def outline_found(pixels: Pixels, found: FoundCells) -> FieldMasks:
    """Return nucleus and cell of each white cell that a finder found in a frame, the largest first."""
    red, largest_first = found.red, np.argsort(-found.white.diameters, kind="stable")
    centres, diameters = found.white.centres[largest_first], found.white.diameters[largest_first]
    whites = local_whites(pixels, centres, diameters)
    masks = outline_cells(pixels, centres, diameters, whites, (red.centres, red.diameters))
    return replace(masks, scale=found.scale)


def _halvings(diameters: Floats) -> int:
    """Return how often the frame is halved for the working picture, so that the median cell has its size."""
    if not len(diameters):
        return 2
    typical = sorted(diameters.tolist())[len(diameters) // 2]
    return max(0, round(math.log2(max(1.0, typical) / _WORKING_DIAMETER)))


def _circles(centres: Floats, diameters: Floats, step: int) -> Floats:
    """Return x, y, radius of each cell in the working picture, float32 (n, 3)."""
    radii = np.maximum(diameters / np.float32(2 * step), 2)
    return np.concatenate((centres / np.float32(step), radii[:, None]), axis=1, dtype=np.float32)


def _beside(circle: Circle, others: Floats, least: float) -> list[Circle]:
    """Return which of the others, (n, 3), may reach into a cell's window, middles more than `least` away."""
    apart = np.hypot(others[:, 0] - np.float32(circle.x), others[:, 1] - np.float32(circle.y))
    reaching = apart - others[:, 2] < REACH * math.sqrt(2) * circle.radius
    return [Circle(*other) for other in others[reaching & (apart > least)].tolist()]


def _found(field: Field, window: Window, cell: Pixels | None, nucleus: Pixels) -> FoundCell:
    """Measure a cell in pixels of the frame; cell: None where the square around its circle is its box."""
    step = 1 << field.halvings
    height, width = field.pixels.shape[:2]
    middle = (window.circle.x + window.x) * step, (window.circle.y + window.y) * step
    diameter = 2 * window.circle.radius * step
    x, y, w, h = _square(middle, diameter) if cell is None else _place(cell, window, step)
    complete = x > 0 and y > 0 and x + w < width and y + h < height
    x0, y0, x1, y1 = span(x, 0, width)[0], span(y, 0, height)[0], min(width, x + w), min(height, y + h)
    if complete and field.outside is not None:
        # One pixel more on each side: a cell that touches the black is cut by it.
        rows = slice(y0 // step - 1, -(-y1 // step) + 1)
        columns = slice(x0 // step - 1, -(-x1 // step) + 1)
        complete = not bool(
            field.outside[max(0, rows.start) : rows.stop, max(0, columns.start) : columns.stop].any()
        )
    area = cv2.countNonZero(nucleus)
    nucleus_box = _place(nucleus, window, step) if area else (round(middle[0]), round(middle[1]), 0, 0)
    crop = crop_box(middle, diameter)
    box = x0, y0, max(1, x1 - x0), max(1, y1 - y0)
    return FoundCell(box, nucleus_box, crop, area * step * step, complete)


def _place(mask: Pixels, window: Window, step: int) -> BoxTuple:
    """Return the box of what a window's mask holds, [x, y, width, height] in pixels of the frame."""
    x, y, w, h = cv2.boundingRect(mask)
    return (x + window.x) * step, (y + window.y) * step, w * step, h * step


def _square(middle: tuple[float, float], side: float) -> BoxTuple:
    """Return the square of a side around a middle, [x, y, width, height], in whole pixels, at least four."""
    pixels = max(4, round(side))
    return round(middle[0] - pixels / 2), round(middle[1] - pixels / 2), pixels, pixels
