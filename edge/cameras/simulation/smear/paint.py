"""The dyes and structures of white cells on a drawn smear, class by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cameras.simulation.smear.curves import FRACTION, FRACTION_BITS, filled, smoothed, softened
from edge.cameras.simulation.smear.stains import Textures, absorbance, in_steps, piece

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edge.cameras.simulation.smear.forms import WhiteCell

    Map = NDArray[np.float32]

_MARGIN = 12  # pixels around a cell, for its edge to fade in
_SOFT_OUTLINE, _SOFT_LOBE = 1.7, 2.1  # pixels, deviation of an edge

_LILAC, _ROSE = absorbance(190, 174, 200), absorbance(190, 158, 195)
_NEUTROPHIL_CHROMATIN = absorbance(133, 93, 213)
_EOSIN, _BRICK = absorbance(198, 121, 158), absorbance(186, 112, 132)
_EOSINOPHIL_CHROMATIN = absorbance(122, 100, 207)
_SKY, _DEEP_SKY = absorbance(165, 168, 210), absorbance(140, 145, 205)
_DENSE, _DENSE_BLUE = absorbance(105, 66, 165), absorbance(88, 66, 158)
_GREY_BLUE, _GREY_LILAC = absorbance(166, 172, 199), absorbance(180, 170, 203)
_LACE = absorbance(147, 112, 217)
_DARK_GRANULE = absorbance(96, 62, 158)
_BASOPHIL_CHROMATIN = absorbance(140, 105, 200)


@dataclass(frozen=True, slots=True)
class _Canvas:
    """What a class is painted with: maps (size, size), float32, and the cell's own random numbers.

    cell, nucleus: 1 inside, 0 outside, with soft edges.
    """

    rng: np.random.Generator
    textures: Textures
    cell: Map
    nucleus: Map

    def piece(self, tile: Map) -> Map:
        """Return a piece of a texture, of the canvas' size."""
        return piece(tile, self.rng, len(self.cell))

    def between(self, one: Map, other: Map) -> Map:
        """Return a dye between two."""
        share = np.float32(self.rng.uniform())
        return (1 - share) * one + share * other


def painted(cell: WhiteCell, textures: Textures) -> NDArray[np.int16]:
    """Paint a cell: int16 absorbance (size, size, 3), the cell's (0, 0) in the middle."""
    rng = np.random.default_rng((*cell.seed, 1))
    half = int(cell.radius) + _MARGIN
    outline = filled(cell.outline, half, _SOFT_OUTLINE)
    density = _PAINTS[cell.label](_Canvas(rng, textures, outline, _nucleus(cell, half)))
    # No two cells take up the dye alike.
    return in_steps(density * np.float32(rng.uniform(0.92, 1.08)))


def _nucleus(cell: WhiteCell, half: int) -> Map:
    """Fill the lobes, each with an edge of its own, so that a paler cleft shows where two touch."""
    nucleus = np.zeros((2 * half, 2 * half), np.float32)
    for lobe in cell.lobes:
        np.maximum(nucleus, filled(lobe, half, _SOFT_LOBE), out=nucleus)
    if cell.bridges:
        strands = np.zeros(nucleus.shape, np.uint8)
        for line, width in cell.bridges:
            start, end = np.rint((line + half) * FRACTION).astype(int).tolist()
            cv2.line(strands, start, end, (255,), max(1, round(width)), cv2.LINE_AA, FRACTION_BITS)
        np.maximum(nucleus, np.float32(0.9) * softened(strands, _SOFT_OUTLINE), out=nucleus)
    return nucleus


def _chromatin(on: _Canvas) -> Map:
    """The nucleus with its lumps, darker towards its edge, where its membrane is seen from the side."""
    lumps = 0.10 * on.piece(on.textures.clumps) + 0.02 * on.piece(on.textures.fine)
    rim = np.maximum(0, on.nucleus - smoothed(on.nucleus, 6.0))
    return np.asarray(on.nucleus * (0.96 + lumps + 0.35 * rim), np.float32)


def _mixed(*parts: tuple[Map, Map]) -> Map:
    """Add up amounts (height, width) of dyes (3,) into absorbance (height, width, 3)."""
    amounts, dyes = zip(*parts, strict=True)
    return np.asarray(cv2.transform(cv2.merge(amounts), np.stack(dyes, 1)), np.float32)


