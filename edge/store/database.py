"""The store's file: made, recognised, opened, and claimed for one daemon."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from edge.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_APPLICATION_ID = 0x6C65756B  # "leuk", so that another program's database is not taken for ours
_BUSY_S = 10.0
_TURN_S = 1.0  # of many transactions in a row
REST_S = 0.12
"""Between transactions, enough for who waits for the store: SQLite looks at it again every 0.1 s."""

_SCHEMA = """
CREATE TABLE specimens (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'final', 'corrected')),
    started_at TEXT NOT NULL,
    finished_at TEXT
) STRICT;
-- AUTOINCREMENT: a sequence is never given twice, not even after its row is gone.
CREATE TABLE fields (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    field_id TEXT NOT NULL UNIQUE,
    specimen_id TEXT NOT NULL REFERENCES specimens (id),
    source_id TEXT,
    run_id TEXT NOT NULL,
    committed_s REAL NOT NULL,
    tally BLOB NOT NULL,
    payload BLOB,
    delivered_at TEXT,
    error TEXT,
    UNIQUE (specimen_id, source_id)
) STRICT;
CREATE INDEX fields_of_specimen ON fields (specimen_id);
CREATE INDEX fields_waiting ON fields (sequence) WHERE delivered_at IS NULL;
"""

MIGRATIONS = (
    # 1 to 2: specimens by command, and what was said of each by whom.
    """
CREATE TABLE specimens_2 (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'stopped', 'final', 'corrected', 'discarded')),
    started_at TEXT NOT NULL,
    finished_at TEXT,
    target INTEGER,
    total_count REAL,
    by_command INTEGER NOT NULL DEFAULT 0,
    said INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO specimens_2 (id, state, started_at, finished_at)
    SELECT id, state, started_at, finished_at FROM specimens ORDER BY rowid;
DROP TABLE specimens;
ALTER TABLE specimens_2 RENAME TO specimens;
-- Cells can only ever be counted into one.
CREATE UNIQUE INDEX open_by_command ON specimens (by_command) WHERE state = 'open' AND by_command = 1;
CREATE TABLE specimen_events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    specimen_id TEXT NOT NULL REFERENCES specimens (id),
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    operator TEXT,
    what TEXT,
    why TEXT
) STRICT;
CREATE INDEX events_of_specimen ON specimen_events (specimen_id);
""",
    # Clock minus monotonic clock at the commit, where the clock was not set: its times wait to be corrected.
    # Without an index: it would be a page more to write for each field, for what is asked once a start.
    "ALTER TABLE fields ADD COLUMN clock_offset_s REAL;\n",
    # Answers to orders, until the broker has them. at_s: the monotonic clock of that boot.
    """
CREATE TABLE answers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    correlation_id TEXT NOT NULL UNIQUE,
    command TEXT NOT NULL,
    asked BLOB NOT NULL,
    payload BLOB NOT NULL,
    boot_id TEXT NOT NULL,
    at_s REAL NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0
) STRICT;
""",
    # The small pictures by which a slide is known again. Apart from the fields: those are written again when
    # they are delivered, and their pictures should not be.
    """
CREATE TABLE keyframes (
    sequence INTEGER PRIMARY KEY REFERENCES fields (sequence),
    picture BLOB NOT NULL
) STRICT;
""",
    # When a clock that was set first met the specimen stopped: finished_at may be of one that was not.
    "ALTER TABLE specimens ADD COLUMN met_stopped_at TEXT;\n",
    # 6 to 7: `final` means signed; which source counts a specimen, and from which field on; drawn slides.
    """
CREATE TABLE specimens_7 (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'stopped', 'complete', 'final', 'corrected', 'discarded')),
    started_at TEXT NOT NULL,
    finished_at TEXT,
    target INTEGER,
    total_count REAL,
    by_command INTEGER NOT NULL DEFAULT 0,
    said INTEGER NOT NULL DEFAULT 0,
    met_stopped_at TEXT,
    source TEXT,
    source_from INTEGER NOT NULL DEFAULT 0,
    simulated INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO specimens_7 (id, state, started_at, finished_at, target, total_count, by_command, said,
        met_stopped_at, simulated)
    SELECT id,
        CASE WHEN state IN ('final', 'corrected') AND NOT EXISTS
                (SELECT 1 FROM specimen_events WHERE specimen_id = specimens.id AND kind = 'signed')
            THEN 'complete' ELSE state END,
        started_at, finished_at, target, total_count, by_command, said, met_stopped_at,
        EXISTS (SELECT 1 FROM fields WHERE specimen_id = specimens.id AND source_id LIKE 'simulated:%')
    FROM specimens ORDER BY rowid;
