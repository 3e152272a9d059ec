"""How large a red cell is in pixels: the ruler of a specimen, told by its red cells over all of its fields.

Magnification, camera and adapter of a microscope stay as they are for a whole slide, so one ruler holds for
all fields. When twenty fields agree it stays as it is: a field has the same answer then, whenever it comes.
Where nothing is known yet, a field is looked at in several scales, and the one at which its red cells come
out as large as that scale has them is the right one.
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
"""Diameter of a white cell in red cells, the middle over the sets of training: the ruler where none lie."""

_ACROSS = (4.0, 7.0, 12.0, 20.0, 34.0, 58.0)
"""Red cells along the longer side of a frame: the scales that are tried; all lie within 1.4 of one."""

_FINE = 20.0  # red cells across, from where the middle of a field is enough to judge a scale by
_WIDE = 30.0  # from where specks pass for cells: a field shows many red cells then, and they are sure
_HARDLY_LESS = 0.75  # of what speaks for the scale before: a finer one is looked at all the same
_WIDE_CELLS, _WIDE_SCORE = 40, 0.56  # in the middle; specks in 100 fields of `chula` have 0.54 at most

_SURE = 0.35  # score from which a cell is measured
_CELLS = {"white cell": _SURE, "red cell": _SURE}
_NEAR = 0.45  # natural log: sizes that a scale expects
_COVERED = (
    1.3  # power of the diameter: specks that pass for cells in too small a scale are many, but cover little
)
_WHITE_VOTE = 0.3  # white cells are of many sizes, and a scale that is far too large makes one of a shadow
_FEWEST = 3  # red cells that can speak for a scale
_REMEMBERED = 100  # fields
_LIMITS = (0.01, 2.0)  # micrometres a pixel: no microscope shows cells beyond
_MOST_VOTES = 30  # red cells of one field that count: a crowded field is no more than one field
_MEMORY = 90  # red cells that a ruler from before this specimen speaks for: three fields outvote it
_DIGITS = 5  # of micrometres a pixel: as results state them, so that they restore the ruler exactly

SCALE_RULE = 3
"""How `look_for_scale` decides: raise it where it may decide otherwise, for what was kept of its answers."""

OTHER_SCALE = 0.3
"""Natural log: a field whose red cells differ that much from the ruler is of another magnification."""

SETTLING = 20
"""Fields that must agree before the ruler of a specimen stays as it is."""

_AGREEING = 0.12  # spread of these fields: from there on more of them say nothing new


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

    micrometres_per_pixel: where it is configured or remembered, else None until a field tells.
    fixed: it is configured, and the fields are not asked.
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
        """Return the diameter of a red cell in pixels of the frame, or None where nothing told it yet."""
        known = self.micrometres_per_pixel
        return None if known is None else RED_CELL_UM / known

    @property
    def micrometres_per_pixel(self) -> float | None:
        """Return the size of a pixel on the slide, or None where nothing told it yet."""
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
        """Return how far fields differ from the ruler, as a share of it (68 % of them by less), or None."""
        if self._settled is not None:
            return self._settled[1]
        if len(self._readings) < 2 or self.is_fixed:
            return None
        return self._spread(self._readings)

    @property
    def is_seen(self) -> bool:
        """Return whether red cells of this specimen told it; else it is configured, remembered or a guess."""
        if self.is_fixed or self.is_settled:
            return self.is_settled
        return bool(self._readings) and self.micrometres_per_pixel != self._start

    @property
    def is_remembered(self) -> bool:
        """Return whether only what was known before this specimen tells it."""
        return not (self.is_fixed or self.is_seen) and self._start is not None

    @property
    def is_settled(self) -> bool:
        """Return whether it stays as it is for the rest of the specimen, by its fields."""
        return self._settled is not None

    def read(self, found: Detections) -> Reading | None:
        """Take what a field shows into account, and return it; without enough red cells it says nothing."""
        reading = None if self.is_fixed else reading_of(found)
        if reading is not None:
            self.learn(reading)
        return reading

    def learn(self, reading: Reading) -> None:
        """Take into account what a field has said. The same readings in the same order: the same ruler."""
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
        """Stay at this, as an earlier run of the same specimen did."""
        if not self.is_fixed:
            self._settled = micrometres_per_pixel, spread

    def _spread(self, readings: Sequence[Reading]) -> float:
        known = self.micrometres_per_pixel
        assert known is not None  # noqa: S101 (there are readings)
        away = np.abs(np.log([reading.micrometres_per_pixel / known for reading in readings]))
        return float(np.quantile(away, 0.68))


def differ(one: float, other: float) -> bool:
    """Return whether two sizes of one thing are of two magnifications."""
    return abs(math.log(one / other)) > OTHER_SCALE


def reading_of(found: Detections) -> Reading | None:
    """Return what a field's red cells say; None where there are too few, or they are as none can be."""
    red = found.of("red cell", _SURE)
    if len(red) < _FEWEST:
        return None
    size = round(RED_CELL_UM / float(np.median(red.diameters)), _DIGITS)
    return Reading(size, len(red)) if _LIMITS[0] <= size <= _LIMITS[1] else None


def look_for_scale(frame: Looks) -> float:
    """Return the diameter of a red cell in a frame of unknown scale, in its pixels.

    Each scale is judged by the cells that come out as large as it expects; the best one is then refined by
    these. Without red cells the white ones tell, and without any a field is taken to be 12 red cells across.
    The finest scales would cost as much as all others, in memory too. Each is left out where clearly less
    speaks for the one before than for its neighbour, or where cells come out larger than that one has them;
    else it is judged by the middle of the field, which shows cells enough.
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
        # A fine scale cuts large cells in pieces: it counts where the one before was the best so far, and the
        # finest where they show a crowd.
        counts = is_crowd if across >= _WIDE else not is_fine or was_best
        was_best = weight >= most
        if weight > most and counts:
            most, red_cell = weight, diameter
        # Beyond the cells' own scale a finer one shows specks.
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
    """Return how much a field's cells speak for a scale, and the diameter of a red cell that they say."""
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
