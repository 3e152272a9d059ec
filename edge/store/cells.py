"""Where each cell is, and what it counts as by the model: one row a cell, committed with its field."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from edge.messages import FieldResult, decode_field
from edge.slide.contribution import CellStanding
from edge.slide.replay import standings
from edge.store.database import errors, transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class StoredCell(NamedTuple):
    """A cell's place in the store. sequence: its field's. picture: whether one is kept."""

    specimen_id: str
    sequence: int
    standing: CellStanding
    picture: bool


class Cells:
    """The cells of one store's connection, for the thread that has it. All methods raise StoreError."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path

    def add(self, field: FieldResult, changed: Iterable[CellStanding]) -> None:
        """Note what a stored field's cells count as, and of earlier ones what this field changed.

        A sighting that a better one replaces loses its picture. In the caller's transaction, if he has one.
        """
        own = {cell.cell_id for cell in field.cells}
        with transaction(self._db, self._path):
            for one in changed:
                if one.cell_id in own:
                    self._put(field.sequence, one)
                    continue
                done = self._db.execute(
                    "UPDATE cells SET aside = ?, doubtful = ?, same_as = ? WHERE cell_id = ? AND EXISTS"
                    " (SELECT 1 FROM fields WHERE fields.sequence = cells.sequence AND specimen_id = ?)",
                    (one.aside, one.doubtful, one.same_as, one.cell_id, field.specimen_id),
                )
                if done.rowcount and one.same_as is not None:
                    self._db.execute("DELETE FROM cell_pictures WHERE cell_id = ?", (one.cell_id,))

    def find(self, cell_id: str) -> StoredCell | None:
        """Return where a cell is; None where it is not known."""
        query = (
            "SELECT specimen_id, sequence, cell_id, label, aside, doubtful, same_as,"
            " EXISTS (SELECT 1 FROM cell_pictures WHERE cell_pictures.cell_id = cells.cell_id)"
            " FROM cells JOIN fields USING (sequence) WHERE cell_id = ?"
        )
        with errors(self._path, "read"):
            row = self._db.execute(query, (cell_id,)).fetchone()
        if row is None:
            return None
        specimen_id, sequence, name, label, aside, doubtful, same_as, picture = row
        standing = CellStanding(name, label, aside, bool(doubtful), same_as)
        return StoredCell(specimen_id, sequence, standing, bool(picture))

    def called_by(self, specimen_id: str, sha256: str) -> set[str]:
        """Return the ids of a specimen's cells that the model of this hash has called."""
        query = (
            "SELECT cell_id FROM cells JOIN fields USING (sequence) WHERE specimen_id = ?"
            " AND json_valid(CAST(tally AS TEXT)) AND json_extract(CAST(tally AS TEXT), '$.model.sha256') = ?"
        )
        with errors(self._path, "read"):
            return {name for (name,) in self._db.execute(query, (specimen_id, sha256))}

    def complete(self, specimen_id: str) -> None:
        """Note what a specimen's cells count as where that is missing: of an earlier release, or damaged."""
        missing = (
            "SELECT 1 FROM fields WHERE specimen_id = ? AND payload IS NOT NULL"
            " AND json_valid(CAST(payload AS TEXT))"
            " AND json_array_length(CAST(payload AS TEXT), '$.cells') > 0"
            " AND NOT EXISTS (SELECT 1 FROM cells WHERE cells.sequence = fields.sequence) LIMIT 1"
        )
        with errors(self._path, "read"):
            if self._db.execute(missing, (specimen_id,)).fetchone() is None:
                return
        with transaction(self._db, self._path):
            for sequence, standing in standings(self.every_field(specimen_id)).values():
                self._put(sequence, standing)

    def fields(self, specimen_id: str, after: int, limit: int) -> list[FieldResult]:
        """Return at most `limit` of a specimen's fields behind sequence `after`, in their order.

        What was pruned or cannot be read is left out.
        """
        query = (
            "SELECT payload FROM fields WHERE specimen_id = ? AND sequence > ? AND payload IS NOT NULL"
            " ORDER BY sequence LIMIT ?"
        )
        with errors(self._path, "read"):
            rows = self._db.execute(query, (specimen_id, after, limit)).fetchall()
        return [field for (payload,) in rows if (field := _readable(payload)) is not None]

    def field(self, sequence: int) -> FieldResult | None:
        """Return the field of this number; None where it was pruned or cannot be read."""
        with errors(self._path, "read"):
            row = self._db.execute("SELECT payload FROM fields WHERE sequence = ?", (sequence,)).fetchone()
        return None if row is None or row[0] is None else _readable(row[0])

    def every_field(self, specimen_id: str, until: int | None = None) -> Iterator[FieldResult]:
        """Return a specimen's fields in their order, without what was pruned or cannot be read.

        until: the number of the last one.
        """
        query = (
            "SELECT sequence, payload FROM fields WHERE specimen_id = ?1 AND sequence > ?2"
            " AND sequence <= coalesce(?3, sequence) AND payload IS NOT NULL ORDER BY sequence LIMIT 1"
        )
        after = -1
        while True:  # one after the other: their heat maps are large
            with errors(self._path, "read"):
                row = self._db.execute(query, (specimen_id, after, until)).fetchone()
            if row is None:
                return
            after = row[0]
            if (field := _readable(row[1])) is not None:
                yield field

    def _put(self, sequence: int, one: CellStanding) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO cells (cell_id, sequence, label, aside, doubtful, same_as)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (one.cell_id, sequence, one.label, one.aside, one.doubtful, one.same_as),
        )


def _readable(payload: bytes) -> FieldResult | None:
    try:
        return decode_field(payload)
    except msgspec.MsgspecError:
        return None
