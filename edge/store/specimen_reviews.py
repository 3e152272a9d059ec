"""Cells named by people: each word is a row, and counts from the transaction on that writes it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from edge.errors import SpecimenError, StaleRevisionError
from edge.labels import NOT_WHITE
from edge.store.noted_times import noted_now
from edge.store.review_reading import counting_sighting, holding
from edge.store.specimen_sources import SourceLedger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge.messages.commands import ReviewCells
    from edge.slide.contribution import CellStanding
    from edge.store.review_reading import Review
    from edge.store.specimen import Specimen


class _Word(NamedTuple):
    """What a person says now: the label to keep, None for no white cell; and in words what that changes."""

    label: str | None
    change: str


class ReviewLedger(SourceLedger):
    """The part of the ledger that reviewers write. All methods raise StoreError."""

    def review(self, order: ReviewCells) -> Specimen:
        """Note what a person says of cells: of all of them, or nothing is changed.

        Of a cell that was seen several times, what is said of one sighting is said of the one that counts.
        A specimen that was signed is corrected by it, and waits for a new signature.

        Raises SpecimenError where there is no such cell, nothing to undo, or no reason after a signature;
        StaleRevisionError where the specimen has changed since the person has seen it, or a cell is no longer
        called what the person was shown.
        """
        with self._transaction():
            found = self._reviewable(order)
            standings = self.standings(found.specimen_id)
            for cell_id in order.cell_ids:
                if cell_id not in standings:
                    raise SpecimenError(f"specimen {found.specimen_id} has no cell {cell_id}")
            reviews = self.reviews(found.specimen_id)
            before = holding(reviews, standings)
            if order.shown is not None:
                self._check_shown(order.cell_ids, order.shown, standings, before)
            chosen = dict.fromkeys(counting_sighting(cell_id, standings) for cell_id in order.cell_ids)
            taken_back = {each.number for cell_id in chosen if (each := before.get(cell_id)) is not None}
            left = holding((each for each in reviews if each.number not in taken_back), standings)
            said = {
                cell_id: _said(order, standings[cell_id], before.get(cell_id), left.get(cell_id))
                for cell_id in chosen
            }
            for cell_id, word in said.items():
                self._keep(order, standings[cell_id], word, before.get(cell_id))
            changes = Counter(word.change for word in said.values())
            self._note(
                found.specimen_id,
                "corrected" if found.was_signed else "reviewed",
                operator=order.operator,
                what=", ".join(f"{cells} {change}" for change, cells in changes.items()),
                why=order.reason,
            )
            if found.was_signed:
                self._set("corrected", found.specimen_id)
        return self._again(found.specimen_id)

    def _reviewable(self, order: ReviewCells) -> Specimen:
        found = self.get(order.specimen_id)
        if found.discarded is not None:
            raise SpecimenError(f"specimen {found.specimen_id} was discarded")
        check_revision(found, order.revision)
        if found.was_signed and order.reason is None:
            raise SpecimenError(_why_asked(found))
        return found

    @staticmethod
    def _check_shown(
        cell_ids: Sequence[str],
        shown: Sequence[str],
        standings: Mapping[str, CellStanding],
        words: Mapping[str, Review],
    ) -> None:
        """Raise StaleRevisionError where a person has seen another name than the one a cell has now."""
        if len(shown) != len(cell_ids):
            raise SpecimenError("shown: give one name for each of the cells")
        for cell_id, seen in zip(cell_ids, shown, strict=True):
            counting = counting_sighting(cell_id, standings)
            now = _name_of(standings[counting], words.get(counting))
            if _spoken(now) != seen:
                raise StaleRevisionError(f"a cell is called {_spoken(now)} by now, not {seen}: look again")

    def _keep(self, order: ReviewCells, cell: CellStanding, word: _Word, before: Review | None) -> None:
        number = self._db.execute(
            "INSERT INTO reviews (specimen_id, cell_id, action, label, model_label, operator, reason,"
            " at, boot_id, clock_offset_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(order.specimen_id, cell.cell_id, order.action, word.label, cell.label),
                *(order.operator, order.reason, *noted_now()),
            ),
        ).lastrowid
        if order.action == "undo" and before is not None:
            query = "UPDATE reviews SET undone_by = ? WHERE number = ?"
            self._db.execute(query, (number, before.number))


def check_revision(found: Specimen, revision: int | None) -> None:
    """Raise StaleRevisionError where a person has seen an earlier revision; None asks for nothing."""
    if revision is not None and revision != found.revision:
        raise StaleRevisionError(
            f"specimen {found.specimen_id} has changed since you looked (revision {found.revision}, not "
            f"{revision}): look again"
        )


def _why_asked(found: Specimen) -> str:
    if found.signature is None:
        return (
            f"specimen {found.specimen_id} was signed: give a reason why its cells are named again "
            "(--reason; over MQTT: reason), which is kept"
        )
    return (
        f"specimen {found.specimen_id} is signed by {found.signature.operator}: give a reason why its cells "
        "are named again (--reason; over MQTT: reason), which is kept"
    )


def _said(order: ReviewCells, cell: CellStanding, before: Review | None, earlier: Review | None) -> _Word:
    """Return what an order says of a cell. before: the word that holds; earlier: that would without it."""
    was = _name_of(cell, before)
    spoken = _spoken(was)
    match order.action:
        case "confirm":
            return _Word(was, f"confirmed as {spoken}")
        case "undo":
            if before is None:
                raise SpecimenError(f"nobody has named cell {cell.cell_id}: there is nothing to undo")
            stays = _name_of(cell, earlier) == was
            return _Word(None, f"no longer {'confirmed as' if stays else 'named'} {spoken}")
        case "exclude":
            return _Word(None, f"renamed from {spoken} to {NOT_WHITE}")
        case _:
            if order.label is None:
                raise SpecimenError("label: say what the cells are")
            if order.label == was:
                return _Word(was, f"confirmed as {spoken}")
            return _Word(order.label, f"renamed from {spoken} to {order.label}")


def _name_of(cell: CellStanding, word: Review | None) -> str | None:
    """What a cell is called now, None for no white cell: by the person's word, if there is one."""
    return cell.label if word is None else word.label


def _spoken(label: str | None) -> str:
    return NOT_WHITE if label is None else label
