"""So many of so many, with what that number of cells leaves open."""

from __future__ import annotations

from typing import Self

from msgspec import Struct

from edge.differential.intervals import exact


class CountedShare(Struct, frozen=True):
    """So many of so many, in percent, with the exact 95 % interval; percent: null of nothing."""

    count: int
    of: int
    percent: float | None
    low: float
    high: float

    @classmethod
    def counted(cls, count: int, of: int, digits: int = 2) -> Self:
        """The share with its interval (Clopper-Pearson), rounded; of nothing, nothing is known."""
        low, high = exact(count, of)
        percent = round(100 * count / of, digits) if of else None
        return cls(count, of, percent, round(low, digits), round(high, digits))
