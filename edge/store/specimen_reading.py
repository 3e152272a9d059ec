"""What stands in the ledger of a store: its specimens, each with what was noted of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import SpecimenError, StoreError
from edge.messages.differential import Change, Signature
from edge.store.database import errors, transaction
from edge.store.event_words import Event, wbc_count_in_words
from edge.store.noted_times import noted_now
from edge.store.specimen import SOURCE_ENDED, STOPPED, Specimen, read_time

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

_COLUMNS = (
    "id, state, started_at, finished_at, target, total_count, by_command, source, source_from, simulated,"
    " uuid, revision"
)
SIMULATED = "simulated slide"
"""What a signature of a drawn slide is noted with."""

_MISTYPED = "the id was mistyped"
_COUNTED_LATER = "it came later, or was mistyped"


class LedgerReading:
    """The specimens of one store's connection, for the thread that has it. All methods raise StoreError."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path

    def find(self, specimen_id: str) -> Specimen | None:
        """Return the specimen of this id."""
        return next(self._specimens("id = ?", specimen_id), None)

    def get(self, specimen_id: str) -> Specimen:
        """Return the specimen of this id. Raises SpecimenError where there is none."""
        found = self.find(specimen_id)
        if found is None:
            raise SpecimenError(f"there is no specimen {specimen_id}")
        return found

    def all(self) -> list[Specimen]:
        """Return all specimens, the oldest first."""
        return list(self._specimens("true"))

    def open_by_command(self) -> Specimen | None:
        """Return the specimen that cells are counted into, where commands say which; there is at most one."""
        return next(self._specimens("state = 'open' AND by_command = 1"), None)

    def open_now(self) -> Specimen | None:
        """Return the specimen that is counted just now, whichever way it was begun; the latest one."""
        return next(self._specimens("rowid = (SELECT max(rowid) FROM specimens WHERE state = 'open')"), None)

    def latest_event(self) -> tuple[int, str]:
        """The number of what was noted last, of whichever specimen, and that one; (0, "") of nothing."""
        with errors(self._path, "read"):
            query = "SELECT number, specimen_id FROM specimen_events ORDER BY number DESC LIMIT 1"
            row = self._db.execute(query).fetchone()
        return (0, "") if row is None else (int(row[0]), str(row[1]))

    def unpublished(self) -> list[tuple[str, int]]:
        """The specimens of which the broker has not the latest: id and event, the oldest event first."""
        query = (
            "SELECT id, max(number) AS latest FROM specimens JOIN specimen_events ON specimen_id = id"
            " GROUP BY id HAVING latest > said ORDER BY latest"
        )
        with errors(self._path, "read"):
            return [(str(name), int(event)) for name, event in self._db.execute(query).fetchall()]

    def changed_since(self, number: int) -> list[str]:
        """The specimens of which something was noted after an event, in the order of their latest events."""
        query = "SELECT specimen_id FROM specimen_events WHERE number > ? GROUP BY 1 ORDER BY max(number)"
        with errors(self._path, "read"):
            return [str(name) for (name,) in self._db.execute(query, (number,)).fetchall()]

    def name_now(self, specimen_id: str) -> str:
        """Return the id that a specimen has now: it may have been renamed since it had this one."""
        query = (
            "SELECT id FROM specimens WHERE id = ?1 UNION ALL SELECT * FROM (SELECT specimen_id"
            " FROM specimen_events WHERE kind = 'renamed' AND what = ?1 ORDER BY number DESC) LIMIT 1"
        )
        with errors(self._path, "read"):
            row = self._db.execute(query, (specimen_id,)).fetchone()
        return specimen_id if row is None else str(row[0])

    def uuid_of(self, specimen_id: str) -> str:
        """Return a specimen's uuid; empty where there is no such specimen."""
        with errors(self._path, "read"):
            row = self._db.execute("SELECT uuid FROM specimens WHERE id = ?", (specimen_id,)).fetchone()
        return "" if row is None else str(row[0])

    def counted(self, specimen_id: str) -> tuple[int, int]:
        """Return how many fields a specimen has, and how many cells they counted; a damaged one none."""
        cells = (
            "SELECT total(max(0, cells)) FROM (SELECT sum(value) AS cells FROM fields,"
            " json_each(CASE WHEN json_valid(CAST(tally AS TEXT)) THEN CAST(tally AS TEXT) ELSE '{}' END,"
            " '$.counted') WHERE specimen_id = ? GROUP BY key)"
        )
        with errors(self._path, "read"):
            counted = int(self._db.execute(cells, (specimen_id,)).fetchone()[0])
        return self.field_count(specimen_id), counted

    def events(self, specimen_id: str) -> list[Event]:
        """Return all that was noted of a specimen, the oldest first."""
        query = (
            "SELECT number, kind, coalesce(right_at, at), operator, what, why,"
            " CASE WHEN right_at != at THEN at END, boot_id IS NULL OR right_at IS NOT NULL"
            " FROM specimen_events WHERE specimen_id = ? ORDER BY number"
        )
        with errors(self._path, "read"):
            rows = self._db.execute(query, (specimen_id,)).fetchall()
        return [Event(*row)._replace(clock_synced=bool(row[-1])) for row in rows]

    def field_count(self, specimen_id: str) -> int:
        """Count a specimen's fields."""
        # A row may be the sum of many; of a damaged one nobody knows.
        query = (
            "SELECT total(CASE WHEN json_valid(CAST(tally AS TEXT)) THEN"
            " coalesce(json_extract(CAST(tally AS TEXT), '$.fields'), 1) ELSE 1 END)"
            " FROM fields WHERE specimen_id = ?"
        )
        with errors(self._path, "read"):
            return int(self._db.execute(query, (specimen_id,)).fetchone()[0])

    def mark_published(self, specimen_id: str, event: int) -> None:
        """Note that the broker has a differential that knew of this event, and so of all before it."""
        with self._transaction():
            self._db.execute("UPDATE specimens SET said = max(said, ?) WHERE id = ?", (event, specimen_id))

    def _note(
        self,
        specimen_id: str,
        kind: str,
        *,
        operator: str | None = None,
        what: str | None = None,
        why: str | None = None,
    ) -> None:
        self._db.execute(
            "INSERT INTO specimen_events"
            " (specimen_id, kind, operator, what, why, at, boot_id, clock_offset_s)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (specimen_id, kind, operator, what, why, *noted_now()),
        )
        self._db.execute("UPDATE specimens SET revision = revision + 1 WHERE id = ?", (specimen_id,))

    def _again(self, specimen_id: str) -> Specimen:
        found = self.find(specimen_id)
        if found is None:
            raise StoreError(f"{self._path}: specimen {specimen_id} cannot be read back")
        return found

    def _specimens(self, where: str, *values: str) -> Iterator[Specimen]:
        with errors(self._path, "read"):
            query = f"SELECT {_COLUMNS} FROM specimens WHERE {where} ORDER BY rowid"  # noqa: S608
            rows = self._db.execute(query, values).fetchall()
        for row in rows:
            specimen = Specimen(*row)
            specimen = specimen._replace(
                by_command=bool(specimen.by_command), simulated=bool(specimen.simulated)
            )
            yield with_events(specimen, self.events(specimen.specimen_id))

    def _transaction(self) -> AbstractContextManager[None]:
        return transaction(self._db, self._path)


