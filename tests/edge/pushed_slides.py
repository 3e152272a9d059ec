"""A drawn slide pushed about under a camera, whose cells are known."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import msgspec
from samples import LABELS, MODEL, Analyzed, cell, quality

from edge.cameras import Frame
from edge.cameras.simulation.smear import Smear
from edge.config import Config, MqttConfig, SimulatedConfig, SpecimenConfig, StoreConfig
from edge.daemon.model import Model
from edge.daemon.process import Daemon

WIDTH, HEIGHT = 640, 480


def seen(smear, x, y):
    """Return the cells of a window as a perfect finder and classifier would."""
    return [
        msgspec.structs.replace(cell(true.label, cut_by_edge=not true.complete), box=true.box)
        for true in smear.cells_in(x, y, WIDTH, HEIGHT)
    ]


SMEAR = Smear.draw(4, 10)


FIELDS = [
    (x, y)
    for y in range(0, (SMEAR.rows - 1) * HEIGHT + 1, 240)
    for x in range(0, (SMEAR.columns - 1) * WIDTH + 1, 320)
]


class Stage:
    """A live camera over a slide, with an analyzer behind it that knows the slide.

    call: what it makes of a cell's label, and how sharp the frame is, at the frame of this number.
    """

    def __init__(
        self, config: Config, path, *, call=lambda label, _number: (label, 5.0), resume=False
    ) -> None:
        self._path = list(path)
        self._call = call
        self._number = -1
        model = Model(self, LABELS, MODEL, "x")
        self.daemon = Daemon(config, load=lambda _: model, camera=lambda _: self, resume=resume)

    def read(self) -> Frame | None:
        self._number += 1
        if self._number >= len(self._path):
            return None
        pixels = SMEAR.view(*self._path[self._number], WIDTH, HEIGHT)
        return Frame(pixels, f"frame {self._number}", datetime.now(UTC))

    def analyze(self, pixels, _reference):
        x, y = self._path[self._number]
        cells, sharp = [], 5.0
        for true in SMEAR.cells_in(x, y, WIDTH, HEIGHT):
            label, sharp = self._call(true.label, self._number)
            cells.append(msgspec.structs.replace(cell(label, cut_by_edge=not true.complete), box=true.box))
        about = msgspec.structs.replace(quality(), focus=sharp)
        return Analyzed(pixels.shape[1], pixels.shape[0], about, tuple(cells), {"total": 0.1})

    def learn(self, _logits: object) -> None:
        pass

    def restore(self, scales, remembered, logits) -> None:
        pass

    def close(self) -> None:
        pass


def configured(tmp_path, broker, registration: str) -> Config:
    return Config(
        SimulatedConfig(),
        device_id="test-1",
        specimen=SpecimenConfig(id="S", registration=registration),
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(host=broker.host, port=broker.port),
    )


def truth() -> Counter[str]:
    """Return the classes of the cells that some field shows whole."""
    return Counter(
        true.label
        for true in SMEAR.cells
        if any(
            x <= true.box[0]
            and true.box[0] + true.box[2] <= x + WIDTH
            and y <= true.box[1]
            and true.box[1] + true.box[3] <= y + HEIGHT
            for x, y in FIELDS
        )
    )
