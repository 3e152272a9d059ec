"""Fields on their way to the broker: which wait, which it has, which it does not take."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple

from edge import identity
from edge.store.database import errors, transaction
from edge.store.noted_times import stamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path


class Waiting(NamedTuple):
    """A field that the broker has not acknowledged.

    run_id, committed_s: the process that committed it, and when on that process's monotonic clock.
    """

    sequence: int
    field_id: str
    payload: bytes
    run_id: str
    committed_s: float
    specimen_uuid: str


class Outbox:
    """The part of a store that delivers, for the thread that has its connection. All raise StoreError."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self.path = path

    def _reading(self) -> AbstractContextManager[None]:
        return errors(self.path, "read")

    def _transaction(self) -> AbstractContextManager[None]:
        return transaction(self._db, self.path)

    def undelivered(self, limit: int, after: int = -1, *, refused: bool = True) -> list[Waiting]:
        """Return at most `limit` fields that wait behind sequence `after`, the oldest first.

        refused: with those that the broker has refused before.
        """
        query = (
            "SELECT sequence, field_id, payload, run_id, committed_s,"
            " (SELECT uuid FROM specimens WHERE id = specimen_id) FROM fields"
            " WHERE delivered_at IS NULL AND sequence > ? AND (? OR error IS NULL) ORDER BY sequence LIMIT ?"
        )
        with self._reading():
            return [Waiting(*row) for row in self._db.execute(query, (after, refused, limit)).fetchall()]

    def mark_delivered(self, field_ids: Iterable[str]) -> None:
        """Note that the broker has acknowledged these."""
        now = stamp()
        offset_s = None if identity.clock_synced() else identity.clock_offset_s()
        with self._transaction():
            self._db.executemany(
                "UPDATE fields SET delivered_at = ?, error = NULL,"
                " clock_offset_s = coalesce(clock_offset_s, ?)"
                " WHERE field_id = ? AND delivered_at IS NULL",
                [(now, offset_s, field_id) for field_id in field_ids],
            )

    def mark_refused(self, field_id: str, error: str) -> None:
        """Note why the broker did not take this one. It goes on waiting."""
        with self._transaction():
            self._db.execute(
                "UPDATE fields SET error = ? WHERE field_id = ? AND delivered_at IS NULL", (error, field_id)
            )

    def backlog(self) -> int:
        """Count the fields that wait, the refused ones among them."""
        with self._reading():
            return int(
                self._db.execute("SELECT count(*) FROM fields WHERE delivered_at IS NULL").fetchone()[0]
            )

    def republish(self, *, since: datetime | None = None, specimen_id: str | None = None) -> int:
        """Let what was delivered wait again, and give the number: it goes out once more, as historical.

        since: what was captured then or later; of a damaged one nobody knows. What was pruned is gone.
        """
        conditions, values = ["delivered_at IS NOT NULL", "payload IS NOT NULL"], []
        if since is not None:
            conditions.append(
                "CASE WHEN json_valid(CAST(payload AS TEXT)) THEN"
                " julianday(json_extract(CAST(payload AS TEXT), '$.captured_at')) >= julianday(?) END"
            )
            values.append(since.astimezone(UTC).isoformat())
        if specimen_id is not None:
            conditions.append("specimen_id = ?")
            values.append(specimen_id)
        where = " AND ".join(conditions)
        with self._transaction():
            # Of no process that runs: that makes it historical, however soon it is sent.
            query = f"UPDATE fields SET delivered_at = NULL, run_id = '' WHERE {where}"  # noqa: S608
            return self._db.execute(query, values).rowcount

    def refused(self) -> tuple[int, str | None]:
        """Count the fields that the broker does not take, and give the reason of the last one."""
        with self._reading():
            count, _, reason = self._db.execute(
                "SELECT count(*), max(sequence), error FROM fields"  # the error is the one of the maximum
                " WHERE delivered_at IS NULL AND error IS NOT NULL"
            ).fetchone()
        return int(count), reason
