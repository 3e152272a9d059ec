"""Where a frame lies on the slide, and regions that turned out to be one."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A frame's place: its region, and its upper left corner there, pixels of the frame, to a tenth."""

    region: int
    x: float
    y: float


class Joined(NamedTuple):
    """A region that turned out to be part of another: what lay at (0, 0) in it lies at (x, y) in `into`."""

    region: int
    into: int
    x: float
    y: float
