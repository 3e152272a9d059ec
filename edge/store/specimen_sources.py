"""Specimens by their source: a folder, a video or a slide is one, from its first frame to its last.

Two sources are two patients until somebody says otherwise: what one has counted, another adds to by
`--resume` only, and what has ended is added to in no other way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.errors import SpecimenError
from edge.messages import decode_field
from edge.store.event_words import ADDED_LATE, late_in_words
from edge.store.noted_times import stamp
from edge.store.review_reading import ReviewReading

if TYPE_CHECKING:
    from edge.store.specimen import Specimen, SpecimenState

_LONGEST_ID = 64  # characters, as `ids` has it
_RESUMED = "counting was resumed"
_WAY_OUT = "Give another specimen.id; or, if it is the same blood, run with --resume"


class SourceLedger(ReviewReading):
    """The part of the ledger that a source writes. All methods raise StoreError."""

    def begin_source(
        self, specimen_id: str, source: str | None = None, *, resume: bool = False, simulated: bool = False
    ) -> Specimen:
        """Return the specimen that a source is counted into; a new one is opened.

        One that the same source has begun goes on where it was interrupted. One that has ended is given as
        it is, for this source to deliver and add nothing to (`under_way` is False). resume: it is taken up
        again, whatever counted it before, and that is noted. source: None asks for nothing.

        Raises SpecimenError, with nothing changed, where another source or a command has counted it and
        `resume` does not say that it is meant, and where it was discarded.
        """
        with self._transaction():
            found = self._of_source(specimen_id, source)
            if found is None:
                self._db.execute(
                    "INSERT INTO specimens (id, started_at, source, source_from, simulated)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (specimen_id, stamp(), source, self._next_sequence(), simulated),
                )
                self._note(specimen_id, "started")
                return self._again(specimen_id)
            if source is None or (self._is_of(found, source) and (found.under_way or not resume)):
                return found
            if found.by_command:
                raise SpecimenError(
                    f"{self.found(found)}, by command: give another specimen.id, or take it up with: "
                    "leukoscope specimen start --resume"
                )
            if not resume:
                raise SpecimenError(f"{self.found(found)}, of another source. {_WAY_OUT}")
            self._take_up(found, source, simulated=simulated)
            return self._again(found.specimen_id)

    def begin_endless(
        self, specimen_id: str, source: str | None = None, *, resume: bool = False, simulated: bool = False
    ) -> Specimen:
        """Return the specimen that a source which never ends is counted into; a new one is opened.

        It is the one of this id. As often as one was discarded the next follows it, with a number behind the
        id that no other specimen has. The rest is as with `begin_source`.
        """
        taken = (
            "SELECT 1 FROM specimens WHERE id = ? AND (state = 'discarded'"
            " OR (? > 1 AND (state != 'open' OR by_command = 1)))"
        )
        with self._transaction():
            name, number = self.name_now(specimen_id), 1
            while self._db.execute(taken, (name, number)).fetchone() is not None:
                number += 1
                mark = f"-{number}"
                name = specimen_id[: _LONGEST_ID - len(mark)] + mark
            return self.begin_source(name, source, resume=resume, simulated=simulated)

    def end_source(self, specimen_id: str) -> None:
        """Nothing more is expected of this specimen. Its first end is the one that is kept."""
        with self._transaction():
            found = self.find(self.name_now(specimen_id))
            if found is None or not found.under_way:
                return
            self._db.execute(
                "UPDATE specimens SET state = CASE state WHEN 'open' THEN 'complete' ELSE state END,"
                " finished_at = coalesce(finished_at, ?) WHERE id = ?",
                (stamp(), found.specimen_id),
            )
            self._forget_slide(found.specimen_id)
            self._note(found.specimen_id, "finished")

    def note_addition(self, specimen_id: str, *, simulated: bool = False) -> None:
        """A field was added, in the caller's transaction: what was final is corrected, to be signed again."""
        state, noted, marked = self._db.execute(
            "SELECT state, EXISTS (SELECT 1 FROM specimen_events WHERE specimen_id = id AND what = ?1"
            " AND number > (SELECT coalesce(max(number), 0) FROM specimen_events WHERE specimen_id = id"
            " AND kind = 'signed')), simulated FROM specimens WHERE id = ?2",
            (ADDED_LATE, specimen_id),
        ).fetchone()
        if simulated and not marked:
            self._db.execute("UPDATE specimens SET simulated = 1 WHERE id = ?", (specimen_id,))
        if state == "final" or (state == "corrected" and not noted):  # once after each signature
            self._db.execute("UPDATE specimens SET state = 'corrected' WHERE id = ?", (specimen_id,))
            before = self.field_count(specimen_id) - 1
            self._note(specimen_id, "corrected", what=ADDED_LATE, why=late_in_words(before))
        elif state in {"stopped", "complete"}:
            # It was in hand; without a note, a kill here would leave it unpublished.
            self._note(specimen_id, "added")

    def has_begun(self, specimen: Specimen) -> bool:
        """Whether the source that counts a specimen has stored a field of it."""
        query = "SELECT 1 FROM fields WHERE specimen_id = ? AND sequence >= ? LIMIT 1"
        row = self._db.execute(query, (specimen.specimen_id, specimen.source_from)).fetchone()
        return row is not None

    def refuse_more(self, specimen_id: str) -> None:
        """Raise SpecimenError for a picture that would be added to a specimen that has ended."""
        found = self._again(self.name_now(specimen_id))
        raise SpecimenError(f"{self.found(found)}, and now there is a picture that it has not. {_WAY_OUT}")

    def meet_others(self, specimen_id: str, *, resume: bool) -> None:
        """The source of a specimen begins with another picture than before: its files were exchanged.

        Raises SpecimenError where `resume` does not say that it is meant; else that is noted.
        """
        with self._transaction():
            found = self._again(self.name_now(specimen_id))
            if not resume:
                raise SpecimenError(
                    f"{self.found(found)}, and its source begins with another picture now. {_WAY_OUT}"
                )
            self._take_up(found, found.source, simulated=found.simulated)

    def found(self, specimen: Specimen) -> str:
        """Say what is there of a specimen: how it stands, since when, and what was counted."""
        fields, cells = self.counted(specimen.specimen_id)
        began = specimen.started_at[:16].replace("T", " ")
        sentence = f"specimen {specimen.specimen_id} is there already: {specimen.state}"
        if specimen.signature is not None:
            sentence += f", signed by {specimen.signature.operator}"
        sentence += f", begun {began} UTC, {fields} fields with {cells} cells counted"
        row = self._db.execute(
            "SELECT payload FROM fields WHERE specimen_id = ? AND payload IS NOT NULL"
            " ORDER BY sequence DESC LIMIT 1",
            (specimen.specimen_id,),
        ).fetchone()
        return sentence if row is None else f"{sentence}, the last one {_picture(row[0])}"

    def _of_source(self, specimen_id: str, source: str | None) -> Specimen | None:
        """Return the specimen of this id, or the one that this source began under it and that was renamed."""
        found = self.find(specimen_id)
        if found is None and source is not None:
            renamed = self.find(self.name_now(specimen_id))
            found = renamed if renamed is not None and renamed.source == source else None
        if found is not None and found.discarded is not None and source is not None:
            raise SpecimenError(
                f"specimen {specimen_id} was discarded ({found.discarded.why}): give another specimen.id"
            )
        return found

    @staticmethod
    def _is_of(found: Specimen, source: str) -> bool:
        # Which source it was is not known of release 0.1's; that it shows the same pictures is seen later.
        return found.source == source or (found.source is None and not found.by_command)

    def _take_up(self, found: Specimen, source: str | None, *, simulated: bool) -> None:
        fields, cells = self.counted(found.specimen_id)
        same = source is None or self._is_of(found, source)
        of = "the same source" if same else f"{found.source}, now {source}"
        self._db.execute(
            "UPDATE specimens SET state = CASE state WHEN 'complete' THEN 'open' ELSE state END,"
            " finished_at = NULL, met_stopped_at = NULL, source = ?, source_from = ?,"
            " simulated = max(simulated, ?) WHERE id = ?",
            (source, self._next_sequence(), simulated, found.specimen_id),
        )
        why = f"with --resume; it was {found.state}, {fields} fields with {cells} cells of {of}"
        self._note(found.specimen_id, "resumed", what=_RESUMED, why=why)

    def _set(self, state: SpecimenState, specimen_id: str, *, finished: bool = False) -> None:
        self._db.execute(
            "UPDATE specimens SET state = ?, finished_at = coalesce(finished_at, ?) WHERE id = ?",
            (state, stamp() if finished else None, specimen_id),
        )

    def _next_sequence(self) -> int:
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'fields'").fetchone()
        return 1 if row is None else int(row[0]) + 1

    def _forget_slide(self, specimen_id: str) -> None:
        """Drop what a restart would know the slide by: this specimen is not taken up again."""
        query = "DELETE FROM keyframes WHERE sequence IN (SELECT sequence FROM fields WHERE specimen_id = ?)"
        self._db.execute(query, (specimen_id,))


def _picture(payload: bytes) -> str:
    try:
        return decode_field(payload).source
    except ValueError:
        return "not readable"
