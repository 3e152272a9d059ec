"""The distinct cells of a specimen: each counted once, by its best sighting. Pure.

A white cell is found in every field that shows it. A platelet or a smudge is taken for one only now and then,
but in hundreds of fields each of them would be at some time: so what is found in fewer than half of the
fields that show its place is not counted as a white cell. Two touching cells are sometimes taken for one, and
one cell with lobes far apart for two: the reading that was found more often is kept.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from edge.slide.contribution import UNSTEADY, CellStanding, Contribution, standing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.messages import Cell
    from edge.slide.places import Joined, Place

    Box = tuple[float, float, float, float]

_MARGIN = 0.05  # of a frame's height: closer to the edge a whole cell may seem cut, or not be found
_GRID = 4  # pixels: frames are rounded to it, so that a stage at rest fills no memory
SAME = 0.5  # of the smaller cell's side: middles closer than this are one cell's; two cells cannot overlap so
_LARGE = 1.25  # of the median cell's longer side: a smaller box cannot hold two cells


class Sighting(NamedTuple):
    """One cell in one frame, in pixels of its region. focus: of the frame, rises when sharper.

    found: in how many frames, of the `shown` that have its place well inside them.
    """

    cell: Cell
    region: int
    box: Box
    focus: float
    found: int = 1
    shown: int = 1

    @property
    def rank(self) -> tuple[bool, float]:
        """Whole before cut, then sharp before blurred."""
        return not self.cell.cut_by_edge, self.focus

    @property
    def middle(self) -> tuple[float, float]:
        """Where the middle of its box is."""
        x, y, width, height = self.box
        return x + width / 2, y + height / 2

    @property
    def is_steady(self) -> bool:
        """Whether it is found in at least half of the frames that show it."""
        return 2 * self.found >= self.shown


class DistinctCells:
    """What was seen of a specimen so far, without repetition."""

    def __init__(self) -> None:
        self._cells: list[Sighting] = []
        self._frames: dict[int, Counter[Box]] = {}  # by region, without their margins; how often each
        self._contribution: Contribution | None = (
            None  # asked for before and after each field, and long to make
        )
        self._standings: dict[str, CellStanding] = {}
        self._same: dict[str, CellStanding] = {}  # of sightings that count no more, since the last `changes`

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def best(self) -> tuple[Sighting, ...]:
        """Each cell's best sighting."""
        return tuple(self._cells)

    @property
    def white_cells(self) -> tuple[Sighting, ...]:
        """Return the best sightings of the cells that count: whole, steady, and not outvoted."""
        whole = [sighting for sighting in self._cells if not sighting.cell.cut_by_edge and sighting.is_steady]
        if not whole:
            return ()
        large = _LARGE * statistics.median(max(sighting.box[2:]) for sighting in whole)
        squares = _Squares(whole)
        outvoted: set[int] = set()
        for number, one in enumerate(whole):
            if max(one.box[2:]) < large:
                continue
            parts = [k for k in squares.about(one.region, one.box) if k != number and _lies_in(whole[k], one)]
            if len(parts) > 1:
                joined = one.found > statistics.fmean(whole[k].found for k in parts)
                outvoted.update(parts if joined else [number])
        return tuple(sighting for number, sighting in enumerate(whole) if number not in outvoted)

    def add(self, place: Place, cells: Iterable[Cell], focus: float, size: tuple[int, int]) -> list[Cell]:
        """Take the cells of an accepted frame that lies at `place`, and return those first seen whole here.

        size: its width and height, pixels.
        """
        self._contribution = None
        width, height = size
        margin = _MARGIN * height
        frame = place.x + margin, place.y + margin, width - 2 * margin, height - 2 * margin
        seen = []
        for cell in cells:
            x, y, across, down = cell.box
            box = (place.x + x, place.y + y, across, down)
            seen.append(Sighting(cell, place.region, box, focus))
        for number, old in enumerate(self._cells):
            if old.region == place.region and not old.cell.cut_by_edge and _is_inside(old.box, frame):
                self._cells[number] = _looked_for(old, seen)
        first = [sighting.cell for sighting in seen if self._take(sighting)]
        self._frames.setdefault(place.region, Counter())[_on_grid(frame)] += 1
        return first

    def join(self, joined: Joined) -> None:
        """Move a region's cells into the region that it turned out to be part of."""
        self._contribution = None
        moving = [s for s in self._cells if s.region == joined.region]
        self._cells = [s for s in self._cells if s.region != joined.region]
        frames = self._frames.setdefault(joined.into, Counter())
        for (x, y, width, height), times in self._frames.pop(joined.region, Counter()).items():
            frames[_on_grid((x + joined.x, y + joined.y, width, height))] += times
        for sighting in moving:
            x, y, width, height = sighting.box
            box = (x + joined.x, y + joined.y, width, height)
            self._take(sighting._replace(region=joined.into, box=box), found_apart=True)
        for number, cell in enumerate(self._cells):
            if cell.region == joined.into:
                shown = max(cell.found, self._times_shown(cell.region, cell.box))
                self._cells[number] = cell._replace(shown=shown)

    def contribution(self) -> Contribution:
        """Return what the distinct cells add up to, in the form of one field's share of the count."""
        if self._contribution is None:
            self._contribution = self._added_up()
        return self._contribution

    def changes(self) -> tuple[CellStanding, ...]:
        """Return what cells count as, for each cell whose entry has changed since the last call."""
        white = {sighting.cell.cell_id for sighting in self.white_cells}
        now = {
            s.cell.cell_id: standing(
                s.cell, None if s.cell.cell_id in white or s.cell.cut_by_edge else UNSTEADY
            )
            for s in self._cells
        }
        same, before = self._same, self._standings
        self._same, self._standings = {}, now
        return (*same.values(), *(one for name, one in now.items() if one != before.get(name)))

    def _added_up(self) -> Contribution:
        counted = [sighting.cell for sighting in self.white_cells]
        unclassified = Counter(cell.rejected for cell in counted if cell.rejected is not None)
        unsteady = sum(not s.cell.cut_by_edge for s in self._cells) - len(counted)
        if unsteady:
            unclassified[UNSTEADY] = unsteady
        return Contribution(
            accepted=True,
            counted=dict(Counter(cell.label for cell in counted if cell.rejected is None)),
            unclassified=dict(unclassified),
            incomplete=sum(s.cell.cut_by_edge for s in self._cells),
        )

    def _take(self, new: Sighting, *, found_apart: bool = False) -> bool:
        """Add a sighting to the cell that it is of, and return whether it is the first that shows it whole.

        found_apart: in other frames than the cell was so far.
        """
        same = [old for old in self._cells if old.region == new.region and _are_same(old, new)]
        if new.cell.cut_by_edge and (whole := [old for old in same if not old.cell.cut_by_edge]):
            # It adds nothing, and a cut piece that lies over two cells must not merge them.
            self._note_same(new, whole[0])
            return False
        if same:
            # The edge may have cut one cell into two pieces that were kept as two cells.
            self._cells = [old for old in self._cells if not any(old is one for one in same)]
        whole = [old for old in same if not old.cell.cut_by_edge]
        found = shown = new.found
        if whole:
            found = max(old.found for old in whole) + (new.found if found_apart else 0)
            shown = max(found, *(old.shown for old in whole))
        elif not same:  # otherwise earlier frames did show it, partly hidden by the edge or another cell
            shown += self._times_shown(new.region, new.box)
        best = max((new, *same), key=lambda sighting: sighting.rank)
        self._cells.append(best._replace(found=found, shown=shown))
        for one in (new, *same):
            if one.cell is not best.cell:
                self._note_same(one, best)
        return not whole and not new.cell.cut_by_edge

    def _note_same(self, one: Sighting, best: Sighting) -> None:
        name = one.cell.cell_id
        self._same[name] = standing(one.cell)._replace(doubtful=False, same_as=best.cell.cell_id)

    def _times_shown(self, region: int, box: Box) -> int:
        frames = self._frames.get(region, Counter())
        return sum(times for frame, times in frames.items() if _is_inside(box, frame))


