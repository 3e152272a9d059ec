"""Answers to orders that changed a specimen, kept with the change itself until the broker has them.

Whatever ends the process then, the sender is answered, and the same request again has the same answer: it is
not done twice.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from edge import identity
from edge.messages.former import upgraded_answer
from edge.store.database import errors, transaction

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

REMEMBERED_S = 600.0
"""How long a request that comes again gets its first answer again."""

MOST = 50
"""Kept answers, a few hundred bytes each: no operator gives as many orders in that time."""


class Answer(NamedTuple):
    """What was answered. asked: a hash of the request. payload: the message, as it is sent."""

    correlation_id: str
    command: str
    asked: bytes
    payload: bytes


class Answers:
    """The answers of one store's connection, for the thread that has it. All methods raise StoreError."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path

    def keep(self, answer: Answer) -> None:
        """Keep an answer until it is sent, and a while longer; in the caller's transaction, if he has one."""
        with transaction(self._db, self._path):
            self._db.execute(
                "INSERT OR REPLACE INTO answers (correlation_id, command, asked, payload, boot_id, at_s)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (*answer, identity.boot_id(), time.monotonic()),
            )
            self._db.execute(
                "DELETE FROM answers WHERE number NOT IN"
                " (SELECT number FROM answers ORDER BY number DESC LIMIT ?)",
                (MOST,),
            )

    def find(self, correlation_id: str) -> Answer | None:
        """Return what was answered under this id within REMEMBERED_S.

        How long ago an answer of an earlier boot was, no clock need know: at least as long as this boot is.
        """
        now = time.monotonic()
        with errors(self._path, "read"):
            row = self._db.execute(
                "SELECT correlation_id, command, asked, payload FROM answers"
                " WHERE correlation_id = ? AND ? - CASE boot_id WHEN ? THEN at_s ELSE 0 END <= ?",
                (correlation_id, now, identity.boot_id(), REMEMBERED_S),
            ).fetchone()
        return None if row is None else _answer(row)

    def unsent(self) -> list[Answer]:
        """Return the answers that the broker has not acknowledged, the oldest first."""
        query = "SELECT correlation_id, command, asked, payload FROM answers WHERE sent = 0 ORDER BY number"
        with errors(self._path, "read"):
            return [_answer(row) for row in self._db.execute(query).fetchall()]

    def mark_sent(self, correlation_id: str) -> None:
        """Note that the broker has this answer; nothing where none is kept under this id."""
        with transaction(self._db, self._path):
            self._db.execute("UPDATE answers SET sent = 1 WHERE correlation_id = ?", (correlation_id,))


def _answer(row: tuple[str, str, bytes, bytes]) -> Answer:
    correlation_id, command, asked, payload = row
    return Answer(correlation_id, command, asked, upgraded_answer(payload))
