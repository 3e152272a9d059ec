"""The crowd around the white cells of a drawn smear: red cells and platelets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cameras.simulation.smear.curves import FRACTION, FRACTION_BITS, blob, filled, smoothed, softened
from edge.cameras.simulation.smear.stains import STEPS, Textures, absorbance, in_steps, piece

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 84  # pixels from the middle of the largest stamp to its edge

_RED_CELLS, _PLATELETS = 40, 10  # how many different ones; more could not be told from them
_RED_CELL_RADIUS = 50.0  # pixels, the median
_PITCH = 74.0  # pixels between the places where a red cell may lie
_RED_CELL_GAP, _PLATELET_GAP = 36.0, 26.0  # pixels from a white cell's outermost point
_PLATELETS_A_PIXEL = 1.6 / (640 * 480)
_THICK, _THIN = absorbance(180, 152, 150), absorbance(184, 161, 171)
_YELLOW = np.array([0.0, 0.01, 0.04], np.float32)  # more of it in a red cell's middle than at its rim
_PLATELET = absorbance(142, 130, 206)


class Crowd:
    """Stamps of red cells and platelets, int16 absorbance (height, width, 3), and where they lie."""

    def __init__(self, rng: np.random.Generator, textures: Textures) -> None:
        self._waves = rng.normal(0, 1 / 170, (6, 2)), rng.uniform(0, 2 * np.pi, 6)
        thick = float(rng.uniform(0.2, 0.8))
        self._red = [_red_cell(rng, textures, thick) for _ in range(_RED_CELLS)]
        self._platelets = [_platelet(rng, textures) for _ in range(_PLATELETS)]

    def scatter(
        self, rng: np.random.Generator, area: tuple[int, int, int, int], keep_out: NDArray[np.float64]
    ) -> list[tuple[int, int, NDArray[np.int16]]]:
        """Return stamps (x, y, stamp) with their middles inside an area (x, y, width, height) of the slide.

        keep_out: (n, 3) middles and radii of the white cells near the area; a red cell may touch one, not
        cover it.
        """
        left, top, width, height = area
        columns, rows = max(1, round(width / _PITCH)), max(1, round(height / _PITCH))
        y, x = np.mgrid[0:rows, 0:columns].astype(float)
        x = left + (x + y % 2 / 2 + rng.normal(0.25, 0.2, x.shape)) * width / columns
        y = top + (y + rng.normal(0.5, 0.2, y.shape)) * height / rows
        spots = np.stack([x.ravel(), y.ravel()], 1)
        spots = spots[rng.random(len(spots)) < self._crowding(spots)]
        count = rng.poisson(width * height * _PLATELETS_A_PIXEL)
        dust = rng.uniform((left, top), (left + width, top + height), (count, 2))
        return [
            # Turned over from top to bottom only: numpy adds rows of pixels read backwards slowly.
            (round(px), round(py), stamps[int(rng.integers(len(stamps)))][:: 1 if rng.random() < 0.5 else -1])
            for stamps, where, gap in (
                (self._red, spots, _RED_CELL_GAP),
                (self._platelets, dust, _PLATELET_GAP),
            )
            for px, py in where[_gaps(where, keep_out) > gap]
        ]

    def _crowding(self, spots: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of a red cell: they lie in chains and clumps with holes between them."""
        vectors, phases = self._waves
        wave = np.cos(spots @ vectors.T + phases).sum(1)
        return np.asarray(0.12 + 0.72 / (1 + np.exp(-1.6 * wave)))


def _gaps(spots: NDArray[np.float64], circles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of every spot (n, 2) from the nearest circle (m, 3)."""
    away = np.hypot(*(spots[:, None] - circles[:, :2]).transpose(2, 0, 1)) - circles[:, 2]
    return np.asarray(away.min(1, initial=np.inf))


def _red_cell(rng: np.random.Generator, textures: Textures, thick: float) -> NDArray[np.int16]:
    """Paint one. thick: 0 for a slide of thin pinkish cells to 1 for one of thick brownish ones."""
    radius = _RED_CELL_RADIUS * float(np.clip(rng.normal(1, 0.09), 0.75, 1.2))
    long = float(rng.uniform(1.0, 1.15) if rng.random() < 0.75 else rng.uniform(1.15, 1.28))
    axes, turn = (radius * long, radius / long), float(rng.uniform(0, np.pi))
    cell = filled(blob(rng, axes, turn, wobble=0.10), LARGEST, 2.0)
    pallor = float(rng.choice((0.1, 0.4, 0.8), p=(0.35, 0.4, 0.25)))
    width = float(rng.uniform(0.38, 0.58))
    middle = blob(rng, (axes[0] * width, axes[1] * width), turn, wobble=0.2) + rng.normal(0, 0.08 * radius, 2)
    hollow = filled(middle, LARGEST, 4.0 if pallor > 0.5 else 8.0)
    relief = 0.09 * piece(textures.broad, rng, 2 * LARGEST) + 0.03 * piece(textures.clumps, rng, 2 * LARGEST)
    thickness = cell * (1 - pallor * hollow) * (1 + relief)
    # A bright seam outside the edge and a darker one inside, as refraction draws them.
    thickness += 0.25 * (thickness - smoothed(thickness, 4.5))
    if rng.random() < 0.4:
        thickness += _drop(rng)
    share = float(np.clip(thick + rng.normal(0, 0.25), 0, 1))
    dye = (share * _THICK + (1 - share) * _THIN) * float(rng.uniform(0.75, 1.1))
    return _trimmed(thickness[..., None] * dye + smoothed(cell, 12.0)[..., None] ** 2 * _YELLOW)


def _drop(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the bright drop with a dark ring that trapped water leaves in a red cell."""
    middle = rng.normal(LARGEST, 12, 2)
    axes = rng.uniform(2, 5, 2)
    turn = float(rng.uniform(0, 360))
    drop = np.zeros((2 * LARGEST, 2 * LARGEST), np.float32)
    for grown, strength in ((2.5, 0.35), (0.0, -1.0)):
        mark = np.zeros(drop.shape, np.uint8)
        x, y, a, b = np.rint(np.array([*middle, *(axes + grown)]) * FRACTION).astype(int).tolist()
        cv2.ellipse(mark, (x, y), (a, b), turn, 0, 360, (255,), -1, cv2.LINE_AA, FRACTION_BITS)
        drop += softened(mark, 1.1) * np.float32(strength * rng.uniform(0.5, 1))
    return drop


def _platelet(rng: np.random.Generator, textures: Textures) -> NDArray[np.int16]:
    half = 34
    radius = float(rng.uniform(9, 17))
    axes = (radius * float(rng.uniform(1, 1.3)), radius)
    body = filled(blob(rng, axes, float(rng.uniform(0, np.pi)), wobble=0.25), half, 3.2)
    body *= np.maximum(0, 1 + 0.3 * piece(textures.clumps, rng, 2 * half))
    return _trimmed(body[..., None] * (_PLATELET * float(rng.uniform(0.45, 1.0))))


def _trimmed(density: NDArray[np.float32]) -> NDArray[np.int16]:
    """Make a stamp without what is empty around it, its middle still the middle."""
    stamp = in_steps(density)
    seen = np.abs(stamp).max(2) > STEPS // 200
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    size = len(seen)
    y, x = min(rows[0], size - 1 - rows[-1]), min(columns[0], size - 1 - columns[-1])
    return np.ascontiguousarray(stamp[y : size - y, x : size - x])