def _neutrophil(on: _Canvas) -> Map:
    """Dust that is hardly seen, on lilac."""
    plasm = on.cell * (1 + 0.14 * on.piece(on.textures.broad) + 0.09 * on.piece(on.textures.fine))
    return _mixed(
        (plasm * (1 - on.nucleus), on.between(_LILAC, _ROSE)),
        (_chromatin(on), _NEUTROPHIL_CHROMATIN),
    )


def _eosinophil(on: _Canvas) -> Map:
    """Coarse granules that take the red dye, all over the cell."""
    granules = on.piece(on.textures.granules)
    red = on.between(_EOSIN, _BRICK)
    body = 0.55 + 0.5 * granules + 0.08 * on.piece(on.textures.broad)
    return _mixed(
        # Granules lie above and below the nucleus too.
        (on.cell * (1 - on.nucleus) * body + on.nucleus * granules * np.float32(0.12), red),
        (_chromatin(on), _EOSINOPHIL_CHROMATIN),
    )


def _lymphocyte(on: _Canvas) -> Map:
    """The darkest nucleus of all, in lumps; a pale blue rim."""
    plasm = on.cell * (1 - on.nucleus) * (1 + 0.2 * on.piece(on.textures.clumps))
    rim = np.maximum(0, on.nucleus - smoothed(on.nucleus, 4.0))
    chromatin = on.nucleus * (0.97 + 0.06 * on.piece(on.textures.clumps) + 0.05 * on.piece(on.textures.broad))
    chromatin *= 1 + 0.3 * rim
    return _mixed((plasm, on.between(_SKY, _DEEP_SKY)), (chromatin, on.between(_DENSE, _DENSE_BLUE)))


def _monocyte(on: _Canvas) -> Map:
    """A nucleus like lace, grey-blue around it, bubbles in both."""
    whole = 1 - _vacuoles(on)
    plasm = on.cell * (1 + 0.16 * on.piece(on.textures.clumps) + 0.15 * on.piece(on.textures.broad))
    lace = 1 + 0.10 * on.piece(on.textures.clumps) + 0.05 * on.piece(on.textures.fine)
    nucleus = smoothed(on.nucleus, 1.5)
    return _mixed(
        (plasm * (1 - nucleus) * whole, on.between(_GREY_BLUE, _GREY_LILAC)),
        (nucleus * lace * whole, _LACE),
    )


def _vacuoles(on: _Canvas) -> Map:
    """Return 1 in the middle of a large bubble, 0 where there is none."""
    bubbles = np.zeros(on.cell.shape, np.uint8)
    half = len(bubbles) // 2
    count = int(on.rng.integers(8, 18))
    reach, angle = half * np.sqrt(on.rng.uniform(0, 0.75, count)), on.rng.uniform(0, 2 * np.pi, count)
    size = np.minimum(on.rng.gamma(2.0, 1.6, count) + 1.5, 9)
    spots = np.stack([half + reach * np.cos(angle), half + reach * np.sin(angle), size], 1)
    depth = on.rng.uniform(90, 230, count).tolist()
    for (x, y, radius), level in zip(np.rint(spots * FRACTION).astype(int).tolist(), depth, strict=True):
        cv2.circle(bubbles, (x, y), radius, (level,), -1, cv2.LINE_AA, FRACTION_BITS)
    return softened(bubbles, 1.4)


def _basophil(on: _Canvas) -> Map:
    """Coarse dark granules here and there, also over the nucleus, which they nearly hide."""
    granules = on.piece(on.textures.granules) * np.clip(0.6 + 0.5 * on.piece(on.textures.clumps), 0, 1)
    return _mixed(
        (on.cell * (1 - on.nucleus), on.between(_LILAC, _ROSE)),
        (_chromatin(on), _BASOPHIL_CHROMATIN),
        (on.cell * granules, _DARK_GRANULE),
    )


_PAINTS: dict[str, Callable[[_Canvas], Map]] = {
    "basophil": _basophil,
    "eosinophil": _eosinophil,
    "lymphocyte": _lymphocyte,
    "monocyte": _monocyte,
    "neutrophil": _neutrophil,
}
