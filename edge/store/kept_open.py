"""Connections that stay open for a moment after use, for who asks many times a second."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEPT_S = 0.3
"""How long one is kept. Not for ever: the last to close a database folds its write-ahead log away."""

_MOST = 3


class Closable(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Close it."""
        ...


Connection = TypeVar("Connection", bound=Closable)


class KeptOpen(Generic[Connection]):
    """Connections to one file, each for one thread at a time.

    open_one: opens one that may pass from thread to thread; opening takes longer than most questions.
    """

    def __init__(self, path: Path, open_one: Callable[[], Connection]) -> None:
        self._path = path
        self._open_one = open_one
        self._lock = threading.Lock()
        self._kept: list[tuple[float, int, Connection]] = []
        self._closing = False

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """Return a connection for the block. One that an error has met is kept no longer."""
        file = self._file()
        one = self._taken(file) or self._open_one()
        try:
            yield one
        except BaseException:
            one.close()
            raise
        if not self._keep(one, file or self._file()):
            one.close()

    def _file(self) -> int:
        """The number of the file: another one may have taken its name."""
        try:
            return self._path.stat().st_ino
        except OSError:
            return 0

    def _taken(self, file: int) -> Connection | None:
        with self._lock:
            if not self._kept:
                return None
            _, of, one = self._kept.pop()
        if of == file:
            return one
        one.close()
        return None

    def _keep(self, one: Connection, file: int) -> bool:
        with self._lock:
            if len(self._kept) >= _MOST:
                return False
            self._kept.append((time.monotonic(), file, one))
            if not self._closing:
                self._closing = True
                threading.Thread(target=self._close_old, name="closing", daemon=True).start()
        return True

    def _close_old(self) -> None:
        while True:
            time.sleep(KEPT_S)
            limit = time.monotonic() - KEPT_S
            with self._lock:
                old = [one for at, _, one in self._kept if at <= limit]
                self._kept = [each for each in self._kept if each[0] > limit]
                self._closing = bool(self._kept)
                ended = not self._closing
            for one in old:
                one.close()
            if ended:
                return
