"""What people have said of a specimen's cells, and what each cell counts as. Every word stays on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from edge.differential.review import ReviewedCell, changes
from edge.slide.contribution import CUT, CellStanding
from edge.store.database import errors
from edge.store.specimen_reading import LedgerReading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ReviewAction = Literal["confirm", "relabel", "exclude", "undo"]

_COLUMNS = "number, cell_id, action, label, model_label, operator, coalesce(right_at, at), reason, undone_by"


class Review(NamedTuple):
    """A person's word on a cell. label: what it was called; None: no white cell, or a word taken back.

    at: as the store keeps times. undone_by: the number of the review that took it back.
    """

    number: int
    cell_id: str
    action: ReviewAction
    label: str | None
    model_label: str
    operator: str
    at: str
    reason: str | None
    undone_by: int | None

    @property
    def holds(self) -> bool:
        """Whether it is still what a person says of the cell."""
        return self.undone_by is None and self.action != "undo"


class ReviewReading(LedgerReading):
    """The reviews in one store's connection, for the thread that has it. All methods raise StoreError."""

    def reviews(self, specimen_id: str) -> list[Review]:
        """Return all that was said of a specimen's cells, the oldest first, what was taken back included."""
        query = f"SELECT {_COLUMNS} FROM reviews WHERE specimen_id = ? ORDER BY number"  # noqa: S608
        with errors(self._path, "read"):
            return [Review(*row) for row in self._db.execute(query, (specimen_id,)).fetchall()]

    def standings(self, specimen_id: str, *, of: str | None = None) -> dict[str, CellStanding]:
        """Return what each of a specimen's cells counts as by the model, by its id, in their order.

        of: only this cell, and all that is known of which sighting stands for which.
        """
        query = (
            "WITH mine AS (SELECT sequence, cell_id, label, aside, doubtful, same_as"
            " FROM cells JOIN fields USING (sequence) WHERE specimen_id = ?)"
            " SELECT cell_id, label, aside, doubtful, same_as FROM mine"
        )
        if of is not None:
            query += (
                " WHERE cell_id = ? OR same_as IS NOT NULL"
                " OR cell_id IN (SELECT same_as FROM mine WHERE same_as IS NOT NULL)"
            )
        values = (specimen_id,) if of is None else (specimen_id, of)
        with errors(self._path, "read"):
            rows = self._db.execute(f"{query} ORDER BY sequence, cell_id", values).fetchall()
        return {
            cell_id: CellStanding(cell_id, label, aside, bool(doubtful), same_as)
            for cell_id, label, aside, doubtful, same_as in rows
        }

    def words(self, specimen_id: str, standings: Mapping[str, CellStanding]) -> dict[str, Review]:
        """Return the word that holds of each cell that has one, by the id of the sighting that counts.

        standings: of the specimen. Of several sightings of one cell, the latest word holds.
        """
        return holding(self.reviews(specimen_id), standings)

    def reviewed(self, specimen_id: str) -> list[ReviewedCell]:
        """Return the cells that people have looked at, for the count."""
        if not self._has_reviews(specimen_id):
            return []
        standings = self.standings(specimen_id)
        return reviewed_cells(self.words(specimen_id, standings), standings)

    def unseen_doubts(self, specimen_id: str) -> int:
        """Count the doubtful cells that no person has looked at, also where they are kept no longer."""
        query = (
            "SELECT count(*) FROM cells JOIN fields USING (sequence) WHERE specimen_id = ? AND doubtful"
            " AND same_as IS NULL"
        )
        dropped_query = "SELECT COALESCE(SUM(doubts_dropped), 0) FROM fields WHERE specimen_id = ?"
        with errors(self._path, "read"):
            doubtful = int(self._db.execute(query, (specimen_id,)).fetchone()[0])
            dropped = int(self._db.execute(dropped_query, (specimen_id,)).fetchone()[0])
        if not doubtful or not self._has_reviews(specimen_id):
            return dropped + doubtful
        standings = self.standings(specimen_id)
        words = self.words(specimen_id, standings)
        return dropped + sum(
            one.doubtful and one.same_as is None and one.cell_id not in words for one in standings.values()
        )

    def counted(self, specimen_id: str) -> tuple[int, int]:
        """Return how many fields a specimen has, and how many of their cells count, as people named them."""
        fields, cells = super().counted(specimen_id)
        change = changes(self.reviewed(specimen_id))
        return fields, max(0, cells + sum(change.counted.values()))

    def _has_reviews(self, specimen_id: str) -> bool:
        query = "SELECT 1 FROM reviews WHERE specimen_id = ? LIMIT 1"
        with errors(self._path, "read"):
            return self._db.execute(query, (specimen_id,)).fetchone() is not None


def holding(reviews: Iterable[Review], standings: Mapping[str, CellStanding]) -> dict[str, Review]:
    """Return the word that holds of each cell, by the id of the sighting that counts; the latest of several.

    reviews: of a specimen, the oldest first; standings: of its cells.
    """
    return {counting_sighting(review.cell_id, standings): review for review in reviews if review.holds}


def reviewed_cells(words: Mapping[str, Review], standings: Mapping[str, CellStanding]) -> list[ReviewedCell]:
    """Return the cells that people have looked at, for the count. words: as `holding` has them."""
    return [
        ReviewedCell(
            label_of(cell_id, standings) or review.model_label,
            aside_of(cell_id, standings),
            review.label,
            review.operator,
            review.model_label,
        )
        for cell_id, review in words.items()
    ]


def counting_sighting(cell_id: str, standings: Mapping[str, CellStanding]) -> str:
    """Return the id of the sighting that counts for a cell: its own, unless a better one took its place."""
    seen = {cell_id}
    while (one := standings.get(cell_id)) is not None and one.same_as is not None:
        if one.same_as not in standings or one.same_as in seen:
            break  # what a damaged store has lost
        cell_id = one.same_as
        seen.add(cell_id)
    return cell_id


def label_of(cell_id: str, standings: Mapping[str, CellStanding]) -> str | None:
    """Return what a cell counts as by the model; None of one that is lost."""
    one = standings.get(cell_id)
    return None if one is None else one.label


def aside_of(cell_id: str, standings: Mapping[str, CellStanding]) -> str | None:
    """Return why the model does not count a cell; None where it does. One that is lost counts for nothing."""
    one = standings.get(cell_id)
    return CUT if one is None else one.aside
