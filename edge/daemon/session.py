"""Each frame of a live camera counted into the specimen it was taken under."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from edge import identity
from edge.errors import SpecimenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.cameras import Frame
    from edge.config import Config
    from edge.daemon.health import Progress
    from edge.daemon.pipeline import Pipeline
    from edge.specimens.reporting import Announcer
    from edge.store.fields import Store
    from edge.store.specimen import Specimen

log = logging.getLogger(__name__)

_KEPT_READY_S = 5.0  # longer than any camera keeps a frame
_WAIT_S = 0.5  # between looks for a specimen, when the announcer sees none


class Session:
    """The specimen that frames are counted into, as the store has it at each frame.

    current: gives that specimen, asked after each order. begin: takes it up, with what was counted of it
    before. idle: shown each frame that is counted into none. All methods raise StoreError.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        current: Callable[[], Specimen | None],
        begin: Callable[[Specimen], Pipeline],
        announcer: Announcer,
        progress: Progress,
        *,
        idle: Callable[[Frame], None] = lambda _: None,
    ) -> None:
        self._stops = config.by_command and config.specimen.on_target == "stop"
        self._store = store
        self._current = current
        self._begin = begin
        self._announcer = announcer
        self._progress = progress
        self._idle = idle
        self._counting: Pipeline | None = None
        self._before: Pipeline | None = None
        self._event: int | None = None
        self._opened = 0
        self._noticed = (identity.now(), time.monotonic())

    def count(self, pictures: Iterator[Frame], stopping: Callable[[], bool]) -> None:
        """Count the frames of one source until it ends.

        A live frame (one without source_id) that came while the specimen changed, or while none was open, is
        let go: nobody can say whose it is. So is one that a camera had kept ready since before the specimen
        was opened. A picture that would come again waits for a specimen.
        """
        before = self._look()
        for frame in pictures:
            now = self._look()
            if frame.source_id is not None:
                while self._counting is None and not stopping():
                    self._wait()
            elif now != before or self._is_of_before(frame):
                before = now
                self._idle(frame)
                del frame  # else two are there while the next one is read
                continue
            if self._counting is not None:
                # Stopped while it is analysed, it still belongs to the specimen it was taken under.
                self._counting.take(frame)
                self._stop_if_enough()
            else:
                self._idle(frame)
            del frame
            before = self._look()

    def wait_for_another(self, stopping: Callable[[], bool]) -> None:
        """The source has ended: wait until a specimen is opened for which it is to begin again."""
        if self._counting is not None:
            log.info("the source has ended; specimen %s is open until it is stopped", self._reported)
        opened = self._opened
        while (self._counting is None or self._opened == opened) and not stopping():
            self._wait()

    @property
    def _reported(self) -> str | None:
        return None if self._counting is None else self._counting.specimen_id

    def _is_of_before(self, frame: Frame) -> bool:
        noticed_at, noticed_s = self._noticed
        # Only for a while: a clock that is put back later must not make every frame one of before.
        return frame.captured_at < noticed_at and time.monotonic() - noticed_s < _KEPT_READY_S

    def _wait(self) -> None:
        self._announcer.changed.wait(_WAIT_S)
        self._announcer.changed.clear()
        self._look()

    def _look(self) -> str | None:
        """Notice what was ordered; give the specimen that is open."""
        event, _ = self._store.ledger.latest_event()
        if event != self._event:
            self._event = event
            specimen = self._current()
            if specimen is None:
                self._counting = None
            elif self._counting is not None and specimen.opened == self._opened:
                self._counting.follow(self._store)
            else:
                self._counting = self._begin(specimen)
                if self._before is not None and self._before.specimen_uuid == specimen.uuid:
                    # Stopped and resumed: the slide lies there still. Not so of one that has its former id.
                    self._counting.resume_from(self._before)
                self._before = self._counting
                self._opened = specimen.opened
                self._noticed = (identity.now(), time.monotonic())
            self._progress.specimen(self._reported)
        return self._reported

    def _stop_if_enough(self) -> None:
        counting = self._counting
        if self._stops and counting is not None and counting.stop_reason is not None:
            with suppress(SpecimenError):  # somebody was faster
                self._store.ledger.stop(counting.specimen_id, counting.stop_reason)
                self._announcer.look()
