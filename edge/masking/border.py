"""The border of one cell, looked for along rays from its middle.

On each ray the pixels inside the border look like cell, and those outside do not. The border lies close to
that of the neighbouring rays and not far from the finder's circle, so touching red cells bend it little.
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

_PLAUSIBLE = (0.5, 1.6)  # least and most area of a cell, divided by the area of the finder's disc
_RAYS, _STEPS = 32, 28
_WRAPPED = 6  # rays that are repeated at both ends of the turn, for smoothing
_LENGTH = 1.45  # length of a ray, in radii
_CIRCLE = (1.0, 2.5)  # weight of the circle against the pixels: first the finder's, then the outline's own
_BULGE = 1.3  # of the median length: a ray that is longer runs into a neighbour
_INNER = 0.8  # of the radius: all within belongs to the cell
_FEWEST = 12  # pixels of a nucleus
_TYPICAL = 0.35  # quantile of the cytoplasm's green levels that is taken for its level
_HALF_WAY = 0.55  # of the way from the glass to that level: there is the border
_EDGE = (0.04, 0.2)  # least and most share of the green light that is absorbed at the border
_SHARP = 0.3  # of that share: width of the step from "certainly cell" to "perhaps"
_WITHOUT_BLUE = -0.15  # vote of tissue without the nucleus's dye, from -1 (not cell) to 1 (cell)
_BLUE = 2.0  # added to that vote where the tissue is as blue as the nucleus
_CLEAR_BLUE = 0.25  # more green than blue absorbed by a nucleus; in a paler one, colour counts for less
_LEVELS = np.arange(256, dtype=np.float32)
_NO_MAP = np.zeros(0, np.float32)


def find_cell(window: Window, nucleus: Pixels) -> tuple[Pixels, bool]:
    """Return the cell with its nucleus, uint8 (h, w), 0 or 1, and whether its border is plausible.

    If it is not, the cell is the finder's disc.
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
    """Return how much each pixel looks like cell, float32 (h, w): 1 is cell, -1 is not.

    Not cell is what is as bright as glass. Tissue without the dye of the nucleus, as red cells are, counts
    against the cell as well, the more so the bluer the nucleus is.
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
    """The rays of one turn, some of them repeated at both ends.

    directions: float32 (rays, 2), x and y. places: float32 (rays, steps, 2), where pixels are read. ends:
    float32 (steps,), where a border may be: at the end of each step. prior: the penalty of each of these for
    its distance from a circle of radius 1.
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
    # Smoothed over neighbouring rays, before the border is chosen and once more after.
    best = cv2.GaussianBlur(within, (1, 7), 1.2).argmax(axis=1)
    lengths = cv2.GaussianBlur(rays.ends[best][:, None], (1, 7), 1.0)[_WRAPPED:-_WRAPPED, 0]
    return np.asarray(lengths * np.float32(circle.radius), np.float32)


def _corners(circle: Circle, lengths: Floats) -> Floats:
    """Return where rays of these lengths end, float32 (rays, 2)."""
    directions = _rays().directions[_WRAPPED:-_WRAPPED]
    return np.asarray(directions * lengths[:, None] + np.array(circle[:2], np.float32), np.float32)
