"""The border of one cell, sought on rays from its middle.

On each ray, what lies within looks like cell and what lies beyond does not; the border is near those of the
rays beside it, and not far from the finder's circle. So red cells that touch bend it little.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from edge.imaging.histograms import quantile
from edge.masking.nucleus import counts_of
from edge.masking.window import BITS, Circle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.imaging.pixels import Pixels
    from edge.masking.window import Floats, Window

_PLAUSIBLE = (0.5, 1.6)  # area of a cell by that of its disc
_RAYS, _STEPS = 32, 28
_WRAPPED = 6  # rays that stand at both ends of the turn, for smoothing
_LENGTH = 1.45  # of the radius: end of a ray
_CIRCLE = (1.0, 2.5)  # weight of the circle beside what the rays see: the finder's, then that of the outline
_BULGE = 1.3  # of the usual length: more of a ray is a neighbour's
_INNER = 0.8  # of the radius: within lies the cell
_FEWEST = 12  # pixels of a nucleus
_TYPICAL = 0.35  # share of the cytoplasm that is darker than its level
_HALF_WAY = 0.55  # from the glass to that level: there the border is
_EDGE = (0.04, 0.2)  # least and most that the border takes of the green light
_SHARP = 0.3  # of that: from "certainly cell" to "perhaps"
_WITHOUT_BLUE = -0.15  # what tissue without the nucleus's dye says for the cell, from -1 to 1
_BLUE = 2.0  # how much more it says where it is as blue as the nucleus
_CLEAR_BLUE = 0.25  # light that a nucleus takes of green but not of blue: in a paler one, colour says less
_LEVELS = np.arange(256, dtype=np.float32)
_NO_MAP = np.zeros(0, np.float32)


def find_cell(window: Window, nucleus: Pixels) -> tuple[Pixels, bool]:
    """Return the cell with its nucleus, uint8 (h, w), 0 or 1, and whether its border is one that can be.

    Where it is not, the cell is the finder's disc.
    """
    cell = np.zeros_like(nucleus)
    cv2.fillPoly(cell, [_outline(_votes(window, nucleus), window.circle)], (1,), shift=BITS)
    cell = (cell & window.free) | nucleus
    disc = window.free & (window.near < 1).view(np.uint8)
    least, most = (share * cv2.countNonZero(disc) for share in _PLAUSIBLE)
    if max(1, least) <= cv2.countNonZero(cell) <= most:
        return cell, True
    return disc | nucleus, False


def _votes(window: Window, nucleus: Pixels) -> Floats:
    """Return what each pixel says for the cell, float32 (h, w): 1 for it, -1 against it.

    Against it is what lets light pass as glass does; and, the more clearly the nucleus is blue, tissue
    without any of its dye, as red cells are.
    """
    inner = (window.near < _INNER).view(np.uint8)
    plasma = cv2.subtract(inner, nucleus)
    if cv2.countNonZero(plasma) < _FEWEST:
        plasma = inner
    glass = np.float32(window.glass[1])
    level = quantile(counts_of(window.green, plasma), _TYPICAL) / glass
    least, most = _EDGE
    edge = np.float32(min(max(_HALF_WAY * (1 - float(level)), least), most))
    sure = (1 - edge - _LEVELS / glass) / (np.float32(_SHARP) * edge)
    votes = np.asarray(cv2.LUT(window.green, np.maximum(np.minimum(sure, 1), -1)), np.float32)
    blue = max(0.0, 1 - cv2.mean(window.hue, nucleus)[0]) if cv2.countNonZero(nucleus) else 0.0
    if blue > 0:
        gain = np.float32(_BLUE / max(blue, _CLEAR_BLUE))
        without = np.float32(1 - min(1.0, blue / _CLEAR_BLUE) * (1 - _WITHOUT_BLUE))
        hue = np.asarray(cv2.blur(window.hue, (3, 3)), np.float32)
        votes = np.asarray(cv2.min(votes, without + gain - gain * hue), np.float32)
    np.copyto(votes, 1, where=nucleus.view(np.bool_))
    np.copyto(votes, -1, where=~window.free.view(np.bool_))
    return votes


class _Rays(NamedTuple):
    """Rays of one turn, and some of them once more at both ends.

    directions: float32 (rays, 2), x and y. places: float32 (rays, steps, 2), where one looks. ends: float32
    (steps,), where a border may be: beyond each step. prior: what a circle of radius 1 says against these.
    """

    directions: Floats
    places: Floats
    ends: Floats
    prior: Floats


@lru_cache(maxsize=1)
def _rays() -> _Rays:
    angles = np.arange(-_WRAPPED, _RAYS + _WRAPPED, dtype=np.float32) * np.float32(2 * math.pi / _RAYS)
    directions = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    ends = np.arange(1, _STEPS + 1, dtype=np.float32) * np.float32(_LENGTH / _STEPS)
    places = directions[:, None] * (ends - ends[0] / 2)[:, None]
    prior = np.float32(_STEPS / _LENGTH / 2) * (ends - 1) ** 2
    return _Rays(directions, places, ends, prior)


def _outline(votes: Floats, circle: Circle) -> NDArray[np.int32]:
    """Return the corners of the cell's outline, int32 (n, 2), x and y, pixels of the window by 2**`BITS`."""
    first, again = _CIRCLE
    lengths = _lengths(votes, circle, first)
    usual = float(np.sort(lengths)[_RAYS // 2])
    corners = _corners(circle, np.minimum(lengths, np.float32(_BULGE * usual)))
    moments = cv2.moments(corners)
    area = moments["m00"]
    if area > 0:
        circle = Circle(moments["m10"] / area, moments["m01"] / area, usual)
    corners = _corners(circle, _lengths(votes, circle, again))
    return np.asarray(np.rint((corners - np.float32(0.5)) * (1 << BITS)), np.int32)


def _lengths(votes: Floats, circle: Circle, weight: float) -> Floats:
    """Return how far the cell reaches on each ray from a circle's middle, pixels, float32 (rays,)."""
    rays = _rays()
    middle = np.array((circle.x - 0.5, circle.y - 0.5), np.float32)
    places = rays.places * np.float32(circle.radius) + middle
    along = cv2.remap(votes, places, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    within = np.cumsum(along, axis=1) - np.float32(weight) * rays.prior
    # Neighbouring rays agree: before the border is chosen, and once more after it.
    best = cv2.GaussianBlur(within, (1, 7), 1.2).argmax(axis=1)
    lengths = cv2.GaussianBlur(rays.ends[best][:, None], (1, 7), 1.0)[_WRAPPED:-_WRAPPED, 0]
    return np.asarray(lengths * np.float32(circle.radius), np.float32)


def _corners(circle: Circle, lengths: Floats) -> Floats:
    """Return where rays of these lengths end, float32 (rays, 2)."""
    directions = _rays().directions[_WRAPPED:-_WRAPPED]
    return np.asarray(directions * lengths[:, None] + np.array(circle[:2], np.float32), np.float32)
