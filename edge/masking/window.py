"""What lies around one cell: its window of the frame, at working scale, without the pixels of other cells."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.imaging.pixels import Pixels

    Floats = NDArray[np.float32]

REACH = 1.6
"""Half the side of a window, in radii of the cell."""

BITS = 4
"""Bits for the fraction of a pixel in the whole numbers that OpenCV draws by."""

_LEVELS = np.arange(256, dtype=np.float32)


class Field(NamedTuple):
    """A frame. Its working picture is halved `halvings` times; labels, outside: of `FieldMasks`."""

    pixels: Pixels
    halvings: int
    labels: NDArray[np.int32]
    outside: NDArray[np.bool_] | None


class Circle(NamedTuple):
    """A cell as the finder sees it: its middle and radius in pixels of the working picture."""

    x: float
    y: float
    radius: float


class Window(NamedTuple):
    """What lies around one cell; all images are (h, w) at working scale.

    x, y: its upper left corner in the working picture. circle: of the cell, in pixels of the window. red,
    green: uint8. glass: RGB of bare glass. stain: uint8, the light that the nuclear dye absorbs, 255 for all
    of it. hue: float32, green divided by blue, 1 on bare glass and less where the dye is. near: float32,
    distance from the middle in radii. own: uint8, 0 where there is another white cell or no picture, else 1.
    free: the same, but 0 on red cells, too.
    """

    x: int
    y: int
    circle: Circle
    red: Pixels
    green: Pixels
    glass: tuple[float, float, float]
    stain: Pixels
    hue: Floats
    near: Floats
    own: Pixels
    free: Pixels


def cut_window(field: Field, circle: Circle, white: Floats, rivals: Sequence[Circle]) -> Window:
    """Cut a cell's window. Not its own are pixels of other white cells, or nearer to them by their radii."""
    reach = REACH * circle.radius
    y0, y1 = span(circle.y, reach, field.labels.shape[0])
    x0, x1 = span(circle.x, reach, field.labels.shape[1])
    halvings = field.halvings
    part = field.pixels[y0 << halvings : y1 << halvings, x0 << halvings : x1 << halvings]
    # In several halvings: OpenCV has a fast method for a half, but for no other ratio.
    for left in range(halvings - 1, -1, -1):
        size = ((x1 - x0) << left, (y1 - y0) << left)
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    channels = cv2.split(cv2.GaussianBlur(part, (3, 3), 0.8))
    red, green, blue = (np.asarray(channel, np.uint8) for channel in channels)
    glass = tuple(max(1.0, float(level)) for level in white)
    of_green, of_blue = (
        cv2.LUT(channel, np.minimum(_LEVELS / np.float32(level), np.float32(1.2)) + np.float32(0.02))
        for channel, level in ((green, glass[1]), (blue, glass[2]))
    )
    hue = np.asarray(cv2.divide(of_green, of_blue), np.float32)
    # The mean of what passes of green, and of green beside blue: twice 0.5, and uint8 saturates.
    stain = np.asarray(cv2.bitwise_not(cv2.convertScaleAbs(cv2.add(of_green, hue), alpha=127.5)), np.uint8)
    inner = Circle(circle.x - x0, circle.y - y0, circle.radius)
    near = _distances(inner, green.shape)
    own = (field.labels[y0:y1, x0:x1] == 0).view(np.uint8)
    if field.outside is not None:
        own[field.outside[y0:y1, x0:x1]] = 0
    for x, y, radius in rivals:
        own[_distances(Circle(x - x0, y - y0, radius), green.shape) < near] = 0
    return Window(x0, y0, inner, red, green, (glass[0], glass[1], glass[2]), stain, hue, near, own, own)


def span(middle: float, reach: float, end: int) -> tuple[int, int]:
    """Return the first pixel and the one after the last within reach of a middle, at least one of them."""
    first = min(max(0, int(middle - reach)), end - 1)
    return first, max(first + 1, min(end, int(middle + reach) + 1))


def _distances(circle: Circle, shape: tuple[int, ...]) -> Floats:
    """Return how far each pixel of a window lies from a circle's middle, in its radii: float32 (h, w)."""
    down, across = (
        ((np.arange(length, dtype=np.float32) + np.float32(0.5 - middle)) / np.float32(circle.radius)) ** 2
        for length, middle in zip(shape, (circle.y, circle.x), strict=True)
    )
    return np.asarray(cv2.sqrt(down[:, None] + across), np.float32)


def without_red_cells(window: Window, reds: Sequence[Circle]) -> Window:
    """Return a window without its red cells, each made so small that it ends where the white disc begins."""
    free = window.own.copy()
    for red in reds:
        x, y, radius = red.x - window.x, red.y - window.y, red.radius
        apart = math.hypot(x - window.circle.x, y - window.circle.y)
        shrunk = min(radius, apart * radius / (radius + window.circle.radius))
        cv2.circle(free, _fixed(x, y), round(shrunk * (1 << BITS)), (0,), cv2.FILLED, shift=BITS)
    return window._replace(free=free)


def _fixed(x: float, y: float) -> tuple[int, int]:
    return round((x - 0.5) * (1 << BITS)), round((y - 0.5) * (1 << BITS))
