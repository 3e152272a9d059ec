"""Fields onto the disk while the next ones are analysed: on a thread of its own, as many at once as wait.

A commit waits for the disk, a millisecond or fifty, in which the processor has better things to do.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Self

from edge.errors import StoreError
from edge.store.database import REST_S
from edge.store.fields import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edge.messages import FieldResult
    from edge.slide.tally import Tally

_PACE_S = 0.05  # between two commits while fields keep coming: each writes the same pages of indices anew
_MOST = 20  # fields that may wait: then the disk is what everything waits for


class Counted(NamedTuple):
    """A field that is to be kept, as `Store.add` takes it. share: what it changes in the count."""

    field: FieldResult
    source_id: str | None
    share: Tally
    keyframe: bytes | None
    clock_offset_s: float | None = None


class Keeper:
    """Keeps fields in their order, from `with` to its end; by then all are kept that were put.

    path: the store. keep: puts fields into the store it is given, all or none, and tells of them after;
    called on the keeper's thread. What it raises, be it a StoreError or a mistake, is raised by the methods
    from then on and at the end, and nothing more is kept.
    """

    def __init__(self, path: Path, keep: Callable[[Store, Sequence[Counted]], None]) -> None:
        self._path = path
        self._keep = keep
        self._waiting: list[Counted] = []  # those among them that are just being kept
        self._changed = threading.Condition()
        self._idle = False
        self._hurry = False
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

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

    def put(self, counted: Counted) -> None:
        """Let a field be kept soon: at once, if none was just now. Waits where too many wait."""
        with self._changed:
            while len(self._waiting) >= _MOST and self._error is None:
                self._changed.wait()
            self._check()
            self._waiting.append(counted)
            if self._idle:
                self._changed.notify_all()

    def has(self, source_id: str) -> bool:
        """Whether this picture's field waits to be kept."""
        with self._changed:
            return any(counted.source_id == source_id for counted in self._waiting)

    def settle(self) -> None:
        """Wait until all is kept that was put."""
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
                    self._keep_all(store, batch)
                    self._done(len(batch), began)
        except BaseException as error:  # noqa: BLE001 (it is raised again where the fields come from)
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _keep_all(self, store: Store, batch: list[Counted]) -> None:
        try:
            self._keep(store, batch)
        except StoreError:
            if len(batch) == 1:
                raise
            for counted in batch:  # as many of them as a disk that is full has room for
                self._keep(store, [counted])

    def _next(self) -> list[Counted]:
        """Wait for fields; give all that are there, and none at the end."""
        with self._changed:
            self._idle = True
            while not self._waiting and not self._ended:
                self._changed.wait()
            self._idle = False
            return self._waiting.copy()

    def _done(self, count: int, began: float) -> None:
        """Let go what was kept, and let others come together until it is time for them.

        As long as it took, up to what is enough, the store is left to who else wants to write.
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
