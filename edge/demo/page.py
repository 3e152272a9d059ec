"""The page over what the demo has counted: its cells can be looked at, renamed, and signed in a browser."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Self
from urllib.error import URLError
from urllib.request import urlopen

from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    from pathlib import Path

_START_S = 30.0


class DemoPage:
    """`leukoscope web` as a process of its own, for as long as the `with` block lasts.

    config: the demo's, with a port in its section [web]. specimen_id: what the address leads to.
    """

    def __init__(self, config: Path, port: int, specimen_id: str) -> None:
        self._config = config
        self._home = f"http://127.0.0.1:{port}/"
        self.address = f"{self._home}specimens/{specimen_id}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it, and wait until it answers.

        Raises LeukoscopeError where it does not.
        """
        log = self._config.with_name("web.log")
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [sys.executable, "-m", "edge.cli", "web", "--config", str(self._config)],
                stdout=stderr,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C is for the demo, which ends its parts in their order
            )
        try:
            self._wait_until_it_answers(log)
        except BaseException:
            # Ctrl-C as well: else the page would go on for ever, over a folder that is gone.
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def wait(self) -> None:
        """Return when the page has ended, or at Ctrl-C."""
        if self._process is not None:
            try:
                self._process.wait()
            except KeyboardInterrupt:
                print()

    def _wait_until_it_answers(self, log: Path) -> None:
        assert self._process is not None  # noqa: S101
        until = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                lines = log.read_text(encoding="utf-8", errors="replace").splitlines() or ["it said nothing"]
                raise LeukoscopeError(f"the page does not start: {lines[-1]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urlopen(self._home, timeout=2):  # noqa: S310 (our own address)
                return True
        except (URLError, OSError):
            return False


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
