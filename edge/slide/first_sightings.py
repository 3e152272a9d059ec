"""Which whole cells of a specimen are seen for the first time, by the positions of the fields. Pure.

Simpler than the count (`edge.slide.sightings`): nothing is taken back, so that the same fields, read from the
store again, always give the same cells.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol, TypeVar

from edge.slide.sightings import SAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.messages.position import FieldPosition


class _Boxed(Protocol):
    @property
    def box(self) -> tuple[int, int, int, int]:
        """Its x, y, width and height in the frame."""
        ...

    @property
    def cut_by_edge(self) -> bool:
        """Whether part of it lies beyond the frame."""
        ...


_Cell = TypeVar("_Cell", bound=_Boxed)


class FirstSightings:
    """The cells of one specimen that were seen whole. registers: its fields overlap, and have positions."""

    def __init__(self, *, registers: bool) -> None:
        self._registers = registers
        self._cells: dict[int, list[tuple[float, float, float]]] = {}  # by region: middle and longer side

    def of(self, cells: Sequence[_Cell], position: FieldPosition | None) -> list[_Cell]:
        """Return those of a field's cells that are whole, and were in no field before; call it once a field.

        position: where the field lies; None if it could not be registered: then none of its cells count as
        new, unless fields are not registered at all and each is a new place.
        """
        whole = [cell for cell in cells if not cell.cut_by_edge]
        if position is None:
            return [] if self._registers else whole
        if position.merged is not None:
            merged = position.merged
            moved = [(x + merged.x, y + merged.y, side) for x, y, side in self._cells.pop(merged.region, [])]
            self._cells.setdefault(position.region, []).extend(moved)
        known = self._cells.setdefault(position.region, [])
        new = []
        for cell in whole:
            x, y, width, height = cell.box
            at = (position.x + x + width / 2, position.y + y + height / 2, float(max(width, height)))
            if not any(math.dist(at[:2], one[:2]) < SAME * min(at[2], one[2]) for one in known):
                known.append(at)
                new.append(cell)
        return new
