"""The last stage of a frame's way: its field is counted, and whoever listens is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from edge.daemon.health import Progress
    from edge.daemon.placement import PendingField
    from edge.specimens.reporting import Listener, Reporter
    from edge.store.fields import Store
    from edge.store.specimen import Specimen

BLURRED = "blurred by motion"
"""Why a field that was worth analysing counts for nothing, as health says it."""


class RunningCount:
    """The count of the specimen in hand, from what is stored of it.

    registers: a good field without a place on the slide counts for nothing, and health says why.
    All methods raise StoreError.
    """

    def __init__(
        self,
        store: Store,
        specimen: Specimen,
        reporter: Reporter,
        listener: Listener,
        progress: Progress,
        *,
        registers: bool,
    ) -> None:
        self._reporter = reporter
        self._listener = listener
        self._progress = progress
        self._registers = registers
        with self.lock:
            self._counted_by = reporter.reference
            self._count = reporter.recount(store, specimen)
            reporter.publish(listener, store, self._count)

    @property
    def lock(self) -> threading.Lock:
        """Held from storing to telling, so that what is said last is what was last."""
        return self._reporter.lock

    @property
    def specimen_id(self) -> str:
        """The specimen's id, as far as is known here."""
        return self._count.specimen_id

    @property
    def stop_reason(self) -> str | None:
        """Why no more cells are needed, or None."""
        return self._count.stop_reason()

    def follow(self, store: Store) -> None:
        """Go by the id that the specimen has now: it may have been renamed.

        So by the model that answers now, where the one before errs otherwise.
        """
        name = store.ledger.name_now(self.specimen_id)
        if name != self.specimen_id:
            if self._reporter.current == self.specimen_id:
                self._reporter.current = name
            self._count.specimen_id = name
            self._progress.specimen(name)
        if self._reporter.reference != self._counted_by:
            self._counted_by = self._reporter.reference
            specimen = store.ledger.find(name)
            if specimen is not None:
                self._count = self._reporter.recount(store, specimen)

    def add(self, store: Store, fields: Sequence[PendingField], stored_ms: float) -> None:
        """Count fields that were just stored, and tell of them. The caller holds the lock."""
        for pending in fields:
            self._count.add(pending.contribution)
        if fields:
            self._reporter.publish(self._listener, store, self._count, news=True)
        for field, _, contribution, *_ in fields:
            cells = sum(contribution.counted.values())
            self._progress.field({**field.timings_ms, "store": stored_ms}, cells)
            if not field.quality.accepted:
                self._progress.refused(field.quality.reason or "not worth analysing")
            elif self._registers and field.position is None:
                self._progress.refused(BLURRED)

    def finish(self, store: Store) -> None:
        """Nothing more comes: the count is complete."""
        with self.lock:
            self.follow(store)
            store.finish_specimen(self.specimen_id)
            self._reporter.publish(self._listener, store, self._count)
