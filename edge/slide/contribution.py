"""What a field adds to the count of its specimen."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from edge.labels import OTHER
from edge.messages.field import Cell, ModelReference  # noqa: TC001 (msgspec reads annotations at run time)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UNSTEADY = "unsteady"
"""Why a thing is not counted: found in less than half of the fields that show it, or oftener as another."""


class Likeness(NamedTuple):
    """How like the known cells one whole white cell is.

    distance: of its features to those of its kind, in times of what 99 % of known cells stay within.
    probability: of its likeliest class. rejected: why it is not counted, or None.
    """

    distance: float
    probability: float
    rejected: str | None


class Contribution(Struct, frozen=True, omit_defaults=True):
    """What one field adds to the count. Small, so that a specimen's count is rebuilt without its cells.

    Numbers below 0 take back what an earlier field added: a cell that is seen again, and better, is called by
    its better sighting alone. likeness: of the field's whole white cells, each as often as it is seen.
    fields: of how many it is the sum, all accepted or none.
    """

    accepted: bool
    counted: dict[str, int]
    unclassified: dict[str, int]
    incomplete: int
    model: ModelReference | None = None
    likeness: tuple[Likeness, ...] = ()
    fields: int = 1


def summed(contributions: Sequence[Contribution]) -> Contribution:
    """Return what fields of one model add together; all of them were accepted, or none."""
    counted, unclassified = Counter[str](), Counter[str]()
    for one in contributions:
        counted.update(one.counted)
        unclassified.update(one.unclassified)
    return Contribution(
        accepted=contributions[0].accepted,
        counted=dict(counted),
        unclassified=dict(unclassified),
        incomplete=sum(one.incomplete for one in contributions),
        model=contributions[0].model,
        likeness=tuple(cell for one in contributions for cell in one.likeness),
        fields=sum(one.fields for one in contributions),
    )


def likeness(cells: Iterable[Cell]) -> tuple[Likeness, ...]:
    """Return how like the known ones whole cells are, as far as their model tells."""
    return tuple(
        Likeness(cell.distance, cell.probability, cell.rejected)
        for cell in cells
        if cell.distance is not None
    )


CUT = "cut by the edge"
"""Why a cell is not counted whose other half is in another field."""

SMEARED = "smeared by movement"
"""Why no cell of a field is counted that was taken while the slide moved."""

COUNTED_ELSEWHERE = frozenset({CUT, SMEARED})
"""Why a cell is not counted, whatever a person calls it: in another field it may be counted, too."""


class CellStanding(NamedTuple):
    """What a cell counts as by the model, before any person has looked at it.

    aside: why it is not counted; None where it is. doubtful: a person should look at it before a count is
    signed. same_as: another sighting of the same cell, which counts in its place or leads to the one that
    does.
    """

    cell_id: str
    label: str
    aside: str | None = None
    doubtful: bool = False
    same_as: str | None = None


def standing(cell: Cell, aside: str | None = None) -> CellStanding:
    """Return what a cell counts as that is in no other field. aside: why it does not, its own call apart.

    Doubtful is a whole cell that the model did not name, or named with a remark.
    """
    if cell.cut_by_edge:
        return CellStanding(cell.cell_id, cell.label, aside or CUT)
    doubtful = aside is None and (cell.rejected is not None or bool(cell.flags) or cell.label == OTHER)
    return CellStanding(cell.cell_id, cell.label, aside or cell.rejected, doubtful)
