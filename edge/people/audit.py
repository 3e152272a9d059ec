"""The audit trail: who did what, from which address, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from edge import identity

if TYPE_CHECKING:
    import sqlite3

_MOST = 200_000  # entries, about 20 MB: the oldest go first


class AuditEntry(Struct, frozen=True):
    """One thing that was asked. outcome: null while it is being done, or where that was cut off."""

    number: int
    at: str
    code: str | None
    address: str
    action: str
    about: str | None
    outcome: str | None


def note(
    db: sqlite3.Connection,
    action: str,
    *,
    code: str | None,
    address: str,
    about: str | None = None,
    outcome: str | None = None,
) -> int:
    """Write an entry, and return its number. Texts are cut at 200 characters."""
    at = identity.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    words = [text if text is None else text[:200] for text in (code, address, action, about, outcome)]
    number = db.execute(
        "INSERT INTO audit (at, code, address, action, about, outcome) VALUES (?, ?, ?, ?, ?, ?)",
        (at, *words),
    ).lastrowid
    db.execute("DELETE FROM audit WHERE number <= ?", ((number or 0) - _MOST,))
    return number or 0


def entries(db: sqlite3.Connection, limit: int) -> list[AuditEntry]:
    """Return the latest entries, the newest first."""
    query = "SELECT number, at, code, address, action, about, outcome FROM audit ORDER BY number DESC LIMIT ?"
    return [AuditEntry(*row) for row in db.execute(query, (limit,)).fetchall()]
