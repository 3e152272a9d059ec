"""The daemon as a process of its own, under whose live camera a hand pushes a slide.

live_daemon.py CONFIG.
The hand goes on where the last process ended, as if the power had been away for a moment.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import SimulatedConfig, load_config
from edge.daemon.process import Daemon
from edge.store.fields import Store

if TYPE_CHECKING:
    from edge.cameras import Frame


class LiveHand(SimulatedCamera):
    """No frame says that it would come again, and those that the store has, the hand has left behind."""

    def __init__(self, config: SimulatedConfig, path: Path) -> None:
        super().__init__(config)
        with Store.open(path) as store:
            self._next = store.next_sequence() - 1

    def read(self) -> Frame | None:
        frame = super().read()
        return None if frame is None else dataclasses.replace(frame, source_id=None)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    config = load_config(Path(sys.argv[1]))
    sys.exit(Daemon(config, camera=lambda source: LiveHand(source, Path(config.store.path))).run())
