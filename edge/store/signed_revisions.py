"""A specimen as it was signed: its ledger, read only as far as that signature.

Nothing is kept a second time for it: what was noted, said and counted stays, each in its order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from edge.errors import NoSuchRevisionError, SpecimenError
from edge.messages.differential import Change, Signature  # noqa: TC001 (msgspec reads annotations)
from edge.slide.replay import standings as replayed
from edge.store.database import errors, snapshot
from edge.store.event_words import WBC_COUNT, fields_before, former_count, words_said
from edge.store.review_reading import holding, reviewed_cells
from edge.store.specimen_reading import change_of, signature_of, with_events

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from edge.differential.review import ReviewedCell
    from edge.slide.contribution import CellStanding
    from edge.store.cells import Cells
    from edge.store.event_words import Event
    from edge.store.review_reading import Review, ReviewReading
    from edge.store.specimen import Specimen

_FIELDS = "which fields it had then is kept no longer"
_COUNT = "its total white count of then is not kept"
_WORDS = "some of what was said of its cells is lost"


class Superseded(msgspec.Struct, frozen=True, kw_only=True):
    """Why a signature holds no longer.

    corrected: what changed first after it; null: nothing did. revision, signature: of the next signature;
    null: there is none yet. discarded: that the specimen was discarded since; null: it was not.
    """

    corrected: Change | None
    revision: int | None
    signature: Signature | None
    discarded: Change | None


class SignedRevision(NamedTuple):
    """A specimen as it was signed.

    specimen: as it was noted then. until: the number of the last field that it had; None: it has got none
    since. reviews: what had been said of its cells, the oldest first. superseded: None: the signature holds.
    """

    specimen: Specimen
    until: int | None
    reviews: tuple[Review, ...]
    superseded: Superseded | None


class SignedRevisions:
    """What was signed, in one store's connection, for the thread that has it.

    All methods raise StoreError; and SpecimenError, with one sentence, where what is kept does not tell any
    more how it was.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path, ledger: ReviewReading, cells: Cells
    ) -> None:
        self._db = connection
        self._path = path
        self._ledger = ledger
        self._cells = cells

    def history(self, specimen_id: str) -> list[tuple[int, Event]]:
        """Return all that was noted of a specimen, the oldest first, each with the revision that it made."""
        with snapshot(self._db, self._path):
            return numbered(self._ledger.get(specimen_id), self._ledger.events(specimen_id))

    def find(self, specimen_id: str, revision: int) -> SignedRevision:
        """Return a specimen as it was signed as this revision.

        Raises NoSuchRevisionError where it was not.
        """
        with snapshot(self._db, self._path):
            specimen, events = self._ledger.get(specimen_id), self._ledger.events(specimen_id)
            return self._find(specimen, events, revision)

    def _find(self, specimen: Specimen, events: Sequence[Event], revision: int) -> SignedRevision:
        signed = [number for number, event in numbered(specimen, events) if event.kind == "signed"]
        if revision not in signed:
            there = (
                f"; signed revisions: {', '.join(map(str, signed))}" if signed else ": it was never signed"
            )
            raise NoSuchRevisionError(
                f"specimen {specimen.specimen_id} has no signed revision {revision}{there}"
            )
        then = revision - specimen.revision + len(events)
        before, after = events[:then], events[then:]
        until = self._until(specimen, revision, after)
        known = specimen._replace(
            state="corrected" if any(event.kind == "corrected" for event in before) else "final",
            stopped_at=_stopped_at(specimen, before, after),
            wbc_count=_wbc_count(specimen, revision, before, after),
            revision=revision,
        )
        known = with_events(known, before)
        if until is not None and known.signature is not None:  # what came since may have been drawn
            known = known._replace(simulated=known.signature.simulated)
        reviews = _said(specimen, revision, events, then, self._ledger.reviews(specimen.specimen_id))
        return SignedRevision(known, until, reviews, _superseded(revision, after))

    def standings(self, signed: SignedRevision) -> dict[str, CellStanding]:
        """Return what each cell counted as by the model then, by its id, in their order."""
        name = signed.specimen.specimen_id
        if signed.until is None:
            return self._ledger.standings(name)
        # A later field may have changed what a cell counts as that it shows again.
        gone = "SELECT 1 FROM fields WHERE specimen_id = ? AND sequence <= ? AND payload IS NULL LIMIT 1"
        with errors(self._path, "read"):
            if self._db.execute(gone, (name, signed.until)).fetchone() is not None:
                raise _lost(signed.specimen, signed.specimen.revision, _FIELDS)
        fields = self._cells.every_field(name, signed.until)
        return {cell_id: one for cell_id, (_, one) in replayed(fields).items()}

    def reviewed(self, signed: SignedRevision) -> list[ReviewedCell]:
        """Return the cells that people had looked at by then, for the count."""
        if not signed.reviews:
            return []
        standings = self.standings(signed)
        return reviewed_cells(holding(signed.reviews, standings), standings)

    def _until(self, specimen: Specimen, revision: int, after: Sequence[Event]) -> int | None:
        """Return the number of the last field before what came after; None where none came."""
        try:
            found = next((count for event in after if (count := fields_before(event)) is not None), None)
        except ValueError:
            raise _lost(specimen, revision, _FIELDS) from None
        return None if found is None else self._number_of(specimen, revision, found)

    def _number_of(self, specimen: Specimen, revision: int, count: int) -> int:
        """Return the number of the last of a specimen's first so many fields."""
        query = (
            "SELECT sequence, CASE WHEN json_valid(CAST(tally AS TEXT)) THEN"
            " coalesce(json_extract(CAST(tally AS TEXT), '$.fields'), 1) ELSE 1 END"
            " FROM fields WHERE specimen_id = ? ORDER BY sequence"
        )
        with errors(self._path, "read"):
            rows = self._db.execute(query, (specimen.specimen_id,)).fetchall()
        # Of a row that is the sum of many nobody knows which of them were there.
        if len(rows) < count or any(fields != 1 for _, fields in rows):
            raise _lost(specimen, revision, _FIELDS)
        return int(rows[count - 1][0]) if count else 0


