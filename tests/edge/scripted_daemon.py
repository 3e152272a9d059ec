"""The daemon as a process of its own, with an analyzer that needs no model: scripted_daemon.py CONFIG"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

from samples import LABELS, MODEL, ScriptedAnalyzer

from edge.config import load_config
from edge.counting import Model
from edge.daemon import Daemon


class SlowAnalyzer(ScriptedAnalyzer):
    """As slow as a Pi, and hanging for good at the field of the number in HANG_AT."""

    _fields = 0

    def analyze(self, pixels):
        self._fields += 1
        time.sleep(3600 if str(self._fields) == os.environ.get("HANG_AT") else 0.01)
        return super().analyze(pixels)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    sys.exit(
        Daemon(
            load_config(Path(sys.argv[1])),
            load=lambda _: Model(SlowAnalyzer(), LABELS, MODEL, "slow"),
            reload=lambda: load_config(Path(sys.argv[1])),
        ).run()
    )
