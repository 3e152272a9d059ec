"""How large a red cell is in pixels: the ruler of a specimen, measured by the red cells of all its fields.

Magnification, camera and adapter of a microscope stay the same for a whole slide, so one ruler holds for all
fields. When twenty fields agree, the ruler is fixed, so that a field gives the same answer whenever it comes.
As long as nothing is known, a field is looked at in several scales; the right one is that at which the red
cells have the size that the scale expects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.finding.decoding import RED_CELL_PIXELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.finding.decoding import Detections
    from edge.finding.finder import Looks

RED_CELL_UM = 7.5
"""Diameter of a red cell in a dried smear, micrometres."""

WHITE_CELL = 1.95
"""Diameter of a white cell in red cells, median of the training sets: used where there are no red cells."""

_ACROSS = (4.0, 7.0, 12.0, 20.0, 34.0, 58.0)
"""Scales that are tried, in red cells along the frame's longer side; any size is within 1.4 times of one."""

_FINE = 20.0  # red cells across; from here on the middle of a field shows enough cells to judge a scale
_WIDE = 30.0  # red cells across; from here on specks may pass for cells, so many sure ones are needed
_HARDLY_LESS = 0.75  # share of the previous scale's weight: with this much, a finer scale is still tried
_WIDE_CELLS, _WIDE_SCORE = 40, 0.56  # in the middle; specks in 100 fields of `chula` have 0.54 at most

_SURE = 0.35  # score from which a cell is measured
_CELLS = {"white cell": _SURE, "red cell": _SURE}
_NEAR = 0.45  # natural log: how far a size may be from what a scale expects
# Power of the diameter: in too small a scale many specks pass for cells, but they cover little.
_COVERED = 1.3
_WHITE_VOTE = 0.3  # white cells vary in size, and in far too large a scale a shadow passes for one
_FEWEST = 3  # red cells that can speak for a scale
_REMEMBERED = 100  # fields
_LIMITS = (0.01, 2.0)  # micrometres a pixel; outside of these no microscope shows cells
_MOST_VOTES = 30  # red cells of one field that count: a crowded field must not outvote the others
_MEMORY = 90  # votes, in red cells, of a ruler from before this specimen: three fields outvote it
_DIGITS = 5  # of micrometres a pixel: as results state them, so that they restore the ruler exactly

SCALE_RULE = 3
"""Version of `look_for_scale`: raise it when its answers may change, since answers are stored with it."""

OTHER_SCALE = 0.3
"""Natural log: a field whose red cells differ from the ruler by more has another magnification."""

SETTLING = 20
"""Fields that must agree before the ruler of a specimen stays as it is."""

_AGREEING = 0.12  # spread at which these fields agree: more of them would change nothing


@dataclass(frozen=True, slots=True)
class Reading:
    """What one field says: micrometres a pixel by its red cells, and how many said so."""

    micrometres_per_pixel: float
    count: int

    @property
    def diameter(self) -> float:
        """Return the diameter of a red cell, pixels of the frame."""
        return RED_CELL_UM / self.micrometres_per_pixel


class Ruler:
    """The size of red cells in a specimen's fields. It settles when enough fields agree.

    micrometres_per_pixel: if it is configured or remembered; else None until a field shows it.
    fixed: it is configured, and fields do not change it.
    """

    def __init__(self, micrometres_per_pixel: float | None = None, *, fixed: bool = False) -> None:
        self._start, self.is_fixed = micrometres_per_pixel, fixed
        self._readings: list[Reading] = []
        self._settled: tuple[float, float] | None = None  # micrometres a pixel, spread

    @classmethod
    def configured(cls, micrometres_per_pixel: float) -> Ruler:
        """Return the ruler that a configuration states."""
        return cls(micrometres_per_pixel, fixed=True)

    @property
    def red_cell(self) -> float | None:
        """Return the diameter of a red cell in pixels of the frame, or None while it is not known."""
        known = self.micrometres_per_pixel
        return None if known is None else RED_CELL_UM / known

    @property
    def micrometres_per_pixel(self) -> float | None:
        """Return the size of a pixel on the slide, micrometres, or None while it is not known."""
        if self._settled is not None:
            return self._settled[0]
        if self.is_fixed or not self._readings:
            return self._start
        sizes = [reading.micrometres_per_pixel for reading in self._readings]
        votes = [min(reading.count, _MOST_VOTES) for reading in self._readings]
        if self._start is not None:
            sizes.append(self._start)
            votes.append(_MEMORY)
        return _weighted_median(np.array(sizes), np.array(votes, np.float64))

    @property
    def spread(self) -> float | None:
        """Return by how much 68 % of the fields differ from the ruler at most, as a share of it, or None."""
        if self._settled is not None:
            return self._settled[1]
        if len(self._readings) < 2 or self.is_fixed:
            return None
        return self._spread(self._readings)

    @property
    def is_seen(self) -> bool:
        """Return whether this specimen's red cells set it; else it is configured, remembered or a guess."""
        if self.is_fixed or self.is_settled:
            return self.is_settled
        return bool(self._readings) and self.micrometres_per_pixel != self._start

    @property
    def is_settled(self) -> bool:
        """Return whether it stays as it is for the rest of the specimen, by its fields."""
        return self._settled is not None

    def read(self, found: Detections) -> Reading | None:
        """Learn from a field, and return its reading; None if it has too few red cells."""
        reading = None if self.is_fixed else reading_of(found)
        if reading is not None:
            self.learn(reading)
        return reading

    def learn(self, reading: Reading) -> None:
        """Learn from a field's reading. The same readings in the same order always give the same ruler."""
        if self.is_fixed or self.is_settled:
            return
        if self._start is not None and differ(reading.micrometres_per_pixel, self._start):
            self._start = None  # another lens than before
        self._readings = [*self._readings[1 - _REMEMBERED :], reading]
        latest = self._readings[-SETTLING:]
        if len(latest) == SETTLING and (spread := self._spread(latest)) <= _AGREEING:
            known = self.micrometres_per_pixel
            assert known is not None  # noqa: S101 (there are readings)
            self.settle(round(known, _DIGITS), round(spread, 3))

    def settle(self, micrometres_per_pixel: float, spread: float) -> None:
        """Fix the ruler to what an earlier run of the same specimen had settled on."""
        if not self.is_fixed:
            self._settled = micrometres_per_pixel, spread

    def _spread(self, readings: Sequence[Reading]) -> float:
        known = self.micrometres_per_pixel
        assert known is not None  # noqa: S101 (there are readings)
        away = np.abs(np.log([reading.micrometres_per_pixel / known for reading in readings]))
        return float(np.quantile(away, 0.68))


