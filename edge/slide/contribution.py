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
"""Why something is not counted: found in under half of the fields that show it, or more often otherwise."""


class Likeness(NamedTuple):
    """How like the known cells one whole white cell is.

    distance: of its features from known cells of its class; 1 is the distance that 99 % of these stay within.
    probability: of its likeliest class. rejected: why it is not counted, or None.
    """

    distance: float
    probability: float
    rejected: str | None


class Contribution(Struct, frozen=True, omit_defaults=True):
    """What one field adds to the count. It is small, so a specimen's count can be rebuilt without its cells.

    Numbers below 0 take back what an earlier field added: a cell that is seen again, and better, is called by
    its better sighting only. likeness: of the field's whole white cells. fields: how many fields are summed
    up here, all of them accepted, or none.
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
    """Return how like known cells these whole cells are, for those of which their model tells it."""
    return tuple(
        Likeness(cell.distance, cell.probability, cell.rejected)
        for cell in cells
        if cell.distance is not None
    )


CUT = "cut by the edge"
"""Why a cell at the frame's edge is not counted: its other half is in another field."""

SMEARED = "smeared by movement"
"""Why the cells of a field that was taken while the slide moved are not counted."""

COUNTED_ELSEWHERE = frozenset({CUT, SMEARED})
"""Reasons that hold whatever a person calls the cell: it may be counted in another field."""


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
    """Return what a cell in no other field counts as. aside: a reason not to count it, besides its call.

    A cell is doubtful if it is whole and the model did not name it, or named it with a remark.
    """
    if cell.cut_by_edge:
        return CellStanding(cell.cell_id, cell.label, aside or CUT)
    doubtful = aside is None and (cell.rejected is not None or bool(cell.flags) or cell.label == OTHER)
    return CellStanding(cell.cell_id, cell.label, aside or cell.rejected, doubtful)
