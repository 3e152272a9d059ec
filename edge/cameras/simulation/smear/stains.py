"""What dyes do to light, and the textures they show, on a drawn smear.

Everything on the slide is drawn as absorbance: the natural logarithm of the light that is lost, a channel.
Absorbances of things that lie over each other add up (Beer 1852, Lambert 1760), and more dye multiplies them.
Colours below are those that a Wright-Giemsa smear shows through a small colour camera. Its colour matrix
makes a nucleus bluer than the empty background, so an absorbance in blue may be below 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cameras.simulation.smear.curves import FRACTION, FRACTION_BITS, smoothed, softened

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The empty background under the lamp, RGB.
WHITE = (199.0, 201.0, 195.0)

# Stamps hold absorbance as int16 in this many steps for 1: half the memory of float32, and it adds faster.
STEPS = 4096

_TILE = 448  # pixels; larger than the largest cell
_FILM = 0.006  # absorbance, deviation


def absorbance(red: float, green: float, blue: float) -> NDArray[np.float32]:
    """Return the absorbance (3,) that turns the empty background into this colour."""
    return np.asarray(np.log(np.asarray(WHITE) / (red, green, blue)), np.float32)


def in_steps(density: NDArray[np.float32]) -> NDArray[np.int16]:
    """Turn absorbance into the whole numbers that stamps hold."""
    return np.asarray(np.rint(density * STEPS), np.int16)


class Textures:
    """Tiles of random structure, from which every cell takes its own piece.

    fine, clumps, broad: float32 noise of mean 0 and deviation 1, grains of about 2, 7 and 30 pixels.
    granules: float32, 0 between granules to 1 at a granule's middle.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.fine = _noise(rng, 1.1)
        self.clumps = _noise(rng, 3.2)
        self.broad = _noise(rng, 14.0)
        self.granules = _granules(rng, pitch=6.6, radius=3.1)


def film(rng: np.random.Generator) -> NDArray[np.int16]:
    """Return the faint film that plasma leaves between the cells: int16 absorbance (448, 448, 3).

    Tiles of it join without a seam.
    """
    noise = rng.normal(0, 1, (_TILE // 8, _TILE // 8, 3)).astype(np.float32)
    around = np.pad(noise, ((8, 8), (8, 8), (0, 0)), mode="wrap")
    smooth = cv2.resize(smoothed(around, 0.8), None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    tile = smooth[64:-64, 64:-64]
    return in_steps(np.asarray(tile * (_FILM / tile.std()), np.float32))


def piece(tile: NDArray[np.float32], rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Cut a random square of `size` pixels from a tile, mirrored or not."""
    y, x = rng.integers(0, _TILE - size + 1, 2)
    return tile[y : y + size, x : x + size][:, :: 1 if rng.random() < 0.5 else -1]


def _noise(rng: np.random.Generator, grain: float) -> NDArray[np.float32]:
    smooth = smoothed(rng.standard_normal((_TILE, _TILE), np.float32), grain)
    return np.asarray((smooth - smooth.mean()) / smooth.std(), np.float32)


def _granules(rng: np.random.Generator, *, pitch: float, radius: float) -> NDArray[np.float32]:
    tile = np.zeros((_TILE, _TILE), np.uint8)
    y, x = np.mgrid[0 : round(_TILE / pitch) + 1, 0 : round(_TILE / pitch) + 1].astype(float)
    x, y = (x + y % 2 / 2) * pitch, y * pitch
    x += rng.normal(0, 0.2 * pitch, x.shape)
    y += rng.normal(0, 0.2 * pitch, y.shape)
    size, level = radius * rng.uniform(0.75, 1.15, x.shape), rng.integers(150, 256, x.shape)
    places = np.rint(np.stack([x, y, size], -1) * FRACTION).astype(int)
    for (cx, cy, r), light in zip(places.reshape(-1, 3).tolist(), level.ravel().tolist(), strict=True):
        cv2.circle(tile, (cx, cy), r, (light,), -1, cv2.LINE_AA, FRACTION_BITS)
    return softened(tile, 0.9)