def numbered(specimen: Specimen, events: Sequence[Event]) -> list[tuple[int, Event]]:
    """Return all that was noted of a specimen, each with the revision that it made.

    events: all of them, the oldest first. They are counted from the last one: a damaged store may have lost
    the first.
    """
    return list(enumerate(events, 1 + specimen.revision - len(events)))


def _lost(specimen: Specimen, revision: int, why: str) -> SpecimenError:
    return SpecimenError(f"revision {revision} of specimen {specimen.specimen_id} cannot be shown: {why}")


def _stopped_at(specimen: Specimen, before: Sequence[Event], after: Sequence[Event]) -> str | None:
    if not any(event.kind == "resumed" for event in after):
        return specimen.stopped_at
    stopped_at = None
    for event in before:
        if event.kind in {"started", "resumed"}:
            stopped_at = None
        elif event.kind in {"stopped", "finished"}:
            stopped_at = stopped_at or event.at
    return stopped_at


def _wbc_count(
    specimen: Specimen, revision: int, before: Sequence[Event], after: Sequence[Event]
) -> float | None:
    """Return the total white count of then: what the next change of it says, or what it still is."""
    changed = next((event for event in after if event.kind == WBC_COUNT), None)
    if changed is None:
        return specimen.wbc_count
    try:
        return former_count(changed)
    except ValueError:  # noted by an earlier release, which did not say what it was
        given = next((event for event in reversed(before) if event.kind in {WBC_COUNT, "resumed"}), None)
    if given is None or given.kind != WBC_COUNT:
        raise _lost(specimen, revision, _COUNT)
    return None if given.what is None else float(given.what)


def _said(
    specimen: Specimen, revision: int, events: Sequence[Event], then: int, reviews: Sequence[Review]
) -> tuple[Review, ...]:
    """Return what had been said of cells, as it held then. events: all of them, `then` of them until then.

    By how many words each event stands for, and not by their times: the clock may have been set since.
    """
    if sum(map(words_said, events)) != len(reviews):
        raise _lost(specimen, revision, _WORDS)
    said = reviews[: sum(map(words_said, events[:then]))]
    last = said[-1].number if said else 0
    return tuple(
        each._replace(undone_by=None) if each.undone_by is not None and each.undone_by > last else each
        for each in said
    )


def _superseded(revision: int, after: Sequence[Event]) -> Superseded | None:
    def first(kind: str) -> tuple[int, Event] | None:
        return next(
            ((number, each) for number, each in enumerate(after, revision + 1) if each.kind == kind), None
        )

    corrected, signed, discarded = first("corrected"), first("signed"), first("discarded")
    if corrected is None and discarded is None:
        return None
    return Superseded(
        corrected=None if corrected is None else change_of(corrected[1]),
        revision=None if signed is None else signed[0],
        signature=None if signed is None else signature_of(signed[1]),
        discarded=None if discarded is None else change_of(discarded[1]),
    )
