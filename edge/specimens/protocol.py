"""What command line, broker and page may expect of the specimens, whoever does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from edge.messages import Alignment, Differential
    from edge.messages.commands import (
        DiscardSpecimen,
        RenameSpecimen,
        ReviewCells,
        SetWbcCount,
        SignSpecimen,
        StartSpecimen,
        StopSpecimen,
    )
    from edge.messages.differential import Agreement
    from edge.specimens.orders import Note
    from edge.specimens.records import (
        CellDetail,
        CellRecord,
        CellWord,
        HistoryEntry,
        MeasuredCalls,
        SignedReport,
        SpecimenSummary,
    )
    from edge.store.specimen import Specimen


class Specimens(Protocol):
    """What can be ordered of specimens and read of them, from any thread.

    Orders raise SpecimenError with one sentence where they cannot be, and then nothing is changed; all raise
    StoreError. note: writes an answer in the transaction of the order.
    """

    def start(self, order: StartSpecimen, note: Note | None = None) -> Specimen:
        """Count from here on into a specimen."""
        ...

    def stop(self, order: StopSpecimen, note: Note | None = None) -> Specimen:
        """Count no more into the open specimen."""
        ...

    def review(self, order: ReviewCells, note: Note | None = None) -> Specimen:
        """Name cells as a person sees them. Raises StaleRevisionError, too."""
        ...

    def sign(self, order: SignSpecimen, note: Note | None = None) -> Specimen:
        """Confirm a count. Raises StaleRevisionError, too."""
        ...

    def discard(self, order: DiscardSpecimen, note: Note | None = None) -> Specimen:
        """Mark a specimen as not to be used. Raises StaleRevisionError, too."""
        ...

    def rename(self, order: RenameSpecimen, note: Note | None = None) -> Specimen:
        """Set a mistyped id right."""
        ...

    def set_wbc_count(self, order: SetWbcCount, note: Note | None = None) -> Specimen:
        """Give a specimen its total white count, which came later or was mistyped."""
        ...

    def entries(self) -> list[Specimen]:
        """Return every specimen as it is noted, the oldest first."""
        ...

    def specimens(self, of: Collection[Specimen] | None = None) -> list[SpecimenSummary]:
        """Return every specimen in a line, the oldest first, or only these, in their order."""
        ...

    def open_specimen(self) -> SpecimenSummary | None:
        """Return the specimen that is counted just now, in a line; None where there is none."""
        ...

    def specimen(self, specimen_id: str) -> SpecimenSummary:
        """Return one specimen in a line."""
        ...

    def entry(self, specimen_id: str) -> Specimen:
        """Return one specimen as it is noted, of whose cells nothing is read."""
        ...

    def differential(self, specimen_id: str | None = None) -> Differential:
        """Return a specimen's count as it is published; by default of the open one, or the last."""
        ...

    def signed_report(self, specimen_id: str | None, revision: int) -> SignedReport:
        """Return a specimen's report as it was signed as this revision. Raises NoSuchRevisionError."""
        ...

    def signed_cells(self, specimen_id: str, revision: int) -> list[CellRecord]:
        """Return a specimen's cells as they were when it was signed as this revision."""
        ...

    def alignment(self, specimen_id: str) -> Alignment | None:
        """Return what is taken from the scores of a specimen's cells; None where its fields state nothing."""
        ...

    def cells(self, specimen_id: str, *, after: int = 0, limit: int | None = 500) -> list[CellRecord]:
        """Return the cells of the fields behind sequence `after`, in their order."""
        ...

    def cell(self, cell_id: str) -> CellDetail | None:
        """Return one cell with its map; None where it is not known, or no longer kept."""
        ...

    def picture(self, cell_id: str) -> bytes | None:
        """Return a cell's picture, JPEG; None where none is kept."""
        ...

    def agreement(self, specimen_id: str) -> Agreement | None:
        """Return how far model and people agree; None while nobody has looked at a cell."""
        ...

    def history(self, specimen_id: str) -> list[HistoryEntry]:
        """Return all that was done to a specimen, the oldest first."""
        ...

    def words(self, specimen_id: str) -> list[CellWord]:
        """Return all that people have said of a specimen's cells, the oldest first, taken back or not."""
        ...

    def named(self) -> dict[str, int]:
        """Return how many cells people have named each class, of those that the model can be adapted to."""
        ...

    def measured_calls(self) -> MeasuredCalls | None:
        """Return how right the answering model was on the cells that people have named since."""
        ...

    def classes(self) -> tuple[str, ...]:
        """Return the classes that a person may name a cell: the model's first."""
        ...

    def version(self, specimen_id: str) -> str:
        """Return a word that changes with every change of a specimen: what was read before is then old."""
        ...