def with_events(specimen: Specimen, events: Iterable[Event]) -> Specimen:
    """Return a specimen with what follows from these events of it, the oldest first, and from no others."""
    rows = list(events)
    changes: list[Change] = []
    specimen = _with_right_times(specimen, rows)
    specimen = specimen._replace(signature=None, discarded=None, ended=None, opened=0, event=0)
    if specimen.state not in {"open", "stopped"} and not any(kind == "started" for _, kind, *_ in rows):
        specimen = specimen._replace(ended=SOURCE_ENDED)  # of release 0.1, which noted no more of it
    signed = False
    for event in rows:
        if signed and event.kind == "reviewed":  # as earlier releases noted all but the first correction
            event = event._replace(kind="corrected")  # noqa: PLW2901
        kind = event.kind
        signed = signed or kind == "signed"
        specimen = specimen._replace(event=event.number)
        if kind in {"started", "resumed"}:
            specimen = specimen._replace(opened=event.number, ended=None)
        elif kind in {"finished", "stopped"}:
            ended = SOURCE_ENDED if kind == "finished" else STOPPED
            specimen = specimen._replace(ended=event.why or ended)
        elif kind == "signed":
            specimen = specimen._replace(signature=signature_of(event))
        elif kind == "corrected":
            # Whoever signed before has not seen this.
            specimen = specimen._replace(signature=None)
        if (change := change_of(event)) is None:
            continue
        if kind == "discarded":
            specimen = specimen._replace(discarded=change, ended=specimen.ended or kind)
        else:
            changes.append(change)
    return specimen._replace(changes=tuple(changes))


def _with_right_times(specimen: Specimen, events: Iterable[Event]) -> Specimen:
    """Return a specimen with the times that were set right; of the others it has what the clock showed."""
    end, synced = None, True
    for event in events:
        synced = synced and event.clock_synced
        if event.kind == "started" and event.noted_at is not None:
            specimen = specimen._replace(started_at=event.at)
        if event.kind in {"started", "resumed"}:
            end = None
        elif event.kind in {"stopped", "finished", "discarded"}:
            end = end or event
    if end is not None and end.noted_at is not None:
        specimen = specimen._replace(stopped_at=end.at)
    return specimen._replace(clock_synced=synced)


def signature_of(event: Event) -> Signature:
    """Return the signature that an event stands for."""
    return Signature(event.operator or "", read_time(event.at), event.why, simulated=event.what == SIMULATED)


def change_of(event: Event) -> Change | None:
    """Return what an event changed, as it is told with the count; None where nothing is told."""
    match event.kind:
        case "renamed":
            what, why = f"it was renamed from {event.what or ''}", _MISTYPED
        case "wbc_count":
            what, why = wbc_count_in_words(event.what), _COUNTED_LATER
        case "resumed" if event.what is None:
            return None
        case "corrected" | "resumed" | "discarded" | "clock":
            what, why = event.what or "", event.why or ""
        case _:
            return None
    return Change(read_time(event.at), what, why, event.operator)
