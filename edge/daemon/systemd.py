"""What systemd is told of the daemon: sd_notify(3), in the few lines that it takes."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

_FED = 0.25  # of the watchdog's patience: more often is a waste of its time


class Service:
    """The service manager that started us; without one, nothing is said and nothing is asked."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._patience_s = _patience_s()
        self._fed_at = float("-inf")
        self._status = ""

    def ready(self) -> None:
        """The model has given its golden answers, store and camera are open. Again after a reload."""
        self._tell("READY=1")

    def expect_pauses(self, longest_s: float) -> None:
        """Frames are this far apart by configuration: the watchdog's patience is that much longer."""
        if self._patience_s and longest_s > 0:
            self._patience_s += longest_s
            self._tell(f"WATCHDOG_USEC={int(self._patience_s * 1e6)}")

    def progress(self, status: str) -> None:
        """The pipeline has got on, or waits for the reason given. Only this feeds the watchdog.

        From the pipeline's thread and no other: a thread of its own would feed it for a pipeline that hangs.
        """
        if status != self._status:
            self._status = status
            self._tell(f"STATUS={status}")
        now = time.monotonic()
        if self._patience_s and now - self._fed_at >= _FED * min(self._patience_s, 60.0):
            self._fed_at = now
            self._tell("WATCHDOG=1")

    def reloading(self) -> None:
        """The configuration is being read again; say `ready` after."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The end has begun: what is left is to deliver."""
        self._tell("STOPPING=1")

    def _tell(self, text: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the zero byte of an abstract name.
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:
            mouth.setblocking(False)
            mouth.sendto(text.encode(errors="replace"), name)


def _patience_s() -> float:
    """Return the watchdog's time, 0 where there is none or it is meant for another process."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    try:
        return max(0.0, int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6)
    except ValueError:
        return 0.0
