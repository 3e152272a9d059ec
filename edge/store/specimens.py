"""The specimens of a store: begun, stopped, signed, discarded, and by whom. Every change is one transaction.

The command line and the broker's commands write here, each over a connection of its own; the daemon looks
here before each frame. So an order is on the disk before it is answered, and none needs the daemon to run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.differential.count import BY_INTERVALS
from edge.errors import SpecimenError
from edge.store.event_words import (
    CLOCK_SET,
    TIMES_SET_RIGHT,
    WBC_COUNT,
    clock_in_words,
    former_count_in_words,
)
from edge.store.noted_times import set_right, stamp
from edge.store.specimen_reading import SIMULATED
from edge.store.specimen_reviews import ReviewLedger, check_revision

if TYPE_CHECKING:
    from edge.store.specimen import Specimen


class Ledger(ReviewLedger):
    """The specimens of one store's connection, for the thread that has it. All methods raise StoreError."""

    # By command. All raise SpecimenError, with nothing changed, where it cannot be

    def expect_none_open(self) -> None:
        """Raise where a specimen is open: what is to be done has to wait until it is stopped."""
        current = self.open_by_command()
        if current is not None:
            raise SpecimenError(f"specimen {current.specimen_id} is open: stop it first")

    def start(
        self,
        specimen_id: str,
        *,
        target: int | None,
        wbc_count: float | None,
        resume: bool,
        operator: str | None = None,
    ) -> Specimen:
        """Open a specimen; with `resume`, one that was stopped and not signed. One at a time is open.

        target, wbc_count: None leaves what a resumed one has. operator: who does it, here and below; None
        where nobody has said so.
        """
        with self._transaction():
            self.expect_none_open()
            known = self.find(specimen_id)
            if known is not None and not (resume and known.by_command and known.state == "stopped"):
                raise SpecimenError(_why_not_again(known))
            if known is None and resume:
                raise SpecimenError(f"there is no specimen {specimen_id} to resume")
            self._db.execute(
                "INSERT INTO specimens (id, started_at, target, total_count, by_command)"
                " VALUES (?, ?, ?, ?, 1)"
                " ON CONFLICT (id) DO UPDATE SET state = 'open', finished_at = NULL, met_stopped_at = NULL,"
                " target = coalesce(excluded.target, target),"
                " total_count = coalesce(excluded.total_count, total_count)",
                (specimen_id, stamp(), target, wbc_count),
            )
            kind = "resumed" if known else "started"  # as ordered: no change to be told
            self._note(specimen_id, kind, operator=operator)
            if known is not None and wbc_count not in {None, known.wbc_count}:
                self._note_wbc_count(known, wbc_count, operator)
        return self._again(specimen_id)

    def stop(
        self, specimen_id: str | None = None, why: str | None = None, *, operator: str | None = None
    ) -> Specimen:
        """Close the specimen that is open: from here on it waits for a signature."""
        with self._transaction():
            current = self.open_by_command()
            if current is None:
                raise SpecimenError("no specimen is open")
            if specimen_id not in {None, current.specimen_id}:
                raise SpecimenError(f"specimen {specimen_id} is not open; {current.specimen_id} is")
            self._set("stopped", current.specimen_id, finished=True)
            self._note(current.specimen_id, "stopped", operator=operator, why=why)
        return self._again(current.specimen_id)

    def sign(
        self,
        operator: str,
        specimen_id: str | None = None,
        *,
        reason: str | None = None,
        target: int | None = None,
        revision: int | None = None,
    ) -> Specimen:
        """A person stands by the count. specimen_id: None is the only one that waits for it.

        reason: why fewer cells than wanted are enough, or doubtful cells need no look; needed then. target:
        how many are wanted where the specimen does not say; None asks for none. revision: of the specimen as
        the person has seen it.
        """
        with self._transaction():
            chosen = self._chosen(specimen_id, "sign")
            if chosen.discarded is not None:
                raise SpecimenError(f"specimen {chosen.specimen_id} was discarded")
            if chosen.under_way:
                raise SpecimenError(_why_not_yet(chosen))
            if chosen.signature is not None:
                raise SpecimenError(
                    f"specimen {chosen.specimen_id} is signed by {chosen.signature.operator} already"
                )
            check_revision(chosen, revision)
            if reason is None:
                self._check_enough(chosen, chosen.target or target)
                self._check_seen(chosen)
            # What was corrected stays so, however often it is signed.
            self._set("corrected" if chosen.state == "corrected" else "final", chosen.specimen_id)
            self._forget_slide(chosen.specimen_id)
            what = SIMULATED if chosen.simulated else None
            self._note(chosen.specimen_id, "signed", operator=operator, what=what, why=reason)
        return self._again(chosen.specimen_id)

    def _check_enough(self, chosen: Specimen, target: int | None) -> None:
        _, cells = self.counted(chosen.specimen_id)
        if lacks_cells(chosen, cells, target):
            raise SpecimenError(
                f"specimen {chosen.specimen_id} has {cells} of {target} cells: give a reason why they are "
                "enough (--reason; over MQTT: reason), which is kept with the signature"
            )

    def _check_seen(self, chosen: Specimen) -> None:
        doubts = self.unseen_doubts(chosen.specimen_id)
        if doubts:
            are = "1 doubtful cell" if doubts == 1 else f"{doubts} doubtful cells"
            raise SpecimenError(
                f"specimen {chosen.specimen_id} has {are} that nobody has looked at: review them, or give a "
                "reason why they need no look (--reason; over MQTT: reason), which is kept with the signature"
            )

    def rename(self, specimen_id: str, new_id: str, *, operator: str | None = None) -> Specimen:
        """A specimen another id, with all its fields, until it is signed. The former stays on record."""
        with self._transaction():
            known = self.get(specimen_id)
            if known.was_signed:
                raise SpecimenError(f"specimen {specimen_id} was signed: its id stays as it is")
            if known.discarded is not None:
                raise SpecimenError(f"specimen {specimen_id} was discarded: its id stays as it is")
            if self.find(new_id) is not None:
                raise SpecimenError(f"there is a specimen {new_id} already: give another id")
            self._db.execute("PRAGMA defer_foreign_keys = ON")  # until all three tables have the new id
            self._db.execute("UPDATE specimens SET id = ? WHERE id = ?", (new_id, specimen_id))
            events = "UPDATE specimen_events SET specimen_id = ? WHERE specimen_id = ?"
            self._db.execute(events, (new_id, specimen_id))
            self._db.execute(
                "UPDATE fields SET specimen_id = ?1, payload ="
                " CASE WHEN json_valid(CAST(payload AS TEXT))"
                " THEN CAST(json_set(CAST(payload AS TEXT), '$.specimen_id', ?1) AS BLOB) ELSE payload END"
                " WHERE specimen_id = ?2",
                (new_id, specimen_id),
            )
            self._note(new_id, "renamed", operator=operator, what=specimen_id)
        return self._again(new_id)

    def set_wbc_count(
        self, specimen_id: str, wbc_count: float | None, *, operator: str | None = None
    ) -> Specimen:
        """A specimen its total white count, 10^9/L, until it is signed; None takes it back."""
        with self._transaction():
            known = self.get(specimen_id)
            if known.signature is not None:
                raise SpecimenError(
                    f"specimen {specimen_id} was signed: its total white count stays as it is"
                )
            if known.discarded is not None:
                raise SpecimenError(
                    f"specimen {specimen_id} was discarded: its total white count stays as it is"
                )
            self._db.execute("UPDATE specimens SET total_count = ? WHERE id = ?", (wbc_count, specimen_id))
            self._note_wbc_count(known, wbc_count, operator)
        return self._again(specimen_id)

    def _note_wbc_count(self, known: Specimen, wbc_count: float | None, operator: str | None) -> None:
        what = None if wbc_count is None else f"{wbc_count:g}"
        former = former_count_in_words(known.wbc_count)
        self._note(known.specimen_id, WBC_COUNT, operator=operator, what=what, why=former)

    def discard(
        self,
        reason: str,
        specimen_id: str | None = None,
        *,
        operator: str | None = None,
        revision: int | None = None,
    ) -> Specimen:
        """The specimen is not to be used. It stays, with the reason.

        specimen_id: None is the open one, else the only one that waits for a signature. revision: as for
        `sign`.
        """
        with self._transaction():
            chosen = (None if specimen_id else self.open_by_command()) or self._chosen(specimen_id, "discard")
            if chosen.discarded is not None:
                raise SpecimenError(f"specimen {chosen.specimen_id} was discarded before")
            check_revision(chosen, revision)
            self._set("discarded", chosen.specimen_id, finished=True)
            self._forget_slide(chosen.specimen_id)
            what = "it was discarded"
            self._note(chosen.specimen_id, "discarded", operator=operator, what=what, why=reason)
        return self._again(chosen.specimen_id)

    def set_times_right(self, offset_s: float) -> int:
        """Set right what was noted on this boot before the clock was; the number of specimens that say so.

        What the clock showed stays on record. Of a specimen of which a time was off by a second or more it is
        noted, and so it is published again. offset_s: clock minus monotonic clock, now that the clock is set.
        """
        with self._transaction():
            behind_s = set_right(self._db, offset_s)
            for specimen_id, seconds in behind_s.items():
                self._note(specimen_id, CLOCK_SET, what=TIMES_SET_RIGHT, why=clock_in_words(seconds))
        return len(behind_s)

    def _chosen(self, specimen_id: str | None, what: str) -> Specimen:
        if specimen_id is not None:
            return self.get(specimen_id)
        known = self.all()
        # A folder's or slide's count is of use without a signature: it is not asked for, only taken.
        waiting = [one for one in known if one.state == "stopped"] or [one for one in known if one.waiting]
        if len(waiting) == 1:
            return waiting[0]
        if not waiting:
            raise SpecimenError(f"there is no specimen to {what}: none waits for a signature")
        names = ", ".join(specimen.specimen_id for specimen in waiting[-5:])
        raise SpecimenError(f"{len(waiting)} specimens wait for a signature ({names}): say which to {what}")


def lacks_cells(specimen: Specimen, cells: int, target: int | None) -> bool:
    """Whether a signature needs a reason, as too few cells count.

    cells: how many do. target: how many are wanted where the specimen does not say; None asks for none.
    """
    wanted = specimen.target or target
    # Enough by their intervals are enough; of a target that was reached cells may have been taken since.
    by_intervals = specimen.ended is not None and specimen.ended.startswith(BY_INTERVALS)
    return wanted is not None and cells < wanted and not by_intervals


def _why_not_yet(chosen: Specimen) -> str:
    if chosen.by_command:
        return f"specimen {chosen.specimen_id} is open: stop it first"
    return f"specimen {chosen.specimen_id} is still counted, and can be signed when its source has ended"


def _why_not_again(known: Specimen) -> str:
    if known.state == "stopped":
        return f"specimen {known.specimen_id} was stopped: resume it, or give another id"
    state = "is open" if known.state == "open" else f"is {known.state}"
    return f"specimen {known.specimen_id} is there already and {state}: give another id"
