"""What a specimen's slide looks like, kept with its fields, so that a restart knows the slide again.

A keyframe is the small picture of a field that the map of the slide remembers. It is committed with its
field, it goes with its field's cells, and it is of no use once the specimen takes no more fields.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from edge.messages import decode_field
from edge.messages.position import MAX_KEYFRAMES
from edge.store.database import errors, transaction
from edge.store.noted_times import stamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from edge.messages import FieldResult

_PAGE = 100
_SURPLUS = 50  # above MAX_KEYFRAMES: to look for what is too much takes a millisecond


class Keyframes:
    """The keyframes of one store's connection, for the thread that has it. All methods raise StoreError."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path
        self._added = 0

    def add(self, sequence: int, specimen_id: str, picture: bytes) -> None:
        """Keep a field's picture; in the caller's transaction, if he has one.

        Not of a specimen that cannot be taken up again. Of somewhat more than MAX_KEYFRAMES, the oldest go.
        """
        with transaction(self._db, self._path):
            self._db.execute(
                "INSERT INTO keyframes (sequence, picture)"
                " SELECT ?, ? FROM specimens WHERE id = ? AND state IN ('open', 'stopped')",
                (sequence, picture, specimen_id),
            )
            self._added += 1
            if self._added % _SURPLUS == 1:
                self._trim(specimen_id)

    def seen(self, specimen_id: str) -> Iterator[tuple[FieldResult, bytes | None]]:
        """Return a specimen's live fields in their order, each with its picture where one is kept.

        Live are those that no source shows again. What was pruned or cannot be read is left out.
        """
        # Page by page, as the store's fields.
        query = (
            "SELECT sequence, payload, picture FROM fields LEFT JOIN keyframes USING (sequence)"
            " WHERE specimen_id = ? AND sequence > ? AND source_id IS NULL AND payload IS NOT NULL"
            " ORDER BY sequence LIMIT ?"
        )
        after, full = -1, True
        while full:
            with errors(self._path, "read"):
                rows = self._db.execute(query, (specimen_id, after, _PAGE)).fetchall()
            for after, payload, picture in rows:  # noqa: B007 (where the next page begins)
                try:
                    field = decode_field(payload)
                except msgspec.MsgspecError:
                    continue
                yield field, picture
            full = len(rows) == _PAGE

    def count(self) -> int:
        """Return how many are kept, of all specimens."""
        with errors(self._path, "read"):
            return int(self._db.execute("SELECT count(*) FROM keyframes").fetchone()[0])

    def drop_closed(self) -> int:
        """Drop those of the specimens that are stopped, and give their number."""
        return self._drop_closed("state = 'stopped'")

    def drop_long_closed(self, days: float) -> int:
        """Drop those of the specimens that have been stopped for longer, and give their number.

        The days begin with the first call that meets a specimen stopped: make it with a clock that is set.
        What a specimen's end says of the time may be of before it was.
        """
        with transaction(self._db, self._path):
            self._db.execute(
                "UPDATE specimens SET met_stopped_at = ? WHERE state = 'stopped' AND met_stopped_at IS NULL",
                (stamp(),),
            )
            return self._drop_closed("met_stopped_at <= ?", stamp(timedelta(days=days)))

    def _drop_closed(self, where: str, *values: str) -> int:
        with transaction(self._db, self._path):
            return self._db.execute(
                "DELETE FROM keyframes WHERE sequence IN"  # noqa: S608
                f" (SELECT sequence FROM fields JOIN specimens ON id = specimen_id WHERE {where})",
                values,
            ).rowcount

    def drop_oldest(self, limit: int) -> int:
        """Drop at most `limit`, the oldest first, and give their number."""
        with transaction(self._db, self._path):
            return self._db.execute(
                "DELETE FROM keyframes WHERE sequence IN"
                " (SELECT sequence FROM keyframes ORDER BY sequence LIMIT ?)",
                (limit,),
            ).rowcount

    def _trim(self, specimen_id: str) -> None:
        self._db.execute(
            "DELETE FROM keyframes WHERE sequence IN"
            " (SELECT sequence FROM fields JOIN keyframes USING (sequence) WHERE specimen_id = ?"
            " ORDER BY sequence DESC LIMIT -1 OFFSET ?)",
            (specimen_id, MAX_KEYFRAMES),
        )
