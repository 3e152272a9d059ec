"""Specimens for whoever orders and shows them: command line, broker and page call this, and nothing below it.

What they may expect, `Specimens` says; `SpecimenService` does it over the store that a configuration names.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.differential.review import agreement
from edge.errors import BundleError
from edge.labels import nameable
from edge.specimens.cell_reading import read_cell, read_cells
from edge.specimens.history import history_of, words_of
from edge.specimens.measured_calls import measured_calls
from edge.specimens.named_count import count_named
from edge.specimens.orders import Orders
from edge.specimens.reading import described, differential_in
from edge.specimens.signed import signed_cells, signed_report
from edge.specimens.sources import is_simulated
from edge.specimens.summaries import summary_of
from edge.store.database import expect_store
from edge.store.fields import Store
from edge.store.kept_open import KeptOpen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractContextManager

    from edge.config import Config
    from edge.messages import Alignment, Differential
    from edge.messages.differential import Agreement
    from edge.specimens.records import (
        CellDetail,
        CellRecord,
        CellWord,
        HistoryEntry,
        MeasuredCalls,
        SignedReport,
        SpecimenChange,
        SpecimenSummary,
    )
    from edge.store.specimen import Specimen


class SpecimenService(Orders):
    """`Specimens` over the store that a configuration names, a connection a call.

    listeners: told of every order that was done. keep_open: for a moment, for who reads many times a second.
    """

    def __init__(
        self,
        config: Config,
        listeners: Sequence[Callable[[SpecimenChange], None]] = (),
        *,
        keep_open: bool = False,
    ) -> None:
        super().__init__(
            Path(config.store.path),
            by_command=config.by_command,
            target=config.specimen.target,
            listeners=listeners,
            labels=self._model_labels,
        )
        self._config = config
        self._kept: KeptOpen[Store] | None = None
        if keep_open:
            path = Path(config.store.path)
            self._kept = KeptOpen(path, lambda: Store.open(path, one_thread=False))

    def entries(self) -> list[Specimen]:
        """Return every specimen as it is noted, the oldest first; none as long as there is no store.

        Raises StoreError.
        """
        if not Path(self._config.store.path).is_file():
            return []
        with self._store() as store:
            return store.specimens()

    def specimens(self, of: Collection[Specimen] | None = None) -> list[SpecimenSummary]:
        """Return every specimen in a line, the oldest first; none as long as there is no store.

        of: only these, in their order: a line takes a look at all cells of a specimen. Raises StoreError.
        """
        if not Path(self._config.store.path).is_file():
            return []
        with self._store() as store:
            chosen = store.specimens() if of is None else of
            return [summary_of(store, one, self._config.specimen.target) for one in chosen]

    def open_specimen(self) -> SpecimenSummary | None:
        """Return the specimen that is counted just now, in a line; None where there is none.

        Raises StoreError.
        """
        if not Path(self._config.store.path).is_file():
            return None
        with self._store() as store:
            found = store.ledger.open_now()
            return None if found is None else summary_of(store, found, self._config.specimen.target)

    def specimen(self, specimen_id: str) -> SpecimenSummary:
        """Return one specimen in a line. Raises SpecimenError, StoreError."""
        with self._store() as store:
            return summary_of(store, store.ledger.get(specimen_id), self._config.specimen.target)

    def entry(self, specimen_id: str) -> Specimen:
        """Return one specimen as it is noted, of whose cells nothing is read.

        Raises SpecimenError, StoreError.
        """
        with self._store() as store:
            return store.ledger.get(specimen_id)

    def differential(self, specimen_id: str | None = None) -> Differential:
        """Return a specimen's count as it is published; by default of the open one, or the last.

        Raises SpecimenError, StoreError, BundleError.
        """
        with self._store() as store:
            return differential_in(self._config, store, specimen_id)

    def signed_report(self, specimen_id: str | None, revision: int) -> SignedReport:
        """Return a specimen's report as it was signed as this revision; by default of the open or last one.

        Raises NoSuchRevisionError where it was not; SpecimenError where what is kept does not tell any more
        how it was; StoreError, BundleError.
        """
        with self._store() as store:
            return signed_report(self._config, store, specimen_id, revision)

    def signed_cells(self, specimen_id: str, revision: int) -> list[CellRecord]:
        """Return a specimen's cells as they were when it was signed, as far as they are kept.

        Raises as `signed_report`.
        """
        with self._store() as store:
            return signed_cells(store, specimen_id, revision)

    def alignment(self, specimen_id: str) -> Alignment | None:
        """Return what is taken from the scores of a specimen's cells, as its newest fields state it.

        None where they state nothing. Raises SpecimenError, StoreError.
        """
        with self._store() as store:
            return store.latest_alignment(store.ledger.get(specimen_id).specimen_id)

    def cells(self, specimen_id: str, *, after: int = 0, limit: int | None = 500) -> list[CellRecord]:
        """Return the cells of the fields behind sequence `after`, in their order.

        Of whole fields: go on behind the sequence of the last one. At least `limit` come where there are as
        many; None: all. Raises SpecimenError, StoreError.
        """
        with self._store() as store:
            return read_cells(store, store.ledger.get(specimen_id).specimen_id, after, limit)

    def cell(self, cell_id: str) -> CellDetail | None:
        """Return one cell with its map; None where it is not known, or no longer kept. Raises StoreError."""
        with self._store() as store:
            return read_cell(store, cell_id)

    def picture(self, cell_id: str) -> bytes | None:
        """Return a cell's picture, JPEG of 160 x 160 pixels; None where none is kept. Raises StoreError."""
        with self._store() as store:
            return store.pictures.find(cell_id)

    def agreement(self, specimen_id: str) -> Agreement | None:
        """Return how far model and people agree; None while nobody has looked at a cell.

        Raises SpecimenError, StoreError.
        """
        with self._store() as store:
            return agreement(store.ledger.reviewed(store.ledger.get(specimen_id).specimen_id))

    def history(self, specimen_id: str) -> list[HistoryEntry]:
        """Return all that was done to a specimen, the oldest first. Raises SpecimenError, StoreError."""
        with self._store() as store:
            return history_of(store, specimen_id)

    def words(self, specimen_id: str) -> list[CellWord]:
        """Return all that people have said of a specimen's cells, the oldest first, taken back or not.

        Raises SpecimenError, StoreError.
        """
        with self._store() as store:
            return words_of(store, store.ledger.get(specimen_id).specimen_id)

    def named(self) -> dict[str, int]:
        """Return how many cells people have named each class, of those that the model can be adapted to.

        None as long as there is no store. Raises StoreError.
        """
        if not Path(self._config.store.path).is_file():
            return {}
        with self._store() as store:
            return count_named(store, simulated=is_simulated(self._config))

    def measured_calls(self) -> MeasuredCalls | None:
        """Return how right the answering model was on the cells that people have named since.

        None as long as there is no store, or no model that can be read. Raises StoreError.
        """
        if not Path(self._config.store.path).is_file():
            return None
        try:
            model = described(self._config)
        except BundleError:
            return None
        with self._store() as store:
            return measured_calls(store, model.reference, model.labels, simulated=is_simulated(self._config))

    def classes(self) -> tuple[str, ...]:
        """Return the classes that a person may name a cell: the model's first."""
        return nameable(self._model_labels())

    def version(self, specimen_id: str) -> str:
        """Return a word that changes with every change of a specimen: what was read before is then old.

        Raises SpecimenError, StoreError.
        """
        with self._store() as store:
            found = store.ledger.get(specimen_id)
            fields = store.ledger.field_count(found.specimen_id)
            return f"{found.uuid}-{found.revision}-{fields}"

    def _store(self) -> AbstractContextManager[Store]:
        path = Path(self._config.store.path)
        expect_store(path)
        return Store.open(path) if self._kept is None else self._kept.use()

    def _model_labels(self) -> tuple[str, ...]:
        try:
            return described(self._config).labels
        except BundleError:
            return ()  # a person can name cells without any model
