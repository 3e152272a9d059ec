"""What a field adds to the count of its specimen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from edge.messages.field import ModelReference  # noqa: TC001 (msgspec reads annotations at run time)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.messages import Cell


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


class Contribution(Struct, frozen=True):
    """What one field adds to the count. Small, so that a specimen's count is rebuilt without its cells.

    Numbers below 0 take back what an earlier field added: a cell that is seen again, and better, is called by
    its better sighting alone. likeness: of the field's whole white cells, each as often as it is seen.
    """

    accepted: bool
    counted: dict[str, int]
    unclassified: dict[str, int]
    incomplete: int
    model: ModelReference | None = None
    likeness: tuple[Likeness, ...] = ()


def likeness(cells: Iterable[Cell]) -> tuple[Likeness, ...]:
    """Return how like the known ones whole cells are, as far as their model tells."""
    return tuple(
        Likeness(cell.distance, cell.probability, cell.rejected)
        for cell in cells
        if cell.distance is not None
    )
