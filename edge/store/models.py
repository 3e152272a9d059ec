"""What each model that called cells says of its errors: an older count stays as that model made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.store.database import errors, transaction

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


class Models:
    """The models in one store's connection, for the thread that has it. All methods raise StoreError."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path

    def remember(self, sha256: str, description: bytes) -> None:
        """Keep what the bundle of this hash says; one that is known stays as it is."""
        with transaction(self._db, self._path):
            self._db.execute(
                "INSERT INTO models (sha256, description) SELECT ?1, ?2"
                " WHERE NOT EXISTS (SELECT 1 FROM models WHERE sha256 = ?1)",
                (sha256, description),
            )

    def find(self, sha256: str) -> bytes | None:
        """Return what the bundle of this hash says, or None."""
        with errors(self._path, "read"):
            query = "SELECT description FROM models WHERE sha256 = ?"
            row = self._db.execute(query, (sha256,)).fetchone()
        return None if row is None else bytes(row[0])
