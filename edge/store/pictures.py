"""A picture of each cell, for people to look at: committed with its field, and kept for as long as is set."""

from __future__ import annotations

import time
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from edge import identity
from edge.store.database import errors, give_way, transaction
from edge.store.noted_times import stamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

_PAGE = 100


class CellPicture(NamedTuple):
    """A cell's picture, JPEG."""

    cell_id: str
    jpeg: bytes


class Pictures:
    """The pictures of one store's connection, for the thread that has it. All methods raise StoreError."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path

    def add(self, sequence: int, pictures: Iterable[CellPicture]) -> None:
        """Keep pictures of a field's cells; in the caller's transaction, if he has one."""
        kept_at = stamp() if identity.clock_synced() else None
        with transaction(self._db, self._path):
            self._db.executemany(
                "INSERT INTO cell_pictures (cell_id, sequence, kept_at, jpeg) VALUES (?, ?, ?, ?)",
                [(picture.cell_id, sequence, kept_at, picture.jpeg) for picture in pictures],
            )

    def find(self, cell_id: str) -> bytes | None:
        """Return a cell's picture, JPEG; None where none is kept."""
        with errors(self._path, "read"):
            row = self._db.execute("SELECT jpeg FROM cell_pictures WHERE cell_id = ?", (cell_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def known(self, specimen_id: str) -> set[str]:
        """Return the ids of a specimen's cells that have a picture."""
        query = "SELECT cell_id FROM cell_pictures JOIN fields USING (sequence) WHERE specimen_id = ?"
        with errors(self._path, "read"):
            return {str(cell_id) for (cell_id,) in self._db.execute(query, (specimen_id,)).fetchall()}

    def prune(self, days: float, until: float = inf) -> int:
        """Drop the pictures that were kept longer ago, and give their number.

        until: on the monotonic clock; what is not done by then is left to the next call.
        Call it with a clock that is set: those that were kept without one begin to age with the first call.
        """
        with transaction(self._db, self._path):
            self._db.execute("UPDATE cell_pictures SET kept_at = ? WHERE kept_at IS NULL", (stamp(),))
        limit, since, dropped = stamp(timedelta(days=days)), time.monotonic(), 0
        while batch := self._drop("kept_at <= ?", limit, _PAGE):
            dropped += batch
            since = give_way(since)
            if time.monotonic() >= until:
                break
        return dropped

    def drop_oldest(self, limit: int) -> int:
        """Drop at most `limit`, and give their number: of specimens that are signed or discarded first."""
        # Picture by picture, the oldest first: all fields of all signed specimens are more than are kept.
        closed = (
            "EXISTS (SELECT 1 FROM fields JOIN specimens ON id = specimen_id WHERE state IN"
            " ('final', 'corrected', 'discarded') AND fields.sequence = cell_pictures.sequence)"
        )
        return self._drop(closed, None, limit) or self._drop("true", None, limit)

    def _drop(self, where: str, value: str | None, limit: int) -> int:
        query = (
            "DELETE FROM cell_pictures WHERE rowid IN"  # noqa: S608
            f" (SELECT rowid FROM cell_pictures WHERE {where} ORDER BY rowid LIMIT {limit:d})"
        )
        with transaction(self._db, self._path):
            return self._db.execute(query, () if value is None else (value,)).rowcount
