"""One look for every stain and camera: colours are set by what the picture itself holds.

Three things in a smear are the same everywhere: bare glass lets all light through, nuclei take up the blue
dye, red cells are full of hemoglobin and eosin. In optical density (Beer-Lambert) a stain is a direction, so
the matrix that takes a picture's nuclei and red cells to those of a reference takes the rest along. Macenko
et al. 2009 find the two directions by statistics over all pixels; here the masks say which pixels they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.imaging.components import of_box
from edge.imaging.histograms import median_levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge.imaging.pixels import Pixels

    _Vector = tuple[float, float, float]

WHITE_LEVEL = 235
"""Grey level that the cell-free background is brought to."""

_NUCLEUS = (0.75, 1.15, 0.20)
_RED_CELL = (0.14, 0.27, 0.18)
"""Optical density (natural log; red, green, blue) of the reference: between the two labelled sets."""

_THIRD = 0.5  # length of the third axis, across the two stains: of the nucleus's density
_FAINTEST = 0.15  # density (length) of red cells, below which they are not told from uneven glass
_FEWEST = 200  # pixels of red cells at working scale
_LARGEST_GAIN = 8.0  # of any mixture of channels; beyond, the two stains lie too close and noise would show
_LARGEST_PLAIN_GAIN = 3.0
_DENSEST = np.log(WHITE_LEVEL)
_THINNEST = -np.log(1.2)  # brighter than the background by so much is a highlight


@dataclass(frozen=True, slots=True)
class Stain:
    """How a picture's colours become the reference's.

    white: RGB of the cell-free background, float32 (3,). mixing: float32 (3, 3), a picture's optical density
    to the reference's.
    """

    white: NDArray[np.float32]
    mixing: NDArray[np.float32]

    def normalized(self, pixels: Pixels) -> Pixels:
        """Return uint8 RGB (h, w, 3) as it would look under the reference stain on the reference camera."""
        table = _densities(tuple(self.white.tolist()))
        mixed = cv2.transform(cv2.LUT(pixels, table), -self.mixing)
        return np.asarray(cv2.convertScaleAbs(cv2.exp(mixed), alpha=WHITE_LEVEL), np.uint8)


def measure_stain(
    small: Pixels, white: NDArray[np.float32], nuclei: NDArray[np.bool_], red_cells: NDArray[np.bool_]
) -> Stain:
    """Measure a picture's stain. small: uint8 RGB (h, w, 3). nuclei, red_cells: bool (h, w).

    Without nuclei nothing but the white point is set. Without enough red cells, or where they have the colour
    of the nuclei, all channels get one gain.
    """
    if not nuclei.any():
        return Stain(white, np.eye(3, dtype=np.float32))
    channels = cv2.split(small)
    nucleus = _density(channels, white, nuclei)
    red_cell = (0.0, 0.0, 0.0)
    if cv2.countNonZero(red_cells.view(np.uint8)) >= _FEWEST:
        red_cell = _density(channels, white, red_cells)
    own = _axes(nucleus, red_cell)
    # By cross products: a linear algebra library wakes its threads for a matrix of nine numbers.
    inverse = [_cross(own[(k + 1) % 3], own[(k + 2) % 3]) for k in range(3)]
    determinant = sum(a * b for a, b in zip(inverse[0], own[0], strict=True))
    if _length(red_cell) >= _FAINTEST and abs(determinant) > 1e-6:
        mixing = _REFERENCE @ np.array(inverse) / determinant
        if np.linalg.norm(mixing) <= _LARGEST_GAIN:
            return Stain(white, mixing.astype(np.float32))
    gain = min(_LARGEST_PLAIN_GAIN, _NUCLEUS[1] / max(nucleus[1], 0.1))
    return Stain(white, gain * np.eye(3, dtype=np.float32))


def _density(
    channels: Sequence[cv2.typing.MatLike], white: NDArray[np.float32], where: NDArray[np.bool_]
) -> _Vector:
    x, y, w, h = cv2.boundingRect(where.view(np.uint8))
    window = of_box((x, y, w, h))
    inside = where[window].view(np.uint8)
    parts = [np.asarray(channel[window], np.uint8) for channel in channels]
    red, green, blue = (
        math.log(max(full, 1.0) / max(level, 4.0))
        for full, level in zip(white.tolist(), median_levels(parts, inside), strict=True)
    )
    return red, green, blue


def _axes(nucleus: _Vector, red_cell: _Vector) -> tuple[_Vector, _Vector, _Vector]:
    """Return the two stains, and what lies across both."""
    a, b, c = _cross(nucleus, red_cell)
    length = _length((a, b, c))
    if length > 0:
        third = _THIRD * _length(nucleus) / length
        a, b, c = a * third, b * third, c * third
    return nucleus, red_cell, (a, b, c)


def _cross(one: _Vector, other: _Vector) -> _Vector:
    (a, b, c), (d, e, f) = one, other
    return b * f - c * e, c * d - a * f, a * e - b * d


def _length(vector: _Vector) -> float:
    return math.sqrt(sum(value * value for value in vector))


@lru_cache(maxsize=8)
def _densities(white: tuple[float, ...]) -> NDArray[np.float32]:
    """Return the optical density of every level, float32 (1, 256, 3): one table for all cells of a field."""
    levels = np.maximum(np.arange(256, dtype=np.float32), 1.0)[:, None]
    light = np.maximum(np.array(white, np.float32), 32.0)
    density = np.minimum(np.maximum(np.log(light / levels), _THINNEST), _DENSEST)
    return np.asarray(density, np.float32).reshape(1, 256, 3)


_REFERENCE = np.array(_axes(_NUCLEUS, _RED_CELL)).T
