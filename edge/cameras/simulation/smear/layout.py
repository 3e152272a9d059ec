"""Where the white cells of a drawn smear lie: each whole inside one view, but a few across a view's edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_EDGE = 14  # pixels that a whole cell keeps from its view's edge
_APART = 60  # pixels between two cells, half a red cell: a smear thin enough to count in has few closer ones
_CELLS_A_VIEW, _SHARES = (0, 1, 2, 3), (0.14, 0.38, 0.33, 0.15)
_MEAN_CELLS_A_VIEW = float(np.dot(_CELLS_A_VIEW, _SHARES))
_TRIES = 60


class Disc(NamedTuple):
    """What a cell takes up: its radius, and how far from its middle an edge must pass to cut its nucleus."""

    radius: float
    core: float


class Spot(NamedTuple):
    """The middle of a cell on the slide, pixels, and whether one view holds all of the cell."""

    x: int
    y: int
    complete: bool


class Layout(NamedTuple):
    """The grid of views, and one spot for each cell, in the cells' order."""

    columns: int
    rows: int
    spots: tuple[Spot, ...]


def laid_out(
    rng: np.random.Generator, discs: Sequence[Disc], *, field: tuple[int, int], cut_share: float
) -> Layout:
    """Find a place for every cell, on a slide with as many views as that takes.

    field: width and height of a view, pixels. cut_share: of the cells that an edge cuts, 0 to 1.
    """
    views = max(4, round(len(discs) / _MEAN_CELLS_A_VIEW))
    columns = max(2, round((views * field[1] / field[0]) ** 0.5))
    tray = _Tray(rng, columns, max(2, -(-views // columns)), field)
    spots = {}
    for cell in rng.choice(len(discs), round(cut_share * len(discs)), replace=False).tolist():
        spot = tray.across_an_edge(discs[cell])
        if spot:
            spots[cell] = spot
    waiting = [cell for cell in range(len(discs)) if cell not in spots]
    order = rng.permutation(columns * tray.rows).tolist()
    while waiting:
        if not order:
            order = list(range(columns * tray.rows, columns * (tray.rows + 1)))
            tray.rows += 1
        view = order.pop()
        wanted = int(rng.choice(_CELLS_A_VIEW, p=_SHARES))
        for cell in waiting[:wanted]:
            spot = tray.inside(view, discs[cell])
            if spot:
                spots[cell] = spot
        waiting = [cell for cell in waiting if cell not in spots]
    return Layout(columns, tray.rows, tuple(spots[cell] for cell in range(len(discs))))


class _Tray:
    """The grid of views while it is being filled."""

    def __init__(self, rng: np.random.Generator, columns: int, rows: int, field: tuple[int, int]) -> None:
        self.columns = columns
        self.rows = rows
        self._rng = rng
        self._field = field
        self._taken: dict[int, list[tuple[int, int, float]]] = {}

    def across_an_edge(self, disc: Disc) -> Spot | None:
        """Place a cell across the edge between two views, and away from all other edges."""
        (width, height), rng = self._field, self._rng
        for _ in range(_TRIES):
            off = round(float(rng.uniform(-disc.core, disc.core)))
            if rng.random() < 0.5:
                column, row = int(rng.integers(self.columns - 1)), int(rng.integers(self.rows))
                x, y = (column + 1) * width + off, row * height + self._within(height, disc)
                beside = 1
            else:
                column, row = int(rng.integers(self.columns)), int(rng.integers(self.rows - 1))
                x, y = column * width + self._within(width, disc), (row + 1) * height + off
                beside = self.columns
            view = row * self.columns + column
            if self._take((view, view + beside), x, y, disc.radius):
                return Spot(x, y, complete=False)
        return None

    def inside(self, view: int, disc: Disc) -> Spot | None:
        """Place a whole cell in a view, apart from those that show there already."""
        row, column = divmod(view, self.columns)
        for _ in range(_TRIES):
            x = column * self._field[0] + self._within(self._field[0], disc)
            y = row * self._field[1] + self._within(self._field[1], disc)
            if self._take((view,), x, y, disc.radius):
                return Spot(x, y, complete=True)
        return None

    def _within(self, length: int, disc: Disc) -> int:
        edge = int(disc.radius) + _EDGE
        return int(self._rng.integers(edge, length - edge))

    def _take(self, views: tuple[int, ...], x: int, y: int, radius: float) -> bool:
        others = [other for view in views for other in self._taken.get(view, ())]
        if any(np.hypot(x - ox, y - oy) < radius + other + _APART for ox, oy, other in others):
            return False
        for view in views:
            self._taken.setdefault(view, []).append((x, y, radius))
        return True
