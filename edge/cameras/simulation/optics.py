"""What lens, lamp and sensor make of the light that leaves a slide, for a simulated camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.config import SimulatedConfig

_WARMTH = 0.2  # how far red rises and blue falls at warmth 1
_NOISE_TILE = 512
_NOISE_BLOCK = 448  # leaves 64 x 64 places on the tile to take a block from
_DEMOSAIC = 0.5  # pixels: filling in the colour filter's gaps leaves no pixel's noise its own


class Optics:
    """A lens and a sensor of the configuration's frame size and faults."""

    def __init__(self, config: SimulatedConfig, white: tuple[float, float, float]) -> None:
        """Set up for frames whose empty background is `white` (RGB) at illumination 1 and warmth 0."""
        self._size = config.width, config.height
        self._defocus = config.defocus
        self._noise = config.noise
        gains = np.array([1 + _WARMTH * config.warmth, 1, 1 - _WARMTH * config.warmth])
        colour = np.asarray(gains * white * config.illumination, np.float32)
        x, y = (np.linspace(-1, 1, length, dtype=np.float32) for length in self._size)
        falloff = 1 - np.float32(config.vignetting / 2) * np.add.outer(y**2, np.repeat(x, 3) ** 2)
        across = 1 - np.float32(config.uneven) * np.repeat((x + 1) / 2, 3)
        self._light = falloff * across * np.tile(colour, config.width)
        self._haze = np.float32(config.haze)
        self._stray = np.tile(colour, config.width)
        self._grain = _grain(np.random.default_rng((config.seed, 0xCA3E7A))) if config.noise else None

    def exposed(
        self, transmittance: NDArray[np.float32], rng: np.random.Generator, *, defocus: float = 0.0
    ) -> NDArray[np.uint8]:
        """Take a picture, uint8 RGB (height, width, 3).

        transmittance: float32 (any height, any width, 3), the share of light that the field lets through;
        overwritten. rng: where this picture's noise comes from. defocus: blur of this picture beyond that of
        the configuration, standard deviation in pixels.
        """
        width, height = self._size
        seen = transmittance
        if seen.shape[:2] != (height, width):
            way = cv2.INTER_AREA if width < seen.shape[1] else cv2.INTER_LINEAR
            seen = np.asarray(cv2.resize(seen, self._size, interpolation=way), np.float32)
        rows = seen.reshape(height, -1)
        rows *= self._light
        blur = float(np.hypot(self._defocus, defocus))
        if blur:
            cv2.GaussianBlur(seen, (0, 0), blur, dst=seen, borderType=cv2.BORDER_REFLECT)
        if self._haze:
            rows += self._haze * (self._stray - rows)
        if self._grain is not None:
            self._add_noise(seen, rng, self._grain)
        np.maximum(seen, 0, out=seen)
        return np.asarray(cv2.convertScaleAbs(seen), np.uint8)

    def _add_noise(
        self, seen: NDArray[np.float32], rng: np.random.Generator, grain: NDArray[np.float32]
    ) -> None:
        # Parts of one tile, because a million random numbers would cost more than all the rest of a picture.
        height, width = seen.shape[:2]
        for top in range(0, height, _NOISE_BLOCK):
            for left in range(0, width, _NOISE_BLOCK):
                block = seen[top : top + _NOISE_BLOCK, left : left + _NOISE_BLOCK]
                y, x = rng.integers(0, _NOISE_TILE - _NOISE_BLOCK + 1, 2)
                piece = grain[y : y + block.shape[0], x : x + block.shape[1]]
                cv2.scaleAdd(piece, self._noise, block, dst=block)


def _grain(rng: np.random.Generator) -> NDArray[np.float32]:
    raw = rng.standard_normal((_NOISE_TILE, _NOISE_TILE, 3), np.float32)
    smooth = np.asarray(cv2.GaussianBlur(raw, (0, 0), _DEMOSAIC), np.float32)
    return np.asarray(smooth / smooth.std(), np.float32)
