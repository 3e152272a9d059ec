"""How large a micrometre is: the red cells of a picture are the ruler, whatever the magnification.

Red cells are 7 to 8 micrometres across and lie in nearly every field. Whole ones that lie free are rare, but
the arc of a rim is enough: its length over the angle that it turns by is its radius.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.imaging.components import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.imaging.components import Components

RED_CELL_UM = 7.5
"""Diameter of a red cell in a dried smear, micrometres."""

_STEP = 4  # points of a contour that are averaged to one: pixels' corners are no curvature
_FEWEST_VERTICES = 4
_LEAST_TURN = np.radians(80)  # a shorter arc does not tell its radius
_ROUGHEST = 0.7  # standard deviation of an arc's curvature, of its mean: beyond, it is no circle
_SPREAD = 0.15  # natural log: red cells of one picture differ by so much
_NUCLEUS_IN_RED_CELLS = 1.5  # diameters; median over classes of both labelled sets, 1.3 to 2.0
_NUCLEUS_SPREAD = 0.3  # natural log, of the same
_FURTHEST_FROM_NUCLEUS = 0.9  # natural log: a nucleus of 0.6 to 3.7 red cells; beyond, it is specks or folds
_ARC_SPREAD = 0.15  # natural log: error of a diameter from one whole turn of rim
_ENOUGH_TURNS = 0.5  # of rim, for the red cells to be called the source of a scale


@dataclass(frozen=True, slots=True)
class Ruler:
    """Diameter of a red cell in pixels, and the rim that was seen of red cells, in whole turns."""

    diameter: float
    turns: float

    @property
    def is_seen(self) -> bool:
        """Tell whether red cells gave the scale; otherwise the nucleus did, as a guess."""
        return self.turns >= _ENOUGH_TURNS


@dataclass(frozen=True, slots=True)
class Rims:
    """The convex arcs in a picture that may be rims of red cells.

    radii, turns: float64 (n,) each, pixels and whole turns. largest_part: area of the largest piece of a
    nucleus, pixels.
    """

    radii: NDArray[np.float64]
    turns: NDArray[np.float64]
    largest_part: float

    def ruler(self, nucleus_area: float) -> Ruler:
        """Return a red cell's diameter from the rims, and from a nucleus as far as these do not tell.

        nucleus_area: of one white cell's nucleus, pixels. The two sources are averaged in log scale by their
        precision.
        """
        guess = math.log(2 * math.sqrt(nucleus_area / math.pi) / _NUCLEUS_IN_RED_CELLS)
        radii, turns, logs = self.radii, self.turns, np.log(2 * self.radii)
        possible = np.abs(logs - guess) < _FURTHEST_FROM_NUCLEUS
        if not possible.any():
            return Ruler(math.exp(guess), 0.0)
        radii, turns, logs = radii[possible], turns[possible], logs[possible]
        # The size that most rim speaks for; debris and platelets have little of it.
        near = np.exp(-0.5 * ((logs[:, None] - logs) / _SPREAD) ** 2) @ (turns * radii)
        near *= np.exp(-0.5 * ((logs - guess) / (2 * _NUCLEUS_SPREAD)) ** 2)
        alike = np.abs(logs - logs[near.argmax()]) < 2 * _SPREAD
        turns, logs = turns[alike], logs[alike]
        seen = float(turns.sum())
        precision = seen / _ARC_SPREAD**2, 1 / _NUCLEUS_SPREAD**2
        rims = float((logs * turns).sum()) / seen
        mean = (rims * precision[0] + guess * precision[1]) / (precision[0] + precision[1])
        return Ruler(math.exp(mean), seen)


def find_rims(
    tissue: NDArray[np.bool_],
    nuclei: NDArray[np.uint8],
    outside: NDArray[np.bool_] | None,
    pieces: Components,
) -> Rims:
    """Find the rims of red cells.

    tissue: bool (h, w), what cells cover. nuclei: uint8 (h, w), nonzero in nuclei, around which rims are a
    white cell's. outside: bool (h, w), what is no picture, or None. pieces: of `nuclei`.
    """
    largest = pieces.largest
    radii, turns = _arcs(tissue, _not_red_cells(nuclei, pieces, outside))
    return Rims(radii, turns, float(max(1, largest)))


def _not_red_cells(
    nuclei: NDArray[np.uint8], pieces: Components, outside: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Return where a rim is not a red cell's: around nuclei, and at the frame's edge or a wedge's."""
    blocked = np.zeros(nuclei.shape, np.bool_)
    if pieces.largest:
        near, is_near = within(nuclei, pieces.places, 0.8 * math.sqrt(pieces.largest / math.pi) + 3)
        blocked[near] = is_near
    if outside is not None:
        blocked |= np.asarray(cv2.dilate(outside.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0)
    blocked[:2] = blocked[-2:] = True
    blocked[:, :2] = blocked[:, -2:] = True
    return blocked


def _arcs(
    tissue: NDArray[np.bool_], blocked: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return radius (pixels) and angle (whole turns) of every convex arc long enough and not blocked."""
    opened = cv2.morphologyEx(tissue.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contours = [contour for contour in contours if len(contour) >= 6 * _STEP]
    if not contours:
        return np.empty(0), np.empty(0)
    x, y, ends = _polygons(contours)
    inner = np.ones(len(x), bool)
    inner[ends - 1] = inner[ends - 2] = False  # the two that close a contour belong to two contours
    right, down = x[1:] - x[:-1], y[1:] - y[:-1]
    across = right[:-1] * down[1:] - down[:-1] * right[1:]
    along = right[:-1] * right[1:] + down[:-1] * down[1:]
    turn = -np.arctan2(across, along)  # OpenCV runs an outer contour so that convex is negative
    smooth = 2 * turn
    smooth[1:] += turn[:-1]
    smooth[0] += turn[-1]
    smooth[:-1] += turn[1:]
    smooth[-1] += turn[0]
    smooth /= 4
    good = inner[:-2] & (smooth > 0) & ~blocked[y[1:-1].astype(np.intp), x[1:-1].astype(np.intp)]
    # The corner where a rim meets the frame, or another cell, reaches one vertex further than itself.
    good[1:-1] &= good[:-2] & good[2:]
    runs = np.zeros(len(good) + 2, np.int8)
    runs[1:-1] = good
    change = runs[1:] - runs[:-1]
    starts, stops = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    long_enough = stops - starts >= _FEWEST_VERTICES
    starts, stops = starts[long_enough], stops[long_enough]
    way = np.hypot(right[1:], down[1:])
    curvature = smooth / np.maximum(way, 1e-6)
    total, ways, mean, square = _sums((turn, way, curvature, curvature * curvature), starts, stops)
    mean, square = mean / (stops - starts), square / (stops - starts)
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    arcs = (total >= _LEAST_TURN) & (deviation <= _ROUGHEST * mean)
    return ways[arcs] / total[arcs], total[arcs] / (2 * np.pi)


def _sums(
    rows: Sequence[NDArray[np.float64]], starts: NDArray[np.intp], stops: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the sums of each row over each of the runs from start up to stop, float64 (rows, runs)."""
    cumulated = np.zeros((len(rows), len(rows[0]) + 1))
    for row, its_own in zip(rows, cumulated, strict=True):
        row.cumsum(out=its_own[1:])
    return np.asarray(cumulated[:, stops] - cumulated[:, starts], np.float64)


def _polygons(
    contours: Sequence[cv2.typing.MatLike],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Return the means of every few points of closed contours, the first two of each again at its end.

    Their x and y, float64 (n,), and behind which of them each contour ends.
    """
    counts = np.array([len(contour) // _STEP for contour in contours])
    trimmed = [contour[: len(contour) // _STEP * _STEP] for contour in contours]
    points = np.concatenate(trimmed).reshape(-1, 2 * _STEP).T
    ends = np.cumsum(counts + 2)
    places = np.arange(ends[-1]) - np.repeat(2 * np.arange(len(counts)), counts + 2)
    places[ends - 2] -= counts
    places[ends - 1] -= counts
    x, y = (sum(points[first::2]) / _STEP for first in (0, 1))
    return x[places], y[places], ends
