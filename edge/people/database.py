"""The file of people, sessions and audit trail, beside the store: a damaged store locks nobody out."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from edge.errors import PeopleError
from edge.store.database import make_for_owner
from edge.store.kept_open import KeptOpen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_APPLICATION_ID = 0x6C657570  # "leup"
_VERSION = 1
_BUSY_S = 10.0
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_SCHEMA = """
CREATE TABLE people (
    code TEXT PRIMARY KEY COLLATE NOCASE,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('operator', 'reviewer', 'administrator')),
    pin TEXT NOT NULL,
    added_at TEXT NOT NULL
) STRICT;
-- Of a token only its hash: who reads the file can open no session with it.
CREATE TABLE sessions (
    token TEXT PRIMARY KEY,
    code TEXT NOT NULL COLLATE NOCASE REFERENCES people (code) ON DELETE CASCADE,
    opened_s REAL NOT NULL,
    used_s REAL NOT NULL
) STRICT;
CREATE TABLE guesses (
    number INTEGER PRIMARY KEY,
    code TEXT NOT NULL COLLATE NOCASE,
    address TEXT NOT NULL,
    at_s REAL NOT NULL
) STRICT;
CREATE INDEX guesses_at ON guesses (at_s);
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    code TEXT,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    about TEXT,
    outcome TEXT
) STRICT
"""


@contextmanager
def opened(path: Path, *, wait_s: float = _BUSY_S) -> Iterator[sqlite3.Connection]:
    """A connection whose block is one transaction: all of it or nothing. Raises PeopleError.

    wait_s: for others who write.
    """
    try:
        db = _connect(path, wait_s=wait_s)
    except (OSError, sqlite3.Error) as error:
        raise PeopleError(f"{path}: the file of people cannot be opened: {_reason(error)}") from None
    try:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
    except sqlite3.Error as error:
        raise PeopleError(f"{path}: the file of people cannot be written: {_reason(error)}") from None
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.close()


@contextmanager
def reading(path: Path, kept: KeptOpen[sqlite3.Connection] | None = None) -> Iterator[sqlite3.Connection]:
    """A connection to look with, one of those kept if there are; it waits for nobody who writes.

    Raises PeopleError.
    """
    try:
        with closing(_connect(path)) if kept is None else kept.use() as db:
            yield db
    except (OSError, sqlite3.Error) as error:
        raise PeopleError(f"{path}: the file of people cannot be read: {_reason(error)}") from None


def kept_open(path: Path) -> KeptOpen[sqlite3.Connection]:
    """Return connections for who looks many times a second."""
    return KeptOpen(path, lambda: _connect(path, one_thread=False))


def _connect(path: Path, *, one_thread: bool = True, wait_s: float = _BUSY_S) -> sqlite3.Connection:
    make_for_owner(path, 0o600)  # nobody but the device's own account reads it
    db = sqlite3.connect(path, timeout=wait_s, isolation_level=None, check_same_thread=one_thread)
    try:
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    version, application = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")
    )
    if version > _VERSION or application not in {0, _APPLICATION_ID}:
        raise PeopleError(f"{path}: is no file of people of this release")
    if version < _VERSION:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN IMMEDIATE")
        if db.execute("PRAGMA user_version").fetchone()[0] < _VERSION:  # somebody else may have been faster
            for statement in _SCHEMA.split(";\n"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute("COMMIT")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA synchronous = FULL")


def _reason(error: OSError | sqlite3.Error) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:  # the rest says which kind of damage
        return "it is damaged; move it away, with what is called -wal and -shm, and add the people again"
    return str(error)
