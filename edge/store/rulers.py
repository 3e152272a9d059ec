"""How large a pixel of each camera is, by the last specimen that was sure of it: the next begins with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.store.database import errors, transaction

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from edge.messages import Scale


class Rulers:
    """The rulers of one store's connection, for the thread that has it. All methods raise StoreError."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path

    def remember(self, camera: str, scale: Scale | None) -> None:
        """Keep what a field says of its camera's pixels, once its specimen's fields agree on it.

        A scale that is configured, remembered itself, or still a guess is not kept. In the caller's
        transaction, if he has one.
        """
        if scale is None or not scale.settled or scale.source != "red cells":
            return
        with transaction(self._db, self._path):
            self._db.execute(
                "INSERT INTO rulers (camera, micrometres_per_pixel) VALUES (?, ?)"
                " ON CONFLICT (camera) DO UPDATE SET micrometres_per_pixel = excluded.micrometres_per_pixel"
                " WHERE micrometres_per_pixel != excluded.micrometres_per_pixel",
                (camera, scale.micrometres_per_pixel),
            )

    def of(self, camera: str) -> float | None:
        """Return micrometres a pixel of a camera, or None where no specimen was sure of them yet."""
        with errors(self._path, "read"):
            query = "SELECT micrometres_per_pixel FROM rulers WHERE camera = ?"
            row = self._db.execute(query, (camera,)).fetchone()
        return None if row is None else float(row[0])
