"""Which cells of stored fields are the same, by the fields' positions and the cells' boxes alone. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.slide.contribution import SMEARED, standing
from edge.slide.places import Joined, Place
from edge.slide.sightings import DistinctCells

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.messages import FieldResult
    from edge.slide.contribution import CellStanding


def standings(fields: Iterable[FieldResult]) -> dict[str, tuple[int, CellStanding]]:
    """Return what each cell of a specimen counts as, with its field's number, by its id.

    fields: all of the specimen, in their order.
    """
    sequences: dict[str, int] = {}
    seen, registered = DistinctCells(), False
    apart: dict[str, CellStanding] = {}
    for field in fields:  # one after the other: their heat maps are large
        sequences |= {cell.cell_id: field.sequence for cell in field.cells}
        place = field.position
        if place is None:
            apart |= {cell.cell_id: standing(cell) for cell in field.cells}
            continue
        registered = True
        if place.merged is not None:
            seen.join(Joined(place.merged.region, place.region, place.merged.x, place.merged.y))
        size = field.width, field.height
        seen.add(Place(place.region, place.x, place.y), field.cells, field.quality.focus, size)
    if registered:
        apart = {name: one._replace(aside=SMEARED, doubtful=False) for name, one in apart.items()}
    found = apart | {one.cell_id: one for one in seen.changes()}
    return {name: (sequences[name], one) for name, one in found.items()}
