"""How much room the disk has for the results that the configuration lets the store keep."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from edge.config import StoreConfig

_LEAST_FREE_MB = 500.0
"""With less free on the disk the rest of the device fails, too."""


class DiskRoom(NamedTuple):
    """Room on the store's disk, MB. still_to_grow: what the store takes until `max_mb`; 0 or less: none."""

    free: float
    still_to_grow: float

    @property
    def is_nearly_full(self) -> bool:
        """Whether counting may stop any day."""
        return self.free < _LEAST_FREE_MB

    @property
    def is_little(self) -> bool:
        """Whether the disk is full before the store is at its limit, or nearly full."""
        return self.is_nearly_full or self.free < self.still_to_grow


def disk_room(store: StoreConfig) -> DiskRoom:
    """Return the room on the store's disk. Raises OSError where it cannot be told."""
    path = Path(store.path)
    free = shutil.disk_usage(path.parent).free / 1e6
    taken = path.stat().st_size / 1e6 if path.is_file() else 0.0
    return DiskRoom(free, store.max_mb - taken)
