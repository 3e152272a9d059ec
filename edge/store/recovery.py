"""A damaged store: recognised at the start, moved aside, and what can be read of it taken over."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from edge import identity
from edge.cameras.image_header import image_size
from edge.errors import StoreError
from edge.store.database import connect, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

_PARTS = ("", "-wal", "-shm")
_PARTIAL, _REPAIRED = ".repairing", ".repaired"
_DATABASES = {".db", ".sqlite", ".sqlite3"}
_LOOKED_AT = 4096  # bytes
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_TEXT = frozenset({9, 10, 13, *range(32, 127)})

_AS_STORES_ARE_NOW = (
    # In earlier versions `final` was also what had only ended; and a signature may be among what is lost.
    """
    UPDATE specimens SET state = 'complete' WHERE state IN ('final', 'corrected') AND NOT EXISTS
        (SELECT 1 FROM specimen_events WHERE specimen_id = specimens.id AND kind = 'signed')
    """,
    # They said of a drawn slide only in its name that it was one.
    """
    UPDATE specimens SET simulated = 1 WHERE EXISTS
        (SELECT 1 FROM fields WHERE specimen_id = specimens.id AND source_id LIKE 'simulated:%')
    """,
    """
    UPDATE fields SET payload = CAST(json_set(CAST(payload AS TEXT), '$.simulated', json('true')) AS BLOB)
        WHERE source_id LIKE 'simulated:%' AND json_valid(CAST(payload AS TEXT))
    """,
)
"""What an update does to the rows of earlier versions, for rows that were copied as they were."""


def repair_if_damaged(path: Path) -> str | None:
    """Prove the store at `path`; a new one filled with what a damaged one still gives takes its place.

    Give a sentence for the operator where that was so. After a clean end the check is a quick one; a
    write-ahead log that was left there tells of another end, and then every index is compared with its table
    as well. Call it with the store claimed and not open. A repair that is interrupted is done again, or its
    rest. Raises StoreError where it cannot be repaired or moved, and where it is a file of another kind,
    which stays where it is.
    """
    if not path.exists() and not path.with_name(path.name + _REPAIRED).exists():
        return None
    if path.exists() and (other := other_kind(path)):
        raise StoreError(f"{path}: is {other}, and no result store; give store.path another name")
    repaired = path.with_name(path.name + _REPAIRED)
    problem = "a repair was interrupted" if repaired.exists() else _problem(path)
    if problem is None:
        return None
    if not repaired.exists():
        _repair(path, repaired, problem)
    aside = path.with_name(f"{path.name}.damaged-{identity.now():%Y%m%dT%H%M%S%f}")
    try:
        for part in reversed(_PARTS):  # the file last: a kill in between leaves one that is still damaged
            old = path.with_name(path.name + part)
            if old.exists():
                old.rename(aside.with_name(aside.name + part))
        repaired.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: is damaged ({problem}) and cannot be moved: {error.strerror}") from None
    with closing(connect(path, durable=True)) as new:
        saved, waiting = new.execute("SELECT count(*), count(*) - count(delivered_at) FROM fields").fetchone()
    notice = (
        f"the result store was damaged ({problem}): it is kept as {aside.name};"
        f" {saved} results could be taken over, {waiting} of them still to be delivered"
    )
    log.error("%s: %s", path, notice)
    return notice


def _repair(path: Path, repaired: Path, problem: str) -> None:
    """Fill a new store at `repaired` with all that can be read of the one at `path`. Raises StoreError.

    It has that name only once it is whole: until then nothing is changed, and the repair begins anew.
    """
    partial = path.with_name(path.name + _PARTIAL)
    try:
        _remove(partial)
        with closing(connect(partial, durable=True)) as new:
            _salvage(path, new)
            new.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        partial.rename(repaired)
        sync_folder(path.parent)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            _remove(partial)
        reason = getattr(error, "strerror", None) or error
        raise StoreError(f"{path}: is damaged ({problem}) and cannot be repaired: {reason}") from None


def _remove(partial: Path) -> None:
    for part in _PARTS:
        partial.with_name(partial.name + part).unlink(missing_ok=True)


def other_kind(path: Path) -> str | None:
    """What a file is that never was a store, such as `a picture`; None for a store, sound or damaged.

    By its first bytes, and not where its name is that of a database: damage may leave any bytes there.
    """
    if path.suffix.lower() in _DATABASES:
        return None
    try:
        with path.open("rb") as file:
            head = file.read(_LOOKED_AT)
    except OSError:
        return None  # opening it will say so
    if head.startswith(_PICTURES) or image_size(head) is not None:
        return "a picture"
    if head[4:8] == b"TFL3":
        return "a model"
    return "a text" if head and _TEXT.issuperset(head) else None


def _problem(path: Path) -> str | None:
    wal = path.with_name(path.name + "-wal")
    unclean = wal.exists() and wal.stat().st_size > 0
    try:
        with closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as db:
            check = "integrity_check" if unclean else "quick_check"
            first = str(db.execute(f"PRAGMA {check}(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        # Not damage: no permission, a full disk, a folder. Opening it will say so.
        log.debug("%s: not checked: %s", path, error)
        return None
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if first == "ok" else " ".join(first.split())


def _salvage(damaged: Path, new: sqlite3.Connection) -> None:
    """Copy every row that can be read. Raises sqlite3.Error where the new store cannot be written."""
    tables = [
        name
        for (name,) in new.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
        )
    ]
    new.execute("PRAGMA foreign_keys = OFF")  # a field whose specimen is lost is worth more than the rule
    new.execute("BEGIN IMMEDIATE")
    # Opened as it is: the write-ahead log beside it may hold the newest results.
    with closing(sqlite3.connect(damaged, isolation_level=None)) as old:
        for table in tables:
            _copy(old, new, table)
    new.execute(
        "INSERT OR IGNORE INTO specimens (id, started_at)"
        " SELECT specimen_id, strftime('%Y-%m-%dT%H:%M:%fZ') FROM fields"
        " UNION SELECT specimen_id, strftime('%Y-%m-%dT%H:%M:%fZ') FROM reviews"
    )
    for statement in _AS_STORES_ARE_NOW:
        new.execute(statement)
    # Its first pictures may be among what is lost: none is missed when a source goes on.
    new.execute("UPDATE specimens SET source_from = 1 + (SELECT coalesce(max(sequence), 0) FROM fields)")
    for table in ("keyframes", "cells", "cell_pictures"):
        new.execute(f"DELETE FROM {table} WHERE sequence NOT IN (SELECT sequence FROM fields)")  # noqa: S608
    new.execute("COMMIT")


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> None:
    """Copy a table from both its ends up to the damage: what lies in the middle of it is lost."""
    columns = [name for name in _columns(new, table) if name in set(_columns(old, table))]
    if not columns:
        return
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    for order in ("ASC", "DESC"):
        for row in (reading := _Reading(old, f"SELECT {names} FROM {table} ORDER BY rowid {order}")):  # noqa: S608
            # What the damage made of a row that no row can be is no reason to end; a full disk is.
            with suppress(sqlite3.IntegrityError):
                new.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", row)  # noqa: S608
        if reading.problem is None:
            return
        log.warning("%s: not all of it can be read: %s", table, reading.problem)


class _Reading:
    """The rows of a query up to the damage. problem: what ended it, or None."""

    def __init__(self, db: sqlite3.Connection, query: str) -> None:
        self._db = db
        self._query = query
        self.problem: sqlite3.DatabaseError | None = None

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.execute(self._query)
        except sqlite3.DatabaseError as error:
            self.problem = error


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    try:
        return [str(row[1]) for row in db.execute(f"PRAGMA table_info({table})")]
    except sqlite3.DatabaseError:
        return []
