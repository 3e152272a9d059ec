"""The fourth stage of a frame's way: its field is stored, and then handed to the count."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edge.daemon.field_writer import FieldWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge.daemon.placement import PendingField
    from edge.daemon.running_count import RunningCount
    from edge.store.fields import Store


class Storage:
    """Stores the fields of one specimen in their order. Each is on the disk before the count hears of it.

    camera: whose scale and alignment are remembered with them; None where the source is no camera. All
    methods raise StoreError.
    """

    def __init__(self, store: Store, count: RunningCount, camera: str | None = None) -> None:
        self._store = store
        self._count = count
        self._camera = camera
        self._writer: FieldWriter | None = None

    def put(self, pending: PendingField) -> None:
        """Store a field and hand it on; within `ahead` soon, else before this returns."""
        if self._writer is None:
            self._write(self._store, [pending])
        else:
            self._writer.put(pending)

    def settle(self, source_id: str | None) -> None:
        """Where this picture's field waits to be stored, wait until it is."""
        if source_id is not None and self._writer is not None and self._writer.has(source_id):
            self._writer.settle()

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """In the block, `put` does not wait for the disk; at its end all is stored.

        What goes wrong with a field is raised by a later `put`, or at the end.
        """
        with FieldWriter(self._store.path, self._write) as writer:
            self._writer = writer
            try:
                yield
            finally:
                self._writer = None

    def _write(self, store: Store, fields: Sequence[PendingField]) -> None:
        began = time.perf_counter()
        with self._count.lock:
            self._count.follow(store)
            with store.transaction():
                added = [pending for pending in fields if store.add(*pending)]
                if self._camera is not None:
                    for pending in added:
                        store.rulers.remember(self._camera, pending.field.scale)
                        store.alignments.remember(self._camera, pending.field.model, pending.field.alignment)
            stored_ms = 1000 * (time.perf_counter() - began) / len(fields)
            self._count.add(store, added, stored_ms)