def differ(one: float, other: float) -> bool:
    """Return whether two sizes of the same thing differ so much that the magnification must differ."""
    return abs(math.log(one / other)) > OTHER_SCALE


def reading_of(found: Detections) -> Reading | None:
    """Return what a field's red cells say; None if they are too few, or of an impossible size."""
    red = found.of("red cell", _SURE)
    if len(red) < _FEWEST:
        return None
    size = round(RED_CELL_UM / float(np.median(red.diameters)), _DIGITS)
    return Reading(size, len(red)) if _LIMITS[0] <= size <= _LIMITS[1] else None


def look_for_scale(frame: Looks) -> float:
    """Return the diameter of a red cell in a frame of unknown scale, in its pixels.

    Each scale is judged by the cells that have the size it expects; the best scale is then refined by these
    cells. Without red cells the white ones decide; without any cell the field is taken to be 12 red cells
    across. The finest scales would cost as much time and memory as all others together. A fine scale is
    skipped if clearly less speaks for the scale before it than for the one before that, or if the cells are
    larger than that scale expects; otherwise it is judged by the middle of the field alone, which shows
    enough cells.
    """
    longest = max(frame.pixels.shape[:2])
    most, red_cell = 0.0, longest / _ACROSS[2]
    is_better, was_best, weight_before, score_before = True, True, 0.0, 0.0
    for across in _ACROSS:
        is_fine = across >= _FINE
        if is_fine and not is_better:
            break
        expected = longest / across
        shown = frame.middle() if is_fine else frame
        found = shown.find(RED_CELL_PIXELS / expected, _CELLS)
        weight, diameter = _told(found, expected)
        weight *= frame.pixels.size / shown.pixels.size
        cells, score = _expected(found, expected)
        is_crowd = cells >= _WIDE_CELLS and score >= max(_WIDE_SCORE, score_before)
        # A fine scale cuts large cells into pieces. So it counts only if the scale before it was the best so
        # far, and the finest ones only if they show a crowd of cells.
        counts = is_crowd if across >= _WIDE else not is_fine or was_best
        was_best = weight >= most
        if weight > most and counts:
            most, red_cell = weight, diameter
        # Scales finer than the cells' own show only specks.
        is_better = weight >= _HARDLY_LESS * weight_before and not (is_fine and diameter > expected)
        weight_before, score_before = weight, score
    found = frame.find(RED_CELL_PIXELS / red_cell, _CELLS)
    weight, diameter = _told(found, red_cell)
    return diameter if weight else red_cell


def _expected(found: Detections, diameter: float) -> tuple[int, float]:
    """Return how many red cells of about that diameter were found, and the median of their scores."""
    red = found.of("red cell")
    scores = red.scores[np.abs(np.log(red.diameters / diameter)) < _NEAR]
    return len(scores), float(np.median(scores)) if len(scores) else 0.0


def _told(found: Detections, expected: float) -> tuple[float, float]:
    """Return how strongly a field's cells support a scale, and the red cell's diameter by them, pixels."""
    total, sizes, weights = 0.0, [], []
    for kind, size, vote in (("red cell", 1.0, 1.0), ("white cell", WHITE_CELL, _WHITE_VOTE)):
        cells = found.of(kind)
        logs = np.log(cells.diameters / size)
        votes = vote * cells.scores**2 * np.exp(-0.5 * ((logs - math.log(expected)) / _NEAR) ** 2)
        total += float((votes * cells.diameters**_COVERED).sum())
        sizes.append(logs)
        weights.append(votes)
    logs, votes = np.concatenate(sizes), np.concatenate(weights)
    if not votes.sum():
        return 0.0, expected
    return total, math.exp(_weighted_median(logs, votes))


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    passed = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(passed, passed[-1] / 2)])
