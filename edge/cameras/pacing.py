"""Frames at a steady rate, for sources that could give them faster."""

from __future__ import annotations

import threading
import time


class Pacer:
    """Holds each frame back until it is due. A rate of 0 holds nothing back.

    A reader that falls behind gets no burst of frames to catch up.
    """

    def __init__(self, frames_per_second: float) -> None:
        self._period = 1.0 / frames_per_second if frames_per_second > 0 else 0.0
        self._due = time.monotonic()
        self._stopped = threading.Event()

    @property
    def pause_s(self) -> float:
        """How far apart the frames are, in seconds; 0 where nothing is held back."""
        return self._period

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def wait(self) -> bool:
        """Wait until the next frame is due; False at once where `stop` was called, from whichever thread."""
        if self._period:
            now = time.monotonic()
            self._due = max(self._due, now)
            # An event, not a sleep: even at one frame in ten minutes the daemon must be able to stop.
            self._stopped.wait(self._due - now)
            self._due += self._period
        return not self._stopped.is_set()

    def stop(self) -> None:
        """Let a waiting reader go, and never wait again. Safe to call twice."""
        self._stopped.set()
