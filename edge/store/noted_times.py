"""When something was noted; where the clock was set only later, the right time is kept beside it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from edge import identity
from edge.store.specimen import read_time

if TYPE_CHECKING:
    import sqlite3

# What a person would not see, such as the drift of a clock that its time source is away from, is not told.
_LEAST_S = 1.0
_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"

TABLES = ("specimen_events", "reviews")
"""What people and the daemon note, each row with its time."""


class Noted(NamedTuple):
    """When something is noted, as the columns of `TABLES` have it.

    at: by the device's clock, and never changed. boot_id, clock_offset_s: this boot, and clock minus
    monotonic clock, where the clock is not set; else None.
    """

    at: str
    boot_id: str | None
    clock_offset_s: float | None


def stamp(ago: timedelta | None = None) -> str:
    """Return the time now, or that long ago, as the store keeps it: UTC, ISO 8601."""
    moment = identity.now() if ago is None else identity.now() - ago
    return moment.strftime(_FORMAT)


def noted_now() -> Noted:
    """Return when something is noted that is noted now."""
    if identity.clock_synced():
        return Noted(stamp(), None, None)
    return Noted(stamp(), identity.boot_id(), identity.clock_offset_s())


def set_right(db: sqlite3.Connection, offset_s: float) -> dict[str, float]:
    """Keep the right time of what was noted on this boot before the clock was set.

    Returns each specimen of which a time was off by a second or more, by its id, and by how many seconds the
    clock was behind then (ahead: below 0) at the most. offset_s: clock minus monotonic clock, now that the
    clock is set. In the caller's transaction.
    """
    behind_s: dict[str, float] = {}
    for table in TABLES:
        waiting = db.execute(
            f"SELECT number, specimen_id, at, clock_offset_s FROM {table}"  # noqa: S608
            " WHERE boot_id = ? AND right_at IS NULL",
            (identity.boot_id(),),
        ).fetchall()
        for number, specimen_id, at, before_s in waiting:
            off_s = offset_s - before_s
            right = at
            if abs(off_s) >= _LEAST_S:
                try:
                    right = (read_time(at) + timedelta(seconds=off_s)).strftime(_FORMAT)
                except (ValueError, OverflowError):
                    continue  # of a damaged store
                behind_s[specimen_id] = max(behind_s.get(specimen_id, 0.0), off_s, key=abs)
            db.execute(f"UPDATE {table} SET right_at = ? WHERE number = ?", (right, number))  # noqa: S608
    return behind_s
