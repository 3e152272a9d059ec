"""A cell's map as a picture that is laid over the cell's: transparent where there is no evidence."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.messages.field import Box, Heatmap

SIDE = 80
"""Pixels; the browser makes it as large as the cell's picture, smoothly."""

_OPAQUE = 170  # of 255, where the evidence is strongest


def map_picture(heatmap: Heatmap, crop: Box, window: Box) -> bytes:
    """Return a map as PNG, RGBA, 80 x 80 pixels over `window`.

    crop: the square of the frame that the map covers; window: the one that the cell's picture shows.
    """
    rows, columns = heatmap.shape
    strongest = bytearray()
    for y in range(SIDE):
        strongest.append(0)  # no filter
        down = (window[1] + (y + 0.5) * window[3] / SIDE - crop[1]) / crop[3] * rows - 0.5
        for x in range(SIDE):
            along = (window[0] + (x + 0.5) * window[2] / SIDE - crop[0]) / crop[2] * columns - 0.5
            inside = -0.5 <= down <= rows - 0.5 and -0.5 <= along <= columns - 0.5
            value = _between(heatmap.data, rows, columns, down, along) if inside else 0.0
            strongest += bytes((255, round(220 * (1 - value)), 0, round(_OPAQUE * value)))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 6, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(strongest))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_part(kind, data) for kind, data in parts)


def _between(data: bytes, rows: int, columns: int, down: float, along: float) -> float:
    """The map's value between its points, from 0 to 1."""
    top, left = min(max(int(down), 0), rows - 1), min(max(int(along), 0), columns - 1)
    below, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
    v, h = min(max(down - top, 0.0), 1.0), min(max(along - left, 0.0), 1.0)
    upper = data[top * columns + left] * (1 - h) + data[top * columns + right] * h
    lower = data[below * columns + left] * (1 - h) + data[below * columns + right] * h
    return (upper * (1 - v) + lower * v) / 255


def _part(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