DROP TABLE specimens;
ALTER TABLE specimens_7 RENAME TO specimens;
CREATE UNIQUE INDEX open_by_command ON specimens (by_command) WHERE state = 'open' AND by_command = 1;
UPDATE fields SET payload = CAST(json_set(CAST(payload AS TEXT), '$.simulated', json('true')) AS BLOB)
    WHERE source_id LIKE 'simulated:%' AND json_valid(CAST(payload AS TEXT));
""",
)
"""How a store of each version becomes one of the next; the first is from version 1 to 2."""

_VERSION = 1 + len(MIGRATIONS)


def expect_store(path: Path) -> None:
    """Raise StoreError where there is no store: who only looks into one does not make it."""
    if not path.is_file():
        raise StoreError(f"{path}: there is no result store; has the daemon run yet?")


def connect(path: Path, *, durable: bool) -> sqlite3.Connection:
    """Open the database; what is missing of it is made, its folder included.

    durable: False saves the wait for the disk where losing the last writes in a power cut does no harm.
    Raises StoreError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path}: the result store cannot be opened: {_reason(error)}") from None
    try:
        with errors(path, "opened"):
            _prepare(connection, path, durable=durable)
    except StoreError:
        connection.close()
        raise
    return connection


def _prepare(db: sqlite3.Connection, path: Path, *, durable: bool) -> None:
    db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    version = _pragma(db, "user_version")
    written = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if written and _pragma(db, "application_id") != _APPLICATION_ID:
        raise StoreError(f"{path}: is the database of another program, not a result store")
    if version > _VERSION:
        raise StoreError(f"{path}: was written by a newer leukoscope (store version {version})")
    if not written:
        db.execute("PRAGMA journal_mode = WAL")
    if version < _VERSION:
        with transaction(db, path, "prepared"):
            # Read again: somebody else may have been faster.
            for script in (_SCHEMA, *MIGRATIONS)[_pragma(db, "user_version") :]:
                for statement in script.split(";\n"):
                    db.execute(statement)
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {_VERSION}")
    db.execute("PRAGMA temp_store = MEMORY")
    # Behind the migrations: a table that others refer to cannot be made anew before their eyes.
    db.execute("PRAGMA foreign_keys = ON")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


@contextmanager
def errors(path: Path, what: str) -> Iterator[None]:
    """Turn SQLite's errors into StoreError; `what` was being done with the store."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path}: the result store cannot be {what}: {_reason(error)}") from error


@contextmanager
def transaction(db: sqlite3.Connection, path: Path, what: str = "written") -> Iterator[None]:
    """All of the block or nothing of it; within another one, together with that. Raises StoreError."""
    if db.in_transaction:
        yield
        return
    with errors(path, what):
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")


def give_way(since: float) -> float:
    """Between many transactions in a row: now and then, let somebody else write.

    since: when the row began, on the monotonic clock; give that of the next row.
    """
    if time.monotonic() - since < _TURN_S:
        return since
    time.sleep(REST_S)
    return time.monotonic()


@contextmanager
def claim(path: Path) -> Iterator[None]:
    """Keep a second daemon off this store: both would number, count and deliver the same fields.

    The kernel lets go of the claim when the process ends, however it ends. Raises StoreError.
    """
    # A file of its own: closing any handle on the database would drop SQLite's own locks.
    lock = path.with_name(path.name + ".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("ab")
    except OSError as error:
        raise StoreError(f"{path}: the result store cannot be opened: {_reason(error)}") from None
    with closing(file):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"{path}: is in use by another leukoscope") from None
        yield


def _reason(error: OSError | sqlite3.Error) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
