"""Evens out the light: the glass between the cells is brought to one grey before cells are looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHITE_LEVEL = 235
"""Grey level that bare glass is brought to."""

TILE = 4.0
"""Side of the tiles in which glass is looked for, in red cells: no white cell may fill a whole tile."""

_MOST_TILES = 8
_SAMPLES = 16  # pixels along a side of a tile that are looked at
_GLASS = 0.15  # share of a tile, the brightest, that is taken for glass
_DARKEST = 30.0  # glass darker than this is not brightened fully: noise would become colour


def tiles(size: tuple[int, int], red_cell: float) -> tuple[int, int]:
    """Return how many rows and columns of tiles a picture (height, width) has, red_cell pixels a red cell."""
    rows, columns = (max(1, min(_MOST_TILES, int(side / (TILE * red_cell)))) for side in size)
    return rows, columns


def glass(pixels: NDArray[np.uint8], grid: tuple[int, int]) -> NDArray[np.float32]:
    """Return the colour of the glass in each tile, float32 (rows, columns, 3).

    It is the mean of the tile's brightest pixels. pixels: uint8 RGB (height, width, 3). grid: of `tiles`.
    """
    rows, columns = grid
    small = cv2.resize(pixels, (columns * _SAMPLES, rows * _SAMPLES), interpolation=cv2.INTER_AREA)
    parts = small.reshape(rows, _SAMPLES, columns, _SAMPLES, 3).swapaxes(1, 2)
    parts = parts.reshape(rows, columns, _SAMPLES * _SAMPLES, 3)
    brightness = parts.sum(axis=3, dtype=np.int32)
    count = int(_GLASS * _SAMPLES * _SAMPLES)
    brightest = np.argpartition(brightness, -count, axis=2)[:, :, -count:, None]
    level = np.take_along_axis(parts, brightest, axis=2).mean(axis=2, dtype=np.float32)
    return np.asarray(level, np.float32)


def evened(pixels: NDArray[np.uint8], glass_of_tiles: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the picture with its glass at the same grey everywhere, uint8 RGB (height, width, 3)."""
    level = np.maximum(glass_of_tiles, _DARKEST)
    if level.shape[:2] == (1, 1):
        table = np.arange(256, dtype=np.float32)[:, None] * (WHITE_LEVEL / level[0])
        return np.asarray(cv2.LUT(pixels, np.minimum(np.rint(table), 255).astype(np.uint8)[None]), np.uint8)
    height, width = pixels.shape[:2]
    smooth = cv2.blur(level, (3, 3), borderType=cv2.BORDER_REPLICATE)
    everywhere = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.divide(pixels, everywhere, scale=WHITE_LEVEL, dtype=cv2.CV_8U), np.uint8)


def even(pixels: NDArray[np.uint8], red_cell: float) -> NDArray[np.uint8]:
    """Return a picture, uint8 RGB (height, width, 3), in even light by its own glass; red_cell: in pixels."""
    return evened(pixels, glass(pixels, tiles((pixels.shape[0], pixels.shape[1]), red_cell)))
