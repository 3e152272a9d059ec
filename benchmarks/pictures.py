"""The pictures that are measured on: of the user, or drawn, in every size and with any number of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cameras.replay import ReplayCamera
from edge.cameras.simulated import SimulatedCamera
from edge.config import ReplayConfig, SimulatedConfig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SIZES = ((320, 240), (640, 480), (1640, 1232), (3280, 2464))
COUNTS = (1, 2, 5, 10, 20)
_COLUMNS, _ROWS = 5, 4
_PATCH = 110  # pixels: a cell and what lies next to it; a place of the grid is 128 by 120


def chosen(images: Sequence[str] | None, count: int, folder: Path) -> list[Path]:
    """Give this many files: of the user's images, or views of the simulated slide written to a folder."""
    if images:
        return list(ReplayCamera(ReplayConfig(tuple(images))).files[:count])
    camera = SimulatedCamera(SimulatedConfig(cells=count))
    files: list[Path] = []
    while len(files) < count and (frame := camera.read()):
        files.append(_written(folder / f"{len(files):04d}.jpg", frame.pixels))
    return files


def crowded(folder: Path, counts: Sequence[int] = COUNTS) -> dict[int, Path]:
    """Draw a 640x480 field for each number of cells, 20 at most, each cell in a place of its own."""
    patches, glass = _cells(max(counts))
    files = {}
    for count in counts:
        field = glass.copy()
        for place, patch in enumerate(patches[:count]):
            # Every place is used before a neighbour's: few cells lie far apart.
            row, column = divmod((place * 7) % (_COLUMNS * _ROWS), _COLUMNS)
            y, x = row * 120 + 5, column * 128 + 9
            field[y : y + _PATCH, x : x + _PATCH] = patch
        files[count] = _written(folder / f"cells-{count:02d}.jpg", field)
    return files


def resized(file: Path, folder: Path, sizes: Sequence[tuple[int, int]] = SIZES) -> dict[str, Path]:
    """Give a picture in these sizes (width, height), by their names as `640x480`."""
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    return {
        f"{width}x{height}": _written(
            folder / f"{width}x{height}.jpg",
            np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8),
        )
        for width, height in sizes
    }


def _cells(count: int) -> tuple[list[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Give patches with one whole cell each, and a field of bare glass, uint8 RGB."""
    camera = SimulatedCamera(SimulatedConfig(cells=3 * count, vignetting=0))
    patches: list[NDArray[np.uint8]] = []
    glass = np.zeros((480, 640, 3), np.uint8)
    while len(patches) < count and (frame := camera.read()):
        glass[:] = np.percentile(frame.pixels, 90, axis=(0, 1)).astype(np.uint8)
        for cell in camera.truth(frame.name):
            x, y = (round(middle) - _PATCH // 2 for middle in cell.center)
            patch = frame.pixels[max(0, y) : y + _PATCH, max(0, x) : x + _PATCH]
            if cell.complete and patch.shape[:2] == (_PATCH, _PATCH):
                patches.append(patch)
    return patches, glass


def _written(file: Path, pixels: NDArray[np.uint8]) -> Path:
    cv2.imwrite(str(file), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return file
