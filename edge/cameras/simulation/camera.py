"""A drawn smear under a simulated microscope: every cell known, no patient, no device."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edge.cameras.frame import Frame
from edge.cameras.pacing import Pacer
from edge.cameras.simulation.hand import Exposure, HandPath
from edge.cameras.simulation.marks import draw_marks
from edge.cameras.simulation.optics import Optics
from edge.cameras.simulation.smear import FIELD, WHITE, Smear, TrueCell

if TYPE_CHECKING:
    from edge.config import SimulatedConfig

_HAND = 0x4A4D  # keeps the hand's random numbers apart from the slide's


class SimulatedCamera:
    """Moves a slide under the lens until all of it was seen.

    The path `grid` is a meander, view by view without overlap; the path `hand` is a technician's, see
    `edge.cameras.simulation.hand`. A view is the field of a 640x480 camera; more pixels show it larger, and
    nothing more of it. A frame's name is its place in the frame's pixels, `simulated x=1280 y=960`, with its
    number before it where a hand may come to the same place again, `simulated 17 x=1280 y=960`. Its source_id
    is number, place, seed and a hash of all settings that change a pixel.

    smear: the slide. Its cells are in pixels of the slide; `truth` gives them in pixels of a frame.
    sensor: what a calibration knows the camera by.
    """

    sensor = "simulated"

    def __init__(self, config: SimulatedConfig) -> None:
        self._config = config
        # The larger field in the longer direction, so that even the largest cell fits the shorter.
        self._zoom = min(config.width / FIELD[0], config.height / FIELD[1])
        self._field = round(config.width / self._zoom), round(config.height / self._zoom)
        cells = 0 if config.empty else config.cells
        self.smear = Smear.draw(config.seed, cells, field=self._field, stain=config.stain)
        self._optics = Optics(config, WHITE)
        self._pacer = Pacer(config.frames_per_second)
        self._by_hand = config.motion == "manual"
        self._path: HandPath | list[Exposure] = self._hand_path() if self._by_hand else self._meander()
        self._next = 0
        drawn = msgspec.structs.replace(config, frames_per_second=0.0, calibration="")
        self._settings = hashlib.sha256(msgspec.json.encode(drawn)).hexdigest()[:12]

    def __len__(self) -> int:
        """Count the frames, from the first to the last."""
        return len(self._path)

    def read(self) -> Frame | None:
        """Return the next frame, or None after the last one."""
        if self._next >= len(self._path) or not self._pacer.wait():
            return None
        number, exposure = self._next, self._path[self._next]
        self._next += 1
        if self._config.empty:
            light = np.ones((self._field[1], self._field[0], 3), np.float32)
        else:
            light = exposure.light(self.smear, *self._field)
        rng = np.random.default_rng((self._config.seed, *self._view(number)))
        pixels = self._optics.exposed(light, rng, defocus=exposure.defocus * self._zoom)
        if self._config.marks:
            draw_marks(pixels, self._config.marks, rng)
        name = self._name(number)
        place = name.removeprefix("simulated ").replace("x=", "").replace("y=", "").replace(" ", ":")
        source_id = f"simulated:{self._config.seed}:{place}:{self._settings}"
        return Frame(pixels, name, datetime.now(UTC), source_id, simulated=True)

    def truth(self, name: str) -> tuple[TrueCell, ...]:
        """Return the white cells of the frame of this name, in its pixels; its edge cuts the incomplete.

        The boxes of a cut cell end at the edge; where its nucleus lies outside, that box is empty. Of a frame
        that was taken while the slide moved, the view is that of the middle of the exposure.
        Raises ValueError where the name is not a frame's.
        """
        cells = self.smear.cells_in(*self._corner(name), *self._field)
        return tuple(_zoomed(cell, self._zoom) for cell in cells)

    def place(self, name: str) -> tuple[float, float]:
        """Return the upper left corner of the frame of this name on the slide, in the frame's pixels.

        Raises ValueError where the name is not a frame's.
        """
        x, y = self._corner(name)
        return x * self._zoom, y * self._zoom

    def true_cells(self) -> tuple[TrueCell, ...]:
        """Return all white cells of the slide, in the places and the pixels of `place`."""
        return tuple(_zoomed(cell, self._zoom) for cell in self.smear.cells)

    def close(self) -> None:
        """End the source: from here on `read` gives None."""
        self._pacer.stop()

    def _hand_path(self) -> HandPath:
        across, down = self._field
        return HandPath(
            np.random.default_rng((self._config.seed, _HAND)),
            (self.smear.columns * across, self.smear.rows * down),
            self._field,
            rate=self._config.hand_rate,
            exposure_s=self._config.exposure_ms / 1000,
        )

    def _meander(self) -> list[Exposure]:
        """Return the views of a grid, every other row backwards: a stage goes step by step."""
        columns, (across, down) = self.smear.columns, self._field
        return [
            Exposure(((column * across, row * down),), 0.0)
            for row in range(self.smear.rows)
            for column in (range(columns) if row % 2 == 0 else reversed(range(columns)))
        ]

    def _view(self, number: int) -> tuple[int, ...]:
        """Return what no other frame shares: the number of a hand's, column and row of the grid's."""
        if self._by_hand:
            return (number,)
        x, y = self._path[number].corner
        return x // self._field[0], y // self._field[1]

    def _name(self, number: int) -> str:
        x, y = self._path[number].corner
        if self._by_hand:
            return f"simulated {number} x={round(x * self._zoom)} y={round(y * self._zoom)}"
        column, row = self._view(number)
        return f"simulated x={column * self._config.width} y={row * self._config.height}"

    def _corner(self, name: str) -> tuple[int, int]:
        """Return the corner of the view of a frame, in pixels of the slide."""
        try:
            first, *number, x, y = name.split()
            column, row = int(x.removeprefix("x=")), int(y.removeprefix("y="))
            index = int(number[0]) if number else -1
        except (ValueError, IndexError):
            raise ValueError(f"{name!r} is not the name of a simulated frame") from None
        if not self._by_hand:
            across, down = self._field
            return column // self._config.width * across, row // self._config.height * down
        if first != "simulated" or not 0 <= index < len(self._path) or self._name(index) != name:
            raise ValueError(f"{name!r} is not the name of a frame of this hand's path")
        return self._path[index].corner


def _zoomed(cell: TrueCell, zoom: float) -> TrueCell:
    def scaled(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        x, y, width, height = (round(side * zoom) for side in box)
        return x, y, width, height

    return replace(
        cell,
        center=(cell.center[0] * zoom, cell.center[1] * zoom),
        box=scaled(cell.box),
        nucleus_box=scaled(cell.nucleus_box),
        radius=cell.radius * zoom,
    )
