"""A bound on time that the parts of a long piece of work share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """A point in time, by a clock in seconds that never goes back."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the seconds from now until it is over."""
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, at least 0."""
        return max(0.0, self._end - self._clock())

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self.left <= 0

    def part(self, share: float) -> Deadline:
        """An earlier deadline, after this share (0 to 1) of what is left: for the next piece of work."""
        return Deadline(share * self.left, self._clock)
