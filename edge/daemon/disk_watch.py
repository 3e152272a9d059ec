"""Little room on the disk, said in the log and in every health message before the disk is full."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge.config.disk import disk_room

if TYPE_CHECKING:
    from edge.config import StoreConfig
    from edge.config.disk import DiskRoom
    from edge.daemon.health import Progress

log = logging.getLogger(__name__)

_ENOUGH = 1.1
"""Times what was too little: room that goes up and down by a few MB is not said again and again."""


class DiskWatch:
    """Says how little room there is: in the log when that begins or gets worse, in health while it lasts."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._said = 0  # how bad it is: 0 not at all, 1 little room, 2 nearly full

    def look(self, config: StoreConfig) -> None:
        """Look at the disk, and say what is new."""
        try:
            room = disk_room(config)
        except OSError:  # the store itself says what is wrong with its folder
            return
        eased = room._replace(free=room.free / _ENOUGH)
        found = max(_badness(room), min(_badness(eased), self._said))
        sentence = _SENTENCES[found](room, config) if found else None
        self._progress.notice("disk", sentence)
        if found > self._said:
            log.warning("%s", sentence)
        elif not found and self._said:
            log.info("the disk has room again: %.1f GB are free", room.free / 1e3)
        self._said = found


def _badness(room: DiskRoom) -> int:
    return 2 if room.is_nearly_full else 1 if room.is_little else 0


def _little(room: DiskRoom, config: StoreConfig) -> str:
    free, more = room.free / 1e3, room.still_to_grow / 1e3
    return (
        f"the disk has little room: {free:.1f} GB are free, and the store may take {more:.1f} GB more"
        f" until store.max_mb = {config.max_mb:g}; make room, or set store.max_mb lower"
    )


def _nearly_full(room: DiskRoom, _: StoreConfig) -> str:
    return f"the disk is nearly full: {room.free:.0f} MB are free; make room before counting stops"


_SENTENCES = {1: _little, 2: _nearly_full}
