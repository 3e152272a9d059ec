"""Fields onto the disk while the next ones are analysed: on a thread of its own, as many at once as wait.

A commit waits for the disk, a millisecond or fifty, in which the processor has better things to do.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from edge.errors import StoreError
from edge.store.database import REST_S
from edge.store.fields import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edge.daemon.placement import PendingField

_PACE_S = 0.05  # between two commits while fields keep coming: each writes the same pages of indices again
_MOST = 20  # fields that may wait: then the disk is what everything waits for


class FieldWriter:
    """Stores fields in their order, from `with` to its end; by then all are stored that were put.

    path: the store. write: stores fields in the store it is given, all or none, and tells of them after;
    called on the writer's thread. What it raises, a StoreError or a mistake, is raised by the methods from
    then on and at the end, and nothing more is stored.
    """

    def __init__(self, path: Path, write: Callable[[Store, Sequence[PendingField]], None]) -> None:
        self._path = path
        self._write = write
        self._waiting: list[PendingField] = []  # those that are just being stored among them
        self._changed = threading.Condition()
        self._idle = False
        self._hurry = False
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="field-writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def put(self, pending: PendingField) -> None:
        """Let a field be stored soon: at once, if none was just now. Waits where too many wait."""
        with self._changed:
            while len(self._waiting) >= _MOST and self._error is None:
                self._changed.wait()
            self._check()
            self._waiting.append(pending)
            if self._idle:
                self._changed.notify_all()

    def has(self, source_id: str) -> bool:
        """Whether this picture's field waits to be stored."""
        with self._changed:
            return any(pending.source_id == source_id for pending in self._waiting)

    def settle(self) -> None:
        """Wait until all is stored that was put."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            while self._waiting and self._error is None:
                self._changed.wait()
            self._hurry = False
            self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with Store.open(self._path) as store:
                while batch := self._next():
                    began = time.monotonic()
                    self._write_all(store, batch)
                    self._done(len(batch), began)
        except BaseException as error:  # noqa: BLE001 (it is raised again where the fields come from)
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _write_all(self, store: Store, batch: list[PendingField]) -> None:
        try:
            self._write(store, batch)
        except StoreError:
            if len(batch) == 1:
                raise
            for pending in batch:  # as many of them as a disk that is full has room for
                self._write(store, [pending])

    def _next(self) -> list[PendingField]:
        """Wait for fields: all that are there, and none at the end."""
        with self._changed:
            self._idle = True
            while not self._waiting and not self._ended:
                self._changed.wait()
            self._idle = False
            return self._waiting.copy()

    def _done(self, count: int, began: float) -> None:
        """Let go what was stored, and wait until it is time for what comes next.

        The store is left to others who want to write for as long as the commit took, up to a limit.
        """
        ended = time.monotonic()
        due = max(began + _PACE_S, ended + min(ended - began, REST_S))
        with self._changed:
            del self._waiting[:count]
            self._changed.notify_all()
            while not (self._hurry or self._ended):
                left = due - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
