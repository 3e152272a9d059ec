"""How far a model's logits have moved on each camera's microscope: its next specimen begins with that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edge.store.database import errors, transaction

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from edge.messages import Alignment, ModelReference


class Alignments:
    """The alignments of one store's connection, for the thread that has it. All methods raise StoreError."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path

    def remember(self, camera: str, model: ModelReference, alignment: Alignment | None) -> None:
        """Keep a field's, once enough cells have told it. In the caller's transaction, if he has one."""
        if alignment is None or not alignment.settled:
            return
        logits = msgspec.json.encode(alignment.logits).decode()
        with transaction(self._db, self._path):
            self._db.execute(
                "INSERT INTO alignments (camera, model, logits) VALUES (?, ?, ?)"
                " ON CONFLICT (camera) DO UPDATE SET model = excluded.model, logits = excluded.logits"
                " WHERE model != excluded.model OR logits != excluded.logits",
                (camera, model.sha256, logits),
            )

    def of(self, camera: str, model: ModelReference) -> dict[str, float] | None:
        """Return what is taken from each class's logit, or None where no specimen of this model told it."""
        with errors(self._path, "read"):
            query = "SELECT logits FROM alignments WHERE camera = ? AND model = ?"
            row = self._db.execute(query, (camera, model.sha256)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=dict[str, float])
