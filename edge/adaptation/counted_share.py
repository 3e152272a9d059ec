"""A count out of a total, in percent, with its interval."""

from __future__ import annotations

from typing import Self

from msgspec import Struct

from edge.differential.intervals import exact


class CountedShare(Struct, frozen=True):
    """A count out of a total, in percent, with the exact 95 % interval; percent: null if the total is 0."""

    count: int
    of: int
    percent: float | None
    low: float
    high: float

    @classmethod
    def counted(cls, count: int, of: int, digits: int = 2) -> Self:
        """Return the share with its interval (Clopper-Pearson), rounded; of 0 cells it is 0 to 100 %."""
        low, high = exact(count, of)
        percent = round(100 * count / of, digits) if of else None
        return cls(count, of, percent, round(low, digits), round(high, digits))