class _Squares:
    """Sightings by the square of the slide that holds their middle; a square is as large as the largest cell.

    This is used for every field: comparing all cells with each other would soon take longer than analysing.
    """

    def __init__(self, sightings: list[Sighting]) -> None:
        self._side = max(1.0, *(max(sighting.box[2:]) for sighting in sightings))
        self._numbers: dict[tuple[int, int, int], list[int]] = {}
        for number, sighting in enumerate(sightings):
            column, row = (int(place // self._side) for place in sighting.middle)
            self._numbers.setdefault((sighting.region, column, row), []).append(number)

    def about(self, region: int, box: Box) -> list[int]:
        """Return the places in the list of all sightings whose middle may lie in a box."""
        x, y, width, height = box
        columns, rows = (
            range(int(start // self._side), int((start + length) // self._side) + 1)
            for start, length in ((x, width), (y, height))
        )
        return [k for column in columns for row in rows for k in self._numbers.get((region, column, row), [])]


def _on_grid(frame: Box) -> Box:
    x, y, width, height = frame
    return _GRID * round(x / _GRID), _GRID * round(y / _GRID), width, height


def _looked_for(old: Sighting, seen: list[Sighting]) -> Sighting:
    """Note whether a frame that shows a whole cell's place has found it; a cut piece there says nothing."""
    same = [new for new in seen if _are_same(old, new)]
    if any(not new.cell.cut_by_edge for new in same):
        return old._replace(found=old.found + 1, shown=old.shown + 1)
    return old if same else old._replace(shown=old.shown + 1)


def _lies_in(part: Sighting, one: Sighting) -> bool:
    (x, y), (left, top, width, height) = part.middle, one.box
    return part.region == one.region and left < x < left + width and top < y < top + height


def _is_inside(box: Box, frame: Box) -> bool:
    (x, y, width, height), (left, top, across, down) = box, frame
    return left <= x and top <= y and x + width <= left + across and y + height <= top + down


def _are_same(one: Sighting, other: Sighting) -> bool:
    """Tell whether two boxes are one cell's: near middles, or a cut piece that lies in the other box."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = one.box, other.box
    if max(abs(ax - bx), abs(ay - by)) > max(aw, ah, bw, bh):
        return False  # nothing in common, and nearly all pairs are so
    apart = math.dist(one.middle, other.middle)
    if apart < SAME * min(max(aw, ah), max(bw, bh)):
        return True
    if not one.cell.cut_by_edge and not other.cell.cut_by_edge:
        return False
    common = max(0.0, min(ax + aw, bx + bw) - max(ax, bx)) * max(0.0, min(ay + ah, by + bh) - max(ay, by))
    return common > 0.5 * min(aw * ah, bw * bh)
