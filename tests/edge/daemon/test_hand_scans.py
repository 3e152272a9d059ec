"""Slides pushed by hand, drawn and of real fields: the daemon counts every cell once. All by `make soak`."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hand_scans import Counted, Known, count_by_daemon
from real_data import real_images

from edge.cameras import Frame
from edge.cameras.simulation.camera import SimulatedCamera
from edge.cameras.simulation.hand import HandPath
from edge.cameras.simulation.optics import Optics
from edge.config import SimulatedConfig

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SOAK = os.environ.get("LEUKOSCOPE_SOAK") == "1"
SLIDES = [(seed, 200) for seed in range(1, 11)] if SOAK else [(1, 40)]
MOSAICS = [(seed, 14, 13) for seed in range(1, 11)] if SOAK else [(1, 5, 4)]
RATE = 1.5  # frames in a second of the hand's time
SIDE, SEAM = 360, 30  # of a real field, its white cells as large as drawn ones; what is blended, pixels

pytestmark = pytest.mark.timeout(1800 if SOAK else 300)


def told(what: str, counted: Counted, drawn: Counter[str] | None = None) -> None:
    """Print a row of figures: with `make soak`, what was measured."""
    expected = counted.expected
    classes = ", ".join(
        f"{name} {counted.labels[name]}/{expected[name]}" + (f"/{drawn[name]}" if drawn else "")
        for name in sorted(counted.labels | expected | (drawn or {}))
    )
    unplaced = sum(field.position is None for field in counted.fields)
    regions = sum(field.position is not None and field.position.new_region for field in counted.fields)
    found = f"{counted.white_cells} found, {counted.times.count(0)} missed"
    amiss = f"{sum(times > 1 for times in counted.times)} twice, {counted.strangers} strange"
    print(  # noqa: T201 (what the test measured)
        f"\n{what}: {len(counted.fields)} frames, {unplaced} smeared, {regions} regions; {len(counted.times)}"
        f" cells, {found}, {amiss}; {classes}; refused {dict(counted.refused)}"
    )


@pytest.mark.parametrize(("seed", "cells"), SLIDES)
def test_a_drawn_slide_pushed_by_hand_counts_every_cell_once(tmp_path, seed, cells):
    config = SimulatedConfig(seed=seed, cells=cells, motion="manual", hand_rate=RATE)
    camera = SimulatedCamera(config)
    true = [Known(cell.label, cell.box) for cell in camera.true_cells()]
    counted = count_by_daemon(tmp_path, config, camera, true, camera.place)
    told(f"drawn slide {seed}", counted, Counter(cell.label for cell in true))
    assert set(counted.times) == {1}, "every cell once"
    assert abs(counted.white_cells - cells) <= 0.02 * cells
    # The calls are the model's, right or wrong: of each cell's best-focused view.
    assert counted.furthest_off() <= 2


def test_a_slide_that_begins_anew_after_a_restart_is_counted_as_without_one(tmp_path):
    config = SimulatedConfig(seed=3, cells=6, motion="manual", hand_rate=0.8)
    frames = len(SimulatedCamera(config))

    def count(folder: Path, frames: int) -> Counted:
        camera = Interrupted(config, frames)
        true = [Known(cell.label, cell.box) for cell in camera.true_cells()]
        return count_by_daemon(folder, config, camera, true, camera.place)

    in_one = count(tmp_path / "one", frames)
    assert sum(in_one.times) >= 5
    assert len(count(tmp_path / "two", frames // 2).fields) == frames // 2
    in_two = count(tmp_path / "two", frames)
    assert [field.source for field in in_two.fields] == [field.source for field in in_one.fields]
    assert (in_two.labels, in_two.refused) == (in_one.labels, in_one.refused)
    assert (in_two.times, in_two.strangers) == (in_one.times, in_one.strangers)
    places = [[field.position for field in each.fields] for each in (in_one, in_two)]
    assert places[0] == places[1]


class Interrupted(SimulatedCamera):
    """One whose daemon ends after some frames, before all of the slide was seen."""

    def __init__(self, config: SimulatedConfig, frames: int) -> None:
        super().__init__(config)
        self._left = frames
        self.interrupted = lambda: None

    def read(self) -> Frame | None:
        self._left -= 1
        if self._left >= 0:
            return super().read()
        self.interrupted()  # its end would be the slide's
        return None


def labelled(path: Path) -> list[tuple[float, float, float, float]]:
    """Return the boxes of a field's white cells, in pixels of a field of the mosaic."""
    lines = (path.parents[1] / "labels" / f"{path.stem}.txt").read_text(encoding="ascii").splitlines()
    boxes = [[float(number) * SIDE for number in line.split()[1:]] for line in lines if line[:2] == "0 "]
    return [(x - width / 2, y - height / 2, width, height) for x, y, width, height in boxes]


