"""The result store: SQLite, and which results the broker has acknowledged.

A field is on the disk before anyone hears of it, it is stored once however often its picture comes, and it
stays until the broker has it. A `Store` is one connection: it belongs to the thread that opened it.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Self

import msgspec

from edge import identity
from edge.differential.count import contribution_of
from edge.errors import StoreError
from edge.messages import Alignment, FieldResult, ModelReference, Quality, Scale, decode_field
from edge.messages.former import stored
from edge.messages.position import FieldPosition  # noqa: TC001 (msgspec reads annotations)
from edge.slide.contribution import Contribution, standing
from edge.store.alignments import Alignments
from edge.store.cells import Cells
from edge.store.command_log import Answers
from edge.store.database import connect, snapshot
from edge.store.keyframes import Keyframes
from edge.store.models import Models
from edge.store.outbox import Outbox
from edge.store.pictures import Pictures
from edge.store.retention import Upkeep
from edge.store.rulers import Rulers
from edge.store.signed_revisions import SignedRevisions
from edge.store.specimens import Ledger

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from edge.slide.contribution import CellStanding
    from edge.store.pictures import CellPicture
    from edge.store.specimen import Specimen

log = logging.getLogger(__name__)

_PAGE = 100
_LAST = 2**63 - 1  # the largest number that SQLite has


class CellSummary(msgspec.Struct, frozen=True):
    """What a stored field says of a cell: where it lies, whether the edge cuts it, its logits."""

    box: tuple[int, int, int, int]
    cut_by_edge: bool = False
    logits: dict[str, float] | None = None


class FrameSummary(msgspec.Struct, frozen=True):
    """What a stored field says of its frame: size in pixels, quality, scale, alignment, place; its cells."""

    width: int
    height: int
    quality: Quality
    model: ModelReference
    scale: Scale | None = None
    alignment: Alignment | None = None
    position: FieldPosition | None = None
    cells: tuple[CellSummary, ...] = ()


class Store(Outbox):
    """One connection to the store, for the thread that opens it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        super().__init__(connection, path)
        self.ledger = Ledger(connection, path)
        self.answers = Answers(connection, path)
        self.cells = Cells(connection, path)
        self.pictures = Pictures(connection, path)
        self.keyframes = Keyframes(connection, path)
        self.rulers = Rulers(connection, path)
        self.alignments = Alignments(connection, path)
        self.models = Models(connection, path)
        self.upkeep = Upkeep(connection, path, self.ledger)
        self.signed = SignedRevisions(connection, path, self.ledger, self.cells)

    @classmethod
    def open(cls, path: Path, *, durable: bool = True, one_thread: bool = True) -> Self:
        """Open the store; what is missing of it is made, its folder included.

        durable: False saves the wait for the disk where losing the last writes in a power cut does no harm.
        one_thread: False where it passes from thread to thread. Raises StoreError.
        """
        return cls(connect(path, durable=durable, one_thread=one_thread), path)

    def close(self) -> None:
        """Close the connection. Safe to call twice."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All that is done to the store in the block is done, or nothing of it. Raises StoreError."""
        return self._transaction()

    def snapshot(self) -> AbstractContextManager[None]:
        """All that is read in the block is of one moment; nothing is written in it. Raises StoreError."""
        return snapshot(self._db, self.path)

    # Specimens

    def start_specimen(
        self, specimen_id: str, source: str | None = None, *, resume: bool = False, simulated: bool = False
    ) -> Specimen:
        """Return the specimen that a source is counted into, as `Ledger.begin_source` does."""
        return self.ledger.begin_source(specimen_id, source, resume=resume, simulated=simulated)

    def finish_specimen(self, specimen_id: str) -> None:
        """Nothing more is expected of this specimen. Its first end is the one that is kept."""
        self.ledger.end_source(specimen_id)

    def specimens(self) -> list[Specimen]:
        """Return all specimens, the oldest first."""
        return self.ledger.all()

    # Fields

    def next_sequence(self) -> int:
        """Return the number of the next field; it goes on where the last process ended."""
        with self._reading():
            row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'fields'").fetchone()
        return 1 if row is None else int(row[0]) + 1

    def has_source(self, specimen_id: str, source_id: str) -> bool:
        """Whether this picture was stored for this specimen before."""
        with self._reading():
            query = "SELECT 1 FROM fields WHERE specimen_id = ? AND source_id = ?"
            return self._db.execute(query, (specimen_id, source_id)).fetchone() is not None

    def sources(self, specimen_id: str) -> list[str]:
        """The source ids of the pictures that are stored for a specimen."""
        with self._reading():
            query = "SELECT source_id FROM fields WHERE specimen_id = ? AND source_id IS NOT NULL"
            return [str(source) for (source,) in self._db.execute(query, (specimen_id,))]

    def field_of(self, specimen_id: str, source_id: str) -> FieldResult | None:
        """Return what was stored of this picture for this specimen; None where nothing was, or it was pruned.

        One that cannot be read back is None, too.
        """
        with self._reading():
            query = "SELECT payload FROM fields WHERE specimen_id = ? AND source_id = ?"
            row = self._db.execute(query, (specimen_id, source_id)).fetchone()
        with suppress(msgspec.MsgspecError):
            return None if row is None or row[0] is None else decode_field(row[0])
        return None

    def add(
        self,
        field: FieldResult,
        source_id: str | None = None,
        contribution: Contribution | None = None,
        keyframe: bytes | None = None,
        clock_offset_s: float | None = None,
        cells: Iterable[CellStanding] | None = None,
        pictures: Iterable[CellPicture] = (),
    ) -> bool:
        """Commit a field to the disk; False, and nothing changes, where its source was stored before.

        It is kept whole: what does not fit into a message is left out when it is sent. A specimen that was
        final becomes corrected; one that was discarded takes no more; one that was renamed meanwhile takes it
        under its new id. contribution: what it changes in the count,
        where that is not all of its cells. keyframe: its small picture, where the slide's map remembers it.
        clock_offset_s: clock minus monotonic clock as it was made, where the clock was not set; else now's.
        cells: what its cells count as, and what it changes of others; None: each by its own call.
        pictures: of its cells.
        """
        if clock_offset_s is None and not field.clock_synced:
            clock_offset_s = identity.clock_offset_s()
        with self._transaction():
            name = self.ledger.name_now(field.specimen_id)
            field = msgspec.structs.replace(field, specimen_id=name, specimen_uuid=self.ledger.uuid_of(name))
            values = (
                field.sequence,
                field.field_id,
                field.specimen_id,
                source_id,
                identity.RUN_ID,
                time.monotonic(),
                msgspec.json.encode(contribution_of(field) if contribution is None else contribution),
                msgspec.json.encode(field),
                clock_offset_s,
            )
            added = self._db.execute(
                "INSERT INTO fields"
                " (sequence, field_id, specimen_id, source_id, run_id, committed_s, tally, payload,"
                " clock_offset_s)"
                " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE NOT EXISTS"
                " (SELECT 1 FROM specimens WHERE id = ?3 AND state = 'discarded')"
                " ON CONFLICT (specimen_id, source_id) DO NOTHING",
                values,
            ).rowcount
            if added:
                if keyframe is not None:
                    self.keyframes.add(field.sequence, field.specimen_id, keyframe)
                if cells is None and field.position is None:
                    cells = [standing(cell) for cell in field.cells]
                self.cells.add(field, cells or ())  # without them, `Cells.complete` finds out later
                self.pictures.add(field.sequence, pictures)
                self.ledger.note_addition(field.specimen_id, simulated=field.simulated)
        return bool(added)

    def fields(
        self, specimen_id: str, unreadable: Callable[[str], None] | None = None
    ) -> Iterator[FieldResult]:
        """Return a specimen's fields in their order, those that were pruned left out.

        unreadable: told, in a sentence, of each that cannot be read back, which is then left out; without it
        the first of them raises StoreError.
        """
        for field_id, payload in self._pages("payload", specimen_id):
            try:
                field = decode_field(payload)
            except msgspec.MsgspecError as error:
                problem = f"{self.path}: field {field_id} cannot be read back: {error}"
                if unreadable is None:
                    raise StoreError(problem) from None
                unreadable(problem)
                continue
            yield field

    def frame_summaries(self, specimen_id: str) -> Iterator[FrameSummary]:
        """Return how good each of a specimen's fields was, in their order, those that were pruned left out.

        One that cannot be read is left out, too.
        """
        for _, payload in self._pages("payload", specimen_id):
            with suppress(msgspec.MsgspecError):
                yield stored(payload, FrameSummary)

    def latest_alignment(self, specimen_id: str) -> Alignment | None:
        """Return the alignment of a specimen's newest field that has one; None where the last 100 lack it."""
        query = (
            "SELECT payload FROM fields WHERE specimen_id = ? AND payload IS NOT NULL"
            " ORDER BY sequence DESC LIMIT ?"
        )
        with self._reading():
            for (payload,) in self._db.execute(query, (specimen_id, _PAGE)):  # mostly the first one tells
                with suppress(msgspec.MsgspecError):
                    found = stored(payload, FrameSummary).alignment
                    if found is not None:
                        return found
        return None

    def contributions(self, specimen_id: str, until: int | None = None) -> Iterator[tuple[str, Contribution]]:
        """Return what each field of a specimen adds to its differential, with the field's id.

        until: the number of the last one. Of old ones many are one, under the id of the last. One that cannot
        be read is left out, and the log names it.
        """
        for field_id, plain in self._pages("tally", specimen_id, until):
            try:
                yield field_id, stored(plain, Contribution)
            except msgspec.MsgspecError as error:
                log.warning(
                    "field %s of specimen %s is damaged and not counted: %s", field_id, specimen_id, error
                )

    def _pages(
        self, column: Literal["payload", "tally"], specimen_id: str, until: int | None = None
    ) -> Iterator[tuple[str, bytes]]:
        # Page by page: a read that stays open would keep the write-ahead log from being folded back.
        query = (
            f"SELECT sequence, field_id, {column} FROM fields"  # noqa: S608
            f" WHERE specimen_id = ? AND sequence > ? AND sequence <= ? AND {column} IS NOT NULL"
            f" ORDER BY sequence LIMIT {_PAGE}"
        )
        after, last, full = -1, _LAST if until is None else until, True
        while full:
            with self._reading():
                rows = self._db.execute(query, (specimen_id, after, last)).fetchall()
            yield from ((field_id, content) for _, field_id, content in rows)
            full = len(rows) == _PAGE
            after = rows[-1][0] if rows else after
