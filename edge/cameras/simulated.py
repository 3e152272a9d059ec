"""A drawn smear under a simulated microscope: every cell known, no patient, no device."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edge.cameras import Frame
from edge.cameras.optics import Optics
from edge.cameras.pacing import Pacer
from edge.cameras.smear import FIELD, WHITE, Smear, TrueCell

if TYPE_CHECKING:
    from edge.config import SimulatedConfig


class SimulatedCamera:
    """Moves a slide under the lens in a meander, view by view without overlap, until all of it was seen.

    A view is the field of a 640x480 camera; more pixels show it larger, and nothing more of it. A frame's
    name is its place, `simulated x=1280 y=960`, in the frame's pixels; its source_id is that place, the seed
    and a hash of all settings that change a pixel.

    smear: the slide. Its cells are in pixels of the slide; `truth` gives them in pixels of a frame.
    """

    def __init__(self, config: SimulatedConfig) -> None:
        self._config = config
        # The larger field in the longer direction, so that even the largest cell fits the shorter.
        self._zoom = min(config.width / FIELD[0], config.height / FIELD[1])
        self._field = round(config.width / self._zoom), round(config.height / self._zoom)
        self.smear = Smear.draw(config.seed, config.cells, field=self._field, stain=config.stain)
        self._optics = Optics(config, WHITE)
        self._pacer = Pacer(config.frames_per_second)
        self._places = _meander(self.smear.columns, self.smear.rows)
        self._next = 0
        drawn = msgspec.structs.replace(config, frames_per_second=0.0)
        self._settings = hashlib.sha256(msgspec.json.encode(drawn)).hexdigest()[:12]

    def __len__(self) -> int:
        """Count the views of the slide."""
        return len(self._places)

    def read(self) -> Frame | None:
        """Give the next view, or None after the last one."""
        if self._next >= len(self._places) or not self._pacer.wait():
            return None
        column, row = self._places[self._next]
        self._next += 1
        across, down = self._field
        light = self.smear.transmittance(column * across, row * down, across, down)
        pixels = self._optics.exposed(light, np.random.default_rng((self._config.seed, column, row)))
        x, y = column * self._config.width, row * self._config.height
        source_id = f"simulated:{self._config.seed}:{x}:{y}:{self._settings}"
        return Frame(pixels, f"simulated x={x} y={y}", datetime.now(UTC), source_id)

    def truth(self, name: str) -> tuple[TrueCell, ...]:
        """Give the white cells of the frame of this name, in its pixels; its edge cuts the incomplete.

        The boxes of a cut cell end at the edge; where its nucleus lies outside, that box is empty.
        Raises ValueError where the name is not a frame's.
        """
        try:
            _, x, y = name.split()
            column, row = int(x.removeprefix("x=")), int(y.removeprefix("y="))
        except ValueError:
            raise ValueError(f"{name!r} is not the name of a simulated frame") from None
        across, down = self._field
        left, top = column // self._config.width * across, row // self._config.height * down
        return tuple(_zoomed(cell, self._zoom) for cell in self.smear.cells_in(left, top, across, down))

    def close(self) -> None:
        """End the source: from here on `read` gives None."""
        self._pacer.stop()


def _meander(columns: int, rows: int) -> list[tuple[int, int]]:
    """Give the places (column, row) of a grid, every other row backwards: a stage goes step by step."""
    return [
        (column, row)
        for row in range(rows)
        for column in (range(columns) if row % 2 == 0 else reversed(range(columns)))
    ]


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
