"""The specimens of a store: begun, stopped, signed, discarded, and by whom. Every change is one transaction.

The command line and the broker's commands write here, each over a connection of its own; the daemon looks
here before each frame. So an order is on the disk before it is answered, and none needs the daemon to run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge import identity
from edge.database import errors, transaction
from edge.differential_parts import Change, Signature
from edge.errors import SpecimenError, StoreError
from edge.specimen import Specimen, SpecimenState, read_time

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import timedelta
    from pathlib import Path

_COLUMNS = "id, state, started_at, finished_at, target, total_count"
_LONGEST_ID = 64  # characters, as `requests` has it
_ADDED_LATE = "fields were added"
_WHY_LATE = "they came after the count was final"


class Ledger:
    """The specimens of one store's connection, for the thread that has it. All methods raise StoreError."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path

    # What stands there

    def find(self, specimen_id: str) -> Specimen | None:
        """Give the specimen of this id."""
        return next(self._specimens("id = ?", specimen_id), None)

    def all(self) -> list[Specimen]:
        """Give all specimens, the oldest first."""
        return list(self._specimens("true"))

    def open_by_command(self) -> Specimen | None:
        """Give the specimen that cells are counted into, where commands say which; there is at most one."""
        return next(self._specimens("state = 'open' AND by_command = 1"), None)

    def latest_event(self) -> tuple[int, str]:
        """Give the number of what was noted last, of whichever specimen, and that one; (0, "") of nothing."""
        with errors(self._path, "read"):
            query = "SELECT number, specimen_id FROM specimen_events ORDER BY number DESC LIMIT 1"
            row = self._db.execute(query).fetchone()
        return (0, "") if row is None else (int(row[0]), str(row[1]))

    def unsaid(self) -> list[tuple[str, int]]:
        """Give the specimens of which the broker has not the latest: id and event, the oldest event first."""
        query = (
            "SELECT id, max(number) AS latest FROM specimens JOIN specimen_events ON specimen_id = id"
            " GROUP BY id HAVING latest > said ORDER BY latest"
        )
        with errors(self._path, "read"):
            return [(str(name), int(event)) for name, event in self._db.execute(query).fetchall()]

    def mark_said(self, specimen_id: str, event: int) -> None:
        """Note that the broker has a differential that knew of this event, and so of all before it."""
        with self._transaction():
            self._db.execute("UPDATE specimens SET said = max(said, ?) WHERE id = ?", (event, specimen_id))

    # By the source: a folder or slide is one specimen, from its first frame to its last

    def begin_source(self, specimen_id: str) -> Specimen:
        """Give the specimen of this id, whatever its state; a new one is opened."""
        with self._transaction():
            added = self._db.execute(
                "INSERT INTO specimens (id, started_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (specimen_id, stamp()),
            ).rowcount
            if added:
                self._note(specimen_id, "started")
        return self._again(specimen_id)

    def begin_endless(self, specimen_id: str) -> Specimen:
        """Give the specimen that a source which never ends is counted into; a new one is opened.

        It is the one of this id. As often as one was discarded the next follows it, with a number behind the
        id that no other specimen has.
        """
        taken = (
            "SELECT 1 FROM specimens WHERE id = ? AND (state = 'discarded'"
            " OR (? > 1 AND (state != 'open' OR by_command = 1)))"
        )
        with self._transaction():
            name, number = specimen_id, 1
            while self._db.execute(taken, (name, number)).fetchone() is not None:
                number += 1
                mark = f"-{number}"
                name = specimen_id[: _LONGEST_ID - len(mark)] + mark
            return self.begin_source(name)

    def end_source(self, specimen_id: str) -> None:
        """Nothing more is expected of this specimen. Its first end is the one that is kept."""
        with self._transaction():
            ended = self._db.execute(
                "UPDATE specimens SET state = 'final', finished_at = ? WHERE id = ? AND state = 'open'",
                (stamp(), specimen_id),
            ).rowcount
            if ended:
                self._forget_slide(specimen_id)
                self._note(specimen_id, "finished")

    def note_addition(self, specimen_id: str) -> None:
        """A field was added, in the caller's transaction: what was final is corrected, to be signed anew."""
        state, last = self._db.execute(
            "SELECT state, (SELECT kind FROM specimen_events WHERE specimen_id = id ORDER BY number DESC)"
            " FROM specimens WHERE id = ?",
            (specimen_id,),
        ).fetchone()
        if state == "final" or (state == "corrected" and last == "signed"):
            self._db.execute("UPDATE specimens SET state = 'corrected' WHERE id = ?", (specimen_id,))
            self._note(specimen_id, "corrected", what=_ADDED_LATE, why=_WHY_LATE)
        elif state == "stopped":
            self._note(
                specimen_id, "added"
            )  # it was in hand; without a note, a kill here would leave it unsaid

    # By command. All raise SpecimenError, with nothing changed, where it cannot be

    def start(
        self, specimen_id: str, *, target: int | None, total_count: float | None, resume: bool
    ) -> Specimen:
        """Open a specimen; with `resume`, one that was stopped and not signed. One at a time is open.

        target, total_count: None leaves what a resumed one has.
        """
        with self._transaction():
            current, known = self.open_by_command(), self.find(specimen_id)
            if current is not None:
                raise SpecimenError(f"specimen {current.specimen_id} is open: stop it first")
            if known is not None and not (resume and known.state == "stopped"):
                raise SpecimenError(_why_not_again(known))
            if known is None and resume:
                raise SpecimenError(f"there is no specimen {specimen_id} to resume")
            self._db.execute(
                "INSERT INTO specimens (id, started_at, target, total_count, by_command)"
                " VALUES (?, ?, ?, ?, 1)"
                " ON CONFLICT (id) DO UPDATE SET state = 'open', finished_at = NULL, met_stopped_at = NULL,"
                " target = coalesce(excluded.target, target),"
                " total_count = coalesce(excluded.total_count, total_count)",
                (specimen_id, stamp(), target, total_count),
            )
            self._note(specimen_id, "resumed" if known else "started")
        return self._again(specimen_id)

    def stop(self, specimen_id: str | None = None, why: str | None = None) -> Specimen:
        """Close the specimen that is open: from here on it waits for a signature."""
        with self._transaction():
            current = self.open_by_command()
            if current is None:
                raise SpecimenError("no specimen is open")
            if specimen_id not in {None, current.specimen_id}:
                raise SpecimenError(f"specimen {specimen_id} is not open; {current.specimen_id} is")
            self._set("stopped", current.specimen_id, finished=True)
            self._note(current.specimen_id, "stopped", why=why)
        return self._again(current.specimen_id)

    def sign(self, operator: str, specimen_id: str | None = None) -> Specimen:
        """A person stands by the count. specimen_id: None is the only one that waits for it."""
        with self._transaction():
            chosen = self._chosen(specimen_id, "sign")
            if chosen.state == "open":
                raise SpecimenError(f"specimen {chosen.specimen_id} is open: stop it first")
            if chosen.discarded is not None:
                raise SpecimenError(f"specimen {chosen.specimen_id} was discarded")
            if chosen.signature is not None:
                raise SpecimenError(
                    f"specimen {chosen.specimen_id} is signed by {chosen.signature.operator} already"
                )
            # What was corrected stays so, however often it is signed.
            self._set("corrected" if chosen.changes else "final", chosen.specimen_id)
            self._forget_slide(chosen.specimen_id)
            self._note(chosen.specimen_id, "signed", operator=operator)
        return self._again(chosen.specimen_id)

    def discard(self, reason: str, specimen_id: str | None = None) -> Specimen:
        """The specimen is not to be used. It stays, with the reason. specimen_id: None is the open one, else
        the only one that waits for a signature.
        """
        with self._transaction():
            chosen = (None if specimen_id else self.open_by_command()) or self._chosen(specimen_id, "discard")
            if chosen.discarded is not None:
                raise SpecimenError(f"specimen {chosen.specimen_id} was discarded before")
            self._set("discarded", chosen.specimen_id, finished=True)
            self._forget_slide(chosen.specimen_id)
            self._note(chosen.specimen_id, "discarded", what="it was discarded", why=reason)
        return self._again(chosen.specimen_id)

    def _chosen(self, specimen_id: str | None, what: str) -> Specimen:
        if specimen_id is not None:
            found = self.find(specimen_id)
            if found is None:
                raise SpecimenError(f"there is no specimen {specimen_id}")
            return found
        known = self.all()
        # A folder's or slide's count is final without a signature: it is not asked for, only taken.
        waiting = [one for one in known if one.state == "stopped"] or [one for one in known if one.waiting]
        if len(waiting) == 1:
            return waiting[0]
        if not waiting:
            raise SpecimenError(f"there is no specimen to {what}: none waits for a signature")
        names = ", ".join(specimen.specimen_id for specimen in waiting[-5:])
        raise SpecimenError(f"{len(waiting)} specimens wait for a signature ({names}): say which to {what}")

    def _set(self, state: SpecimenState, specimen_id: str, *, finished: bool = False) -> None:
        self._db.execute(
            "UPDATE specimens SET state = ?, finished_at = coalesce(finished_at, ?) WHERE id = ?",
            (state, stamp() if finished else None, specimen_id),
        )

    def _forget_slide(self, specimen_id: str) -> None:
        """Drop what a restart would know the slide by: this specimen is not taken up again."""
        query = "DELETE FROM keyframes WHERE sequence IN (SELECT sequence FROM fields WHERE specimen_id = ?)"
        self._db.execute(query, (specimen_id,))

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
            "INSERT INTO specimen_events (specimen_id, kind, at, operator, what, why)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (specimen_id, kind, stamp(), operator, what, why),
        )

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
            yield self._with_events(Specimen(*row))

    def _with_events(self, specimen: Specimen) -> Specimen:
        query = (
            "SELECT number, kind, at, operator, what, why FROM specimen_events"
            " WHERE specimen_id = ? ORDER BY number"
        )
        with errors(self._path, "read"):
            rows = self._db.execute(query, (specimen.specimen_id,)).fetchall()
        changes: list[Change] = []
        for number, kind, at, operator, what, why in rows:
            specimen = specimen._replace(event=number)
            if kind in {"started", "resumed"}:
                specimen = specimen._replace(opened=number)
            elif kind == "signed":
                specimen = specimen._replace(signature=Signature(operator, read_time(at)))
            elif kind == "corrected":
                # Whoever signed before has not seen this.
                changes.append(Change(read_time(at), what, why))
                specimen = specimen._replace(signature=None)
            elif kind == "discarded":
                specimen = specimen._replace(discarded=Change(read_time(at), what, why))
        return specimen._replace(changes=tuple(changes))

    def _transaction(self) -> AbstractContextManager[None]:
        return transaction(self._db, self._path)


def _why_not_again(known: Specimen) -> str:
    if known.state == "stopped":
        return f"specimen {known.specimen_id} was stopped: resume it, or give another id"
    state = "is open" if known.state == "open" else f"is {known.state}"
    return f"specimen {known.specimen_id} is there already and {state}: give another id"


def stamp(ago: timedelta | None = None) -> str:
    """Give the time now, or that long ago, as the store keeps it: UTC, ISO 8601."""
    moment = identity.now() if ago is None else identity.now() - ago
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
