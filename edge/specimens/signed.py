"""The report of a specimen as it was signed, and what has become of it since."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

import msgspec

from edge.specimens.cell_reading import Known, read_cells
from edge.specimens.reading import chosen_specimen, reporter_of
from edge.specimens.records import SignedReport
from edge.store.review_reading import holding

if TYPE_CHECKING:
    from edge.config import Config
    from edge.specimens.records import CellRecord
    from edge.store.fields import Store


def signed_report(config: Config, store: Store, specimen_id: str | None, revision: int) -> SignedReport:
    """Return a specimen's report as it was signed as this revision; by default of the open or the last one.

    It is made again from what was counted, noted and said until then. Raises NoSuchRevisionError,
    SpecimenError, StoreError.
    """
    reporter = reporter_of(config)
    reporter.remember(store)
    with store.snapshot():  # what comes meanwhile was not signed
        signed = store.signed.find(chosen_specimen(store, specimen_id).specimen_id, revision)
        count = reporter.counted(store, signed.specimen, signed)
        differential = reporter.differential(count, signed.specimen)
    return SignedReport(**msgspec.structs.asdict(differential), superseded=signed.superseded)


def signed_cells(store: Store, specimen_id: str, revision: int) -> list[CellRecord]:
    """Return a specimen's cells as they were when it was signed, as far as they are kept. Raises as above."""
    store.cells.complete(specimen_id)
    signed = store.signed.find(specimen_id, revision)
    standings = store.signed.standings(signed)
    words = holding(signed.reviews, standings)
    known = Known(standings, words, store.pictures.known(specimen_id))
    cells = read_cells(store, specimen_id, 0, None, known)
    until = signed.until
    return cells if until is None else list(takewhile(lambda cell: cell.sequence <= until, cells))
