"""An analyzer that measures fields as large as their first pixel says, and a microscope under which it dies.

measuring.py STORE MOMENT: count a specimen, and be killed as its ruler is remembered.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import numpy as np
from samples import LABELS, MODEL, ScriptedAnalyzer

from edge.cameras import Frame
from edge.config import Config, StoreConfig, UsbConfig
from edge.daemon.health import Progress
from edge.daemon.model import Model
from edge.daemon.pipeline import Pipeline
from edge.daemon.running_count import RunningCount
from edge.finding import cells
from edge.finding.cells import CellFinder
from edge.finding.decoding import KINDS, Detections
from edge.finding.ruler import RED_CELL_UM, SETTLING, Ruler
from edge.store.fields import Store
from edge.store.rulers import Rulers

KNOWN = 60
"""Pixels that a red cell is across at first."""

RED_CELLS = 12


class RedCells:
    """Looks at a field that show as many red cells in it, of the size that its first pixel says; 0: none."""

    def __init__(self, _finder, pixels) -> None:
        self.pixels = pixels

    def middle(self):
        return self

    def find(self, _scale, _least):
        count = RED_CELLS if self.pixels[0, 0, 0] else 0
        places = np.zeros((count, 2), np.float32)
        scores = np.full(count, 0.9, np.float32)
        return Detections(
            np.full(count, KINDS.index("red cell")),
            scores,
            places,
            np.full(count, self.pixels[0, 0, 0], np.float32),
        )


class Measuring(ScriptedAnalyzer):
    def __init__(self, ruler=None) -> None:
        self._cells = CellFinder(None, {"white cell": 0.5, "red cell": 0.5}, ruler)

    def analyze(self, pixels, _reference=None):
        with mock.patch.object(cells, "Looks", RedCells):
            return replace(super().analyze(pixels), scale=self._cells.find(pixels).scale)

    def learn(self, _logits: object) -> None:
        pass

    def restore(self, scales, remembered, _logits) -> None:
        self._cells.restore(scales, remembered)


class Nobody:
    def publish_differential(self, *_, **__) -> None:
        pass

    def notify(self) -> None:
        pass


def config_of(path, camera=None):
    return Config(camera or UsbConfig(device=0), device_id="t", store=StoreConfig(str(path)))


def count(path, specimen_id, *diameters, camera=None, stated=None):
    """Count fields with red cells of these diameters, in a process that has just started; give their scales.

    A specimen that is there already goes on. stated: micrometres a pixel by the configuration.
    """
    config = config_of(path, camera)
    model = Model(Measuring(Ruler.configured(stated) if stated else None), LABELS, MODEL, "measuring")
    with Store.open(path) as store:
        specimen = store.ledger.find(specimen_id) or store.ledger.start(
            specimen_id, target=None, wbc_count=None, resume=False
        )
        pipeline = Pipeline(config, model, store, Nobody(), Progress(), specimen)
        for number, diameter in enumerate(diameters):
            pixels = np.full((40, 60, 3), diameter, np.uint8)
            pipeline.take(Frame(pixels, f"field {number}", datetime.now(UTC)))
        return [field.scale for field in store.fields(specimen_id)]


def stop(path) -> None:
    with Store.open(path) as store:
        store.ledger.stop()


def micrometres(diameter) -> float:
    return round(RED_CELL_UM / diameter, 5)


def _die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    remember = Rulers.remember

    def dying(self, camera, scale):
        if scale.settled and sys.argv[2] == "before":
            _die()
        remember(self, camera, scale)
        if scale.settled and sys.argv[2] == "after":
            _die()

    Rulers.remember = dying
    if sys.argv[2] == "stored":
        add = RunningCount.add

        def added(self, store, fields, stored_ms):
            add(self, store, fields, stored_ms)
            if any(pending.field.scale.settled for pending in fields):
                _die()

        RunningCount.add = added
    count(Path(sys.argv[1]), "A", *[KNOWN] * (SETTLING + 5))