def is_usable(path: Path) -> bool:
    boxes = labelled(path)
    return bool(boxes) and all(
        min(x, y) >= SEAM and max(x + width, y + height) <= SIDE - SEAM for x, y, width, height in boxes
    )


class Mosaic:
    """Real fields side by side, blended over their seams, evenly lit. The picture is in memory only.

    cells: the labelled white cells, each of which lies inside its field, away from the seams.
    """

    def __init__(self, paths: list[Path], columns: int, rows: int) -> None:
        step = SIDE - SEAM
        height, width = rows * step + SEAM, columns * step + SEAM
        sheet = np.zeros((height, width, 3), np.float32)
        ramp = np.minimum(1, (np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1]) + 1) / SEAM)
        weight = np.outer(ramp, ramp).astype(np.float32)[..., None]
        total = np.zeros((height, width, 1), np.float32)
        self.cells: list[Known] = []
        for number, path in enumerate(paths[: columns * rows]):
            row, column = divmod(number, columns)
            read = cv2.resize(cv2.imread(str(path)), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            field = read[:, :, ::-1].astype(np.float32)
            for left, top, across, down in labelled(path):
                box = (column * step + left, row * step + top, across, down)
                self.cells.append(Known("white cell", box))
            field *= 215 / np.percentile(field, 90, (0, 1))  # as bright and white as its neighbours
            here = np.s_[row * step : row * step + SIDE, column * step : column * step + SIDE]
            sheet[here] += field * weight
            total[here] += weight
        self.pixels = np.clip(sheet / total, 0, 255).astype(np.uint8)

    def transmittance(self, x: int, y: int, width: int, height: int) -> NDArray[np.float32]:
        return self.pixels[y : y + height, x : x + width].astype(np.float32) / 255


class MosaicCamera:
    """A hand pushes the mosaic under a camera."""

    def __init__(self, mosaic: Mosaic, config: SimulatedConfig) -> None:
        self.mosaic, self._config = mosaic, config
        height, width = mosaic.pixels.shape[:2]
        self._size = config.width, config.height
        rng = np.random.default_rng(config.seed)
        self._path = HandPath(rng, (width, height), self._size, rate=RATE, exposure_s=0.015)
        self._optics = Optics(config, (255, 255, 255))
        self._next = 0

    def picture(self, light, *key: int, defocus: float = 0.0) -> NDArray[np.uint8]:
        return self._optics.exposed(light, np.random.default_rng((self._config.seed, *key)), defocus=defocus)

    def read(self) -> Frame | None:
        if self._next >= len(self._path):
            return None
        number, self._next = self._next, self._next + 1
        exposure = self._path[number]
        pixels = self.picture(exposure.light(self.mosaic, *self._size), number, defocus=exposure.defocus)
        return Frame(pixels, str(number), datetime.now(UTC))

    def corner(self, name: str) -> tuple[float, float]:
        return self._path[int(name)].corner

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("seed", "columns", "rows"), MOSAICS)
def test_a_slide_of_real_fields_pushed_by_hand_counts_every_cell_once(tmp_path, seed, columns, rows):
    paths = [path for path in sorted(real_images("fields-575", "images").glob("*.jpg")) if is_usable(path)]
    np.random.default_rng(seed).shuffle(paths)
    config = SimulatedConfig(seed=seed, motion="manual", hand_rate=RATE)
    camera = MosaicCamera(Mosaic(paths, columns, rows), config)
    counted = count_by_daemon(tmp_path, config, camera, camera.mosaic.cells, camera.corner)
    cells = len(camera.mosaic.cells)
    told(f"real slide {seed}", counted)
    assert not any(times > 1 for times in counted.times), "no cell twice"
    assert abs(counted.white_cells - cells) <= 0.02 * cells
    assert counted.furthest_off() <= 2
