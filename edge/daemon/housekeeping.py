"""What the daemon does for its store between frames: age, size, room, times from before the clock was set."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from edge import identity
from edge.store.database import give_way

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.config import StoreConfig
    from edge.store.fields import Store

log = logging.getLogger(__name__)

_PRUNE_S = 3600.0
_LOOK_S = 5.0  # the size and the clock are asked no more often
_BATCH = 200
_KEYFRAMES_DAYS = 3.0  # after a specimen is stopped: it may be taken up again behind a weekend
_PICTURES_BATCH = 20
_WORK_S = 2.0  # at a time: between two calls a field is counted, and the watchdog fed
_WAITING_S = 60.0  # a frame that was captured before the clock was set may wait so long to be stored
_KEYFRAMES_BATCH = 20  # as large as a batch of results


class Housekeeping:
    """Keeps a store within its limits. For the thread that the store belongs to.

    watch: shown the configuration at each look; it says how much room the disk has.
    """

    def __init__(
        self, config: StoreConfig, store: Store, watch: Callable[[StoreConfig], None] = lambda _: None
    ) -> None:
        self.config = config
        self._watch = watch
        self._store = store
        self._prune_at = self._look_at = 0.0
        self._until = 0.0
        self._times_right_at = float("inf")
        self._full: str | None = None
        self._told_forgotten = False
        self._told_pictures = False

    def tidy(self) -> str | None:
        """Do what is due. Give a sentence where nothing more may be stored, else None. Raises StoreError.

        Only what the broker has is ever dropped, the oldest first. Where all that is left still waits,
        counting has to wait, too: a field that is not analysed is still on the slide, one dropped is gone.
        """
        now = time.monotonic()
        if now < self._look_at:
            return self._full
        self._look_at, self._until = now + _LOOK_S, now + _WORK_S
        self._watch(self.config)
        self._set_times_right()
        if now >= self._prune_at:
            self._told_forgotten = self._told_pictures = False
            self._prune()
            self._prune_at = now if self._is_over() else now + _PRUNE_S
        self._full = self._make_room()
        if self._is_over():
            self._look_at = now  # what is left goes on after the next frame
        return self._full

    def _is_over(self) -> bool:
        return time.monotonic() >= self._until

    def _prune(self) -> None:
        # With a clock that stands in 1970 or 2076, an age means nothing.
        if not identity.clock_synced():
            return
        dropped = self._store.upkeep.prune(self.config.retention_days, self._until)
        if dropped:
            log.info("%d results older than %g days are dropped", dropped, self.config.retention_days)
        self._store.keyframes.drop_long_closed(min(_KEYFRAMES_DAYS, self.config.retention_days))
        pictures = self._store.pictures.prune(self.config.pictures_days, self._until)
        if pictures:
            log.info(
                "pictures of %d cells older than %g days are dropped", pictures, self.config.pictures_days
            )

    def _make_room(self) -> str | None:
        limit = self.config.max_mb * 1e6
        if not limit:
            return None
        upkeep, keyframes = self._store.upkeep, self._store.keyframes
        dropped = forgotten = pictures = 0
        reason, since = None, time.monotonic()
        if upkeep.used_bytes() > limit:
            forgotten = keyframes.drop_closed()
        later = False  # pictures are left to the next call: before they are gone, nothing else goes
        while (
            not later
            and upkeep.used_bytes() > limit
            and (gone := self._store.pictures.drop_oldest(_PICTURES_BATCH))
        ):
            pictures += gone
            since = give_way(since)
            later = self._is_over()
        while not later and reason is None and upkeep.used_bytes() > limit:
            before = keyframes.count()
            batch = upkeep.drop_oldest_delivered(_BATCH)
            # A slide that a restart does not know again is worse than a result gone that the broker has, and
            # better than to stop counting.
            thumbnails = 0 if batch else keyframes.drop_oldest(_KEYFRAMES_BATCH)
            dropped += batch
            # Those that went with their fields' cells, too. Meanwhile fields may have brought new ones.
            forgotten += max(0, before - keyframes.count())
            since = give_way(since)
            if not batch and not thumbnails:
                reason = self._reached()
            elif self._is_over():
                break
        if pictures and not self._told_pictures:
            self._told_pictures = True
            log.warning("the store is full: pictures of cells are dropped, those of signed specimens first")
        self._tell(dropped, forgotten)
        return reason

    def _reached(self) -> str:
        reached = f"the store is full: store.max_mb = {self.config.max_mb:g} is reached"
        if self._store.backlog():
            way_out = "counting goes on when the broker has taken some"
            return f"{reached} and nothing of it is delivered; {way_out}"
        return f"{reached} by what earlier results counted, which stays; raise it to count on"

    def _tell(self, dropped: int, forgotten: int) -> None:
        if dropped:
            log.warning("the store was full: the cells of %d delivered results are dropped", dropped)
        if forgotten and not self._told_forgotten:
            self._told_forgotten = True  # a store that stays full drops some with every few fields
            log.warning(
                "the store is full: pictures by which a slide is known again are dropped, the oldest first;"
                " after a restart, what they show may count twice"
            )

    def _set_times_right(self) -> None:
        if not identity.clock_synced():
            # Also where a time source was lost: what is noted from then on waits again.
            self._times_right_at = float("inf")
            return
        now = time.monotonic()
        if now > self._times_right_at:
            return
        corrected = self._store.upkeep.correct_times(identity.clock_offset_s(), self._until)
        if self._times_right_at == float("inf") and not self._is_over():
            self._times_right_at = now + _WAITING_S
        if corrected:
            log.info("the clock is set: the times of %d results are corrected", corrected)
