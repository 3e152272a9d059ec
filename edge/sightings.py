"""The distinct cells of a specimen: each counted once, by its best sighting. Pure."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from edge.differential import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.messages import Cell
    from edge.slide_map import Joined, Place

_SAME = 0.5  # of the smaller cell's side: middles that near are one cell's, for two cells cannot overlap so


class Sighting(NamedTuple):
    """One cell in one frame, in pixels of its region. focus: of the frame, rises when sharper."""

    cell: Cell
    region: int
    box: tuple[float, float, float, float]
    focus: float

    @property
    def rank(self) -> tuple[bool, float]:
        """Whole before cut, then sharp before blurred."""
        return self.cell.complete, self.focus


class DistinctCells:
    """What was seen of a specimen so far, without repetition."""

    def __init__(self) -> None:
        self._cells: list[Sighting] = []

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def best(self) -> tuple[Sighting, ...]:
        """Each cell's best sighting."""
        return tuple(self._cells)

    def add(self, place: Place, cells: Iterable[Cell], focus: float) -> None:
        """Take the cells of an accepted frame that lies at `place`."""
        for cell in cells:
            x, y, width, height = cell.box
            self._take(Sighting(cell, place.region, (place.x + x, place.y + y, width, height), focus))

    def join(self, joined: Joined) -> None:
        """Move a region's cells into the region that it turned out to be part of."""
        moving = [s for s in self._cells if s.region == joined.region]
        self._cells = [s for s in self._cells if s.region != joined.region]
        for sighting in moving:
            x, y, width, height = sighting.box
            box = (x + joined.x, y + joined.y, width, height)
            self._take(sighting._replace(region=joined.into, box=box))

    def tally(self) -> Tally:
        """Give what the distinct cells add up to, in the form of one field's share of the count."""
        whole = [s.cell for s in self._cells if s.cell.complete]
        return Tally(
            accepted=True,
            counted=dict(Counter(cell.label for cell in whole if cell.rejected is None)),
            unclassified=dict(Counter(cell.rejected for cell in whole if cell.rejected is not None)),
            incomplete=len(self._cells) - len(whole),
        )

    def _take(self, new: Sighting) -> None:
        same = [old for old in self._cells if old.region == new.region and _are_same(old, new)]
        if same:
            # A cell may have been taken for two where the edge cut it into two pieces.
            self._cells = [old for old in self._cells if not any(old is one for one in same)]
        self._cells.append(max((new, *same), key=lambda sighting: sighting.rank))


def _are_same(one: Sighting, other: Sighting) -> bool:
    """Tell whether two boxes are one cell's: near middles, or a cut piece that lies in the other box."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = one.box, other.box
    apart = math.hypot(ax + aw / 2 - bx - bw / 2, ay + ah / 2 - by - bh / 2)
    if apart < _SAME * min(max(aw, ah), max(bw, bh)):
        return True
    if one.cell.complete and other.cell.complete:
        return False
    common = max(0.0, min(ax + aw, bx + bw) - max(ax, bx)) * max(0.0, min(ay + ah, by + bh) - max(ay, by))
    return common > 0.5 * min(aw * ah, bw * bh)
