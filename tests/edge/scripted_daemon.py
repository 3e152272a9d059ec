"""The daemon as a process of its own, with an analyzer that needs no model.

scripted_daemon.py [--resume] CONFIG
"""

from __future__ import annotations

import logging
import os
import sys
import time
from datetime import datetime
from pathlib import Path

from samples import LABELS, MODEL, ScriptedAnalyzer

from edge import identity
from edge.cameras import replay
from edge.config import load_config
from edge.daemon.model import Model
from edge.daemon.process import Daemon


def step_clock(years: float) -> None:
    """Let every clock of this process but the monotonic one be that far off from here on.

    Not by libfaketime: stepping, it moves the monotonic clock as well, which no kernel does.
    """
    off_s, right_s, right_ns = years * 365.25 * 86400, time.time, time.time_ns

    class Stepped(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(time.time(), tz)

    time.time = lambda: right_s() + off_s
    time.time_ns = lambda: right_ns() + int(off_s * 1e9)
    identity.datetime = replay.datetime = Stepped


class SlowAnalyzer(ScriptedAnalyzer):
    """As slow as a Pi. Hangs for good at the field that HANG_AT numbers; the clock may step at the fifth."""

    _fields = 0

    def analyze(self, pixels, _reference=None):
        self._fields += 1
        if self._fields == 5 and "STEP_YEARS" in os.environ:
            step_clock(float(os.environ["STEP_YEARS"]))
        time.sleep(3600 if str(self._fields) == os.environ.get("HANG_AT") else 0.01)
        return super().analyze(pixels)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    sys.exit(
        Daemon(
            load_config(Path(sys.argv[-1])),
            load=lambda _: Model(SlowAnalyzer(), LABELS, MODEL, "slow"),
            reload=lambda: load_config(Path(sys.argv[-1])),
            resume="--resume" in sys.argv,
        ).run()
    )
