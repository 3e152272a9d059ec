"""The publisher's time: it passes only while it rests, in no time, or as the test moves it on."""

from __future__ import annotations

import select
import threading
from types import SimpleNamespace

from paper_connection import StoppedClock

from edge.mqtt import publisher
from edge.mqtt.connection import ConnectionLostError

STARTED = 0.5
"""Seconds: the machine has just started."""


class RestingClock(StoppedClock):
    """Stands in for `time`, `select` and `random` of the publisher.

    jitter: 1.0 for the longest rest that may be, 0.0 for the shortest. holds_at: when it waits in earnest,
    once, until it is woken; `holding` is set then.
    """

    def __init__(self, monkeypatch, *, jitter: float = 1.0, holds_at: float = float("inf")) -> None:
        super().__init__(STARTED)
        self.holding = threading.Event()
        self._holds_at = STARTED + holds_at
        chosen = SimpleNamespace(uniform=lambda low, high: low + jitter * (high - low))
        monkeypatch.setattr(publisher, "time", self)
        monkeypatch.setattr(publisher, "select", self)
        monkeypatch.setattr(publisher, "random", chosen)

    def select(self, readers, _writers, _others, timeout: float) -> None:
        if self.now + timeout < self._holds_at:
            self.now += timeout
            return
        self.now, self._holds_at = max(self.now, self._holds_at), float("inf")
        self.holding.set()
        assert select.select(readers, [], [], 20)[0], "nobody woke it"


class Attempts:
    """Stands in for `Connection`: each ends after so many seconds, and the thread after the last of them."""

    def __init__(self, monkeypatch, clock: RestingClock, *ends: float | tuple[float, Exception]) -> None:
        self._clock = clock
        self._ends = list(ends)
        self._at: list[float] = []
        monkeypatch.setattr(publisher, "Connection", self)

    def __call__(self, *_args, **_keywords):
        self._at.append(self._clock.now)
        if not self._ends:
            raise SystemExit  # a thread ends silently by that
        end = self._ends.pop(0)
        lasts, error = end if isinstance(end, tuple) else (end, ConnectionLostError("it was lost"))
        self._clock.now += lasts
        raise error

    @property
    def at(self) -> list[float]:
        """When they began, in seconds since the first."""
        return [round(each - self._at[0], 6) for each in self._at]

    def rests(self) -> list[float]:
        """How long it rested before each but the first, where they all ended at once."""
        return [round(later - earlier, 6) for earlier, later in zip(self.at, self.at[1:], strict=False)]
