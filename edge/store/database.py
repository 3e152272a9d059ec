"""The store's file: made, recognised, opened, and claimed for one daemon."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from edge.errors import StoreError
from edge.store.schema import FIRST, MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_APPLICATION_ID = 0x6C65756B  # "leuk", so that another program's database is not taken for ours
_BUSY_S = 10.0
_TURN_S = 1.0  # of many transactions in a row
REST_S = 0.12
"""Between transactions, enough for who waits for the store: SQLite looks at it again every 0.1 s."""

_SMALL_CACHE_KB = 256
_VERSION = 1 + len(MIGRATIONS)


def expect_store(path: Path) -> None:
    """Raise StoreError where there is no store: who only looks into one does not make it."""
    if not path.is_file():
        raise StoreError(f"{path}: there is no result store; has the daemon run yet?")


def connect(path: Path, *, durable: bool, one_thread: bool = True) -> sqlite3.Connection:
    """Open the database; what is missing of it is made, its folder included.

    durable: False saves the wait for the disk where losing the last writes in a power cut does no harm.
    one_thread: False where it passes from thread to thread. Raises StoreError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:  # else the daemon could not write it
            make_for_owner(path, 0o640)
        connection = sqlite3.connect(
            path, timeout=_BUSY_S, isolation_level=None, check_same_thread=one_thread
        )
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path}: the result store cannot be opened: {_reason(error, path)}") from None
    try:
        with errors(path, "opened"):
            _prepare(connection, path, durable=durable)
            if not one_thread:  # one of several, and what they read is mostly pictures, each of them once
                connection.execute(f"PRAGMA cache_size = -{_SMALL_CACHE_KB}")
    except StoreError:
        connection.close()
        raise
    return connection


def make_for_owner(path: Path, mode: int) -> None:
    """Make an empty file of these rights where there is none; as root, for whom its folder belongs to.

    SQLite takes it for a new database, and gives its side files the same owner and rights. Raises OSError.
    """
    with suppress(FileExistsError):
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, mode)
        try:
            if os.geteuid() == 0:
                folder = path.parent.stat()
                os.fchown(file, folder.st_uid, folder.st_gid)
        finally:
            os.close(file)


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
            for script in (FIRST, *MIGRATIONS)[_pragma(db, "user_version") :]:
                for statement in script.split(";\n"):
                    db.execute(statement)
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {_VERSION}")
    db.execute("PRAGMA temp_store = MEMORY")
    # After migrating: SQLite cannot rebuild a referenced table while foreign keys are on.
    db.execute("PRAGMA foreign_keys = ON")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


@contextmanager
def errors(path: Path, what: str) -> Iterator[None]:
    """Turn SQLite's errors into StoreError; `what` was being done with the store."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path}: the result store cannot be {what}: {_reason(error, path)}") from error


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


@contextmanager
def snapshot(db: sqlite3.Connection, path: Path) -> Iterator[None]:
    """All that is read in the block is of one moment, whoever writes meanwhile. Raises StoreError."""
    if db.in_transaction:
        yield
        return
    with errors(path, "read"):
        db.execute("BEGIN")
        try:
            yield
        finally:
            db.execute("END")


def sync_folder(folder: Path) -> None:
    """Wait until a folder's names are on the disk: what was put in place there stays. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
        raise StoreError(f"{path}: the result store cannot be opened: {_reason(error, path)}") from None
    with closing(file):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"{path}: is in use by another leukoscope") from None
        yield


def _reason(error: OSError | sqlite3.Error, path: Path) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_CANTOPEN and not _may_write(path.parent):
        return (
            f"{path.parent} cannot be written here, and even to read it a file has to be made beside it; copy"
            " the whole folder to another place, and read it there"
        )
    return str(error)


def _may_write(folder: Path) -> bool:
    return os.access(folder, os.W_OK, effective_ids=True)
