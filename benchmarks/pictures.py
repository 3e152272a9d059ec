"""The pictures that are measured on: of the user, or drawn, in every size and with any number of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cameras.replay import ReplayCamera
from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import ReplayConfig, SimulatedConfig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.cameras.simulation.smear import TrueCell

SIZES = ((320, 240), (640, 480), (1640, 1232), (3280, 2464))
COUNTS = (1, 2, 5, 10, 20)
_COLUMNS, _ROWS = 5, 4
_PATCH = 110  # pixels: a cell and what lies next to it; a place of the grid is 128 by 120


def chosen(images: Sequence[str] | None, count: int, folder: Path) -> list[Path]:
    """Return this many files: of the user's images, or views of the simulated slide written to a folder."""
    if images:
        return list(ReplayCamera(ReplayConfig(tuple(images))).files[:count])
    return [file for file, _ in drawn(count, folder)]


def drawn(count: int, folder: Path) -> list[tuple[Path, tuple[TrueCell, ...]]]:
    """Write this many views of the simulated slide to a folder, where they are not yet; give their cells."""
    camera = SimulatedCamera(SimulatedConfig(cells=count))
    views: list[tuple[Path, tuple[TrueCell, ...]]] = []
    while len(views) < count and (frame := camera.read()):
        file = folder / f"{count}-{len(views):04d}.jpg"
        views.append((file if file.exists() else _written(file, frame.pixels), camera.truth(frame.name)))
    return views


def crowded(folder: Path, counts: Sequence[int] = COUNTS) -> dict[int, Path]:
    """Draw a 640x480 field for each number of cells, 20 at most, each cell in a place of its own.

    Cells, and the red ones around them, are half as large as the simulated camera shows them, as through a
    lens of half the power: twenty of that camera's own do not fit a field.
    """
    patches, blood = _cells(max(counts))
    files = {}
    for count in counts:
        field = blood.copy()
        for place, patch in enumerate(patches[:count]):
            # Every place is used before a neighbour's: few cells lie far apart.
            row, column = divmod((place * 7) % (_COLUMNS * _ROWS), _COLUMNS)
            y, x = row * 120 + 5, column * 128 + 9
            field[y : y + _PATCH, x : x + _PATCH] = patch
        files[count] = _written(folder / f"cells-{count:02d}.jpg", field)
    return files


def resized(file: Path, folder: Path, sizes: Sequence[tuple[int, int]] = SIZES) -> dict[str, Path]:
    """Return a picture in these sizes (width, height), by their names as `640x480`."""
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    return {
        f"{width}x{height}": _written(
            folder / f"{width}x{height}.jpg",
            np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8),
        )
        for width, height in sizes
    }


def _cells(count: int) -> tuple[list[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Patches with one whole white cell each, and a field without any, uint8 RGB, at half the scale."""
    camera = SimulatedCamera(SimulatedConfig(cells=4 * count + 20, vignetting=0))
    patches: list[NDArray[np.uint8]] = []
    blood: NDArray[np.uint8] | None = None
    while (len(patches) < count or blood is None) and (frame := camera.read()):
        view = np.asarray(cv2.resize(frame.pixels, (320, 240), interpolation=cv2.INTER_AREA), np.uint8)
        cells = camera.truth(frame.name)
        if not cells and blood is None:
            upper = np.hstack([view, view[:, ::-1]])  # mirrored, so that no red cell ends at a seam
            blood = np.vstack([upper, upper[::-1]])
        for cell in cells:
            # The patch is moved into the view, where the cell lies near its edge.
            x, y = (
                min(max(0, round(middle / 2) - _PATCH // 2), side - _PATCH)
                for middle, side in zip(cell.center, (320, 240), strict=True)
            )
            if cell.complete and sum(_shows(x, y, other.box) for other in cells) == 1:
                patches.append(view[y : y + _PATCH, x : x + _PATCH])
    if blood is None or len(patches) < count:
        raise RuntimeError(f"the drawn slide has {len(patches)} of {count} cells that stand alone")
    return patches, blood


def _shows(x: int, y: int, box: tuple[int, int, int, int]) -> bool:
    """Whether the patch at a place of the halved view shows any of a box of the whole one."""
    left, top, width, height = (side / 2 for side in box)
    return x - width < left < x + _PATCH and y - height < top < y + _PATCH


def _written(file: Path, pixels: NDArray[np.uint8]) -> Path:
    cv2.imwrite(str(file), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return file
