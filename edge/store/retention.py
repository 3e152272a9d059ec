"""Room and time in the store: what goes when it is old or full, and times from before the clock was right."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING

import msgspec

from edge import identity
from edge.messages import decode_field
from edge.messages.former import stored
from edge.slide.contribution import Contribution, summed
from edge.store.database import errors, give_way, transaction
from edge.store.noted_times import stamp

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from edge.messages import ModelReference
    from edge.store.specimens import Ledger

log = logging.getLogger(__name__)

_PAGE = 100

# The cells that people's words are on, and the sightings that stand for these.
_NEEDED = """
CREATE TEMP TABLE needed AS WITH RECURSIVE spoken_of (cell_id) AS (
    SELECT cell_id FROM reviews WHERE specimen_id IN (SELECT specimen_id FROM dropped)
    UNION SELECT same_as FROM cells JOIN spoken_of USING (cell_id) WHERE same_as IS NOT NULL
) SELECT cell_id FROM spoken_of
"""


class Upkeep:
    """The care of one store's connection, for the thread that has it. All methods raise StoreError."""

    def __init__(self, connection: sqlite3.Connection, path: Path, ledger: Ledger) -> None:
        self._db = connection
        self._path = path
        self._ledger = ledger

    def prune(self, retention_days: float, until: float = inf) -> int:
        """Drop the cells of fields that were delivered longer ago, and give their number.

        until: on the monotonic clock; what is not done by then is left to the next call.
        What still waits is kept however old it is. Of what goes, a few bytes stay: what it counted, and how
        many doubtful cells nobody looked at; of pictures that a source can show again, also that they were
        seen, so that they are never counted again. Cells that people have spoken of stay.
        """
        limit = stamp(timedelta(days=retention_days))
        dropped, since = 0, time.monotonic()
        while batch := self._drop(_PAGE, limit):
            dropped += batch
            since = give_way(since)
            if time.monotonic() >= until:
                break
        return dropped

    def drop_oldest_delivered(self, limit: int) -> int:
        """Drop the cells of at most `limit` fields that the broker has, the oldest first; give their number.

        What stays is what stays with `prune`.
        """
        return self._drop(limit, "")

    def _drop(self, limit: int, before: str) -> int:
        with transaction(self._db, self._path):
            self._db.execute(
                "CREATE TEMP TABLE dropped AS SELECT * FROM fields WHERE delivered_at IS NOT NULL"
                " AND payload IS NOT NULL AND (?1 = '' OR delivered_at < ?1) ORDER BY sequence LIMIT ?2",
                (before, limit),
            )
            self._db.execute(_NEEDED)
            self._db.execute(
                "UPDATE dropped SET doubts_dropped = (SELECT count(*) FROM cells WHERE doubtful"
                " AND same_as IS NULL AND cells.sequence = dropped.sequence AND cell_id NOT IN needed)"
            )
            for table in ("keyframes", "cell_pictures"):  # of no use without the cells
                self._db.execute(f"DELETE FROM {table} WHERE sequence IN (SELECT sequence FROM dropped)")  # noqa: S608
            self._db.execute(
                "DELETE FROM cells WHERE sequence IN (SELECT sequence FROM dropped) AND cell_id NOT IN needed"
            )
            # Out and in again: a row that only shrinks leaves its page as it is, and the room to nobody.
            count = self._db.execute("DELETE FROM fields WHERE sequence IN (SELECT sequence FROM dropped)")
            self._db.execute("UPDATE dropped SET payload = NULL")
            self._sum_up()
            self._db.execute("INSERT INTO fields SELECT * FROM dropped")
            self._db.execute("DROP TABLE needed")
            self._db.execute("DROP TABLE dropped")
        return count.rowcount

    def _sum_up(self) -> None:
        """Make one row of those of a specimen that no source shows again, and of which no cell is kept.

        A live camera makes some thousand fields a specimen, and each row takes half a kilobyte for good.
        """
        rows = self._db.execute(
            "SELECT specimen_id, sequence, tally FROM dropped WHERE source_id IS NULL AND NOT EXISTS"
            " (SELECT 1 FROM cells WHERE cells.sequence = dropped.sequence) ORDER BY sequence"
        ).fetchall()
        alike: dict[tuple[str, bool, ModelReference | None], list[tuple[int, Contribution]]] = {}
        for specimen_id, sequence, tally in rows:
            with suppress(msgspec.MsgspecError):  # counting names what cannot be read
                one = stored(tally, Contribution)
                alike.setdefault((specimen_id, one.accepted, one.model), []).append((sequence, one))
        for fields in alike.values():
            *others, last = [sequence for sequence, _ in fields]  # the last: in their order models are named
            gone = [(sequence,) for sequence in others]
            doubts = sum(
                self._db.execute("SELECT doubts_dropped FROM dropped WHERE sequence = ?", one).fetchone()[0]
                for one in gone
            )
            self._db.executemany("DELETE FROM dropped WHERE sequence = ?", gone)
            self._db.execute(
                "UPDATE dropped SET tally = ?, doubts_dropped = doubts_dropped + ? WHERE sequence = ?",
                (msgspec.json.encode(summed([one for _, one in fields])), doubts, last),
            )

    def used_bytes(self) -> int:
        """Return what the results take of the file, which does not shrink when some are dropped."""
        with errors(self._path, "read"):
            pages, free, size = (
                int(self._db.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_count", "freelist_count", "page_size")
            )
        return (pages - free) * size

    def correct_times(self, offset_s: float, until: float = inf) -> int:
        """Set right what was captured or noted on this boot before the clock was; the number of fields.

        until: as in `prune`.
        offset_s: clock minus monotonic clock, now that the clock is right. What was delivered or is of an
        earlier boot keeps its time, which says of itself that it is not to be trusted. When it was delivered
        nobody knows: now, at the latest, and from now on it ages.
        """
        if specimens := self._ledger.set_times_right(offset_s):
            log.info("the clock is set: times of %d specimens are set right", specimens)
        with transaction(self._db, self._path):
            self._db.execute(
                "UPDATE fields SET delivered_at = ?, clock_offset_s = NULL"
                " WHERE delivered_at IS NOT NULL AND clock_offset_s IS NOT NULL",
                (stamp(),),
            )
        corrected, after, since = 0, -1, time.monotonic()
        while True:
            since = give_way(since)
            with transaction(self._db, self._path):
                rows = self._db.execute(
                    "SELECT sequence, payload, clock_offset_s FROM fields WHERE clock_offset_s IS NOT NULL"
                    " AND delivered_at IS NULL AND sequence > ? ORDER BY sequence LIMIT ?",
                    (after, _PAGE),
                ).fetchall()
                for sequence, payload, before_s in rows:
                    after = sequence
                    try:
                        field = decode_field(payload)
                        if field.clock_synced or field.boot_id != identity.boot_id():
                            continue
                        captured_at = field.captured_at + timedelta(seconds=offset_s - before_s)
                    except (msgspec.MsgspecError, OverflowError):
                        continue  # delivering names what cannot be read
                    right = msgspec.structs.replace(field, captured_at=captured_at, clock_synced=True)
                    self._db.execute(
                        "UPDATE fields SET payload = ?, clock_offset_s = NULL WHERE sequence = ?",
                        (msgspec.json.encode(right), sequence),
                    )
                    corrected += 1
            if len(rows) < _PAGE or time.monotonic() >= until:
                return corrected
