"""Orders obeyed, and each frame of a live camera counted into the specimen it was taken under."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from edge import identity
from edge.errors import SpecimenError
from edge.messages.total_count import read_total_count
from edge.store.fields import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from edge.cameras import Frame
    from edge.config import Config
    from edge.daemon.health import Progress
    from edge.daemon.pipeline import Counting
    from edge.messages.commands import (
        DiscardSpecimen,
        RenameSpecimen,
        SignSpecimen,
        StartSpecimen,
        StopSpecimen,
    )
    from edge.mqtt.commands import Note, Obey
    from edge.specimens.reporting import Announcer
    from edge.store.specimen import Specimen
    from edge.store.specimens import Ledger

log = logging.getLogger(__name__)

_KEPT_READY_S = 5.0  # longer than any camera keeps a frame
_WAIT_S = 0.5  # between looks for a specimen, when the announcer sees none


class Orders:
    """Does to a store what commands say, on whichever thread: each order has a connection of its own.

    by_command: whether specimens begin and end by command. Otherwise the source says it, and only signing,
    renaming and discarding are left. target: of a new specimen, unless the order says. done: called after
    each. All write their note together with what they do, and raise SpecimenError, StoreError.
    """

    def __init__(
        self, path: Path, *, by_command: bool, target: int, done: Callable[[], None] = lambda: None
    ) -> None:
        self._path = path
        self._target = target
        self._done = done
        self._by_command = by_command

    def by_name(self) -> Mapping[str, Obey]:
        """Give what does each command, by its name."""
        return {
            "specimen/start": self.start,
            "specimen/stop": self.stop,
            "specimen/sign": self.sign,
            "specimen/discard": self.discard,
            "specimen/rename": self.rename,
        }

    def start(self, order: StartSpecimen, note: Note | None = None) -> Specimen:
        """Open a specimen."""
        self._check()
        # Kept with it: what the configuration says later is not what was meant.
        target = order.target or (None if order.resume else self._target)

        try:
            total = None if order.total_count is None else read_total_count(order.total_count)
        except ValueError as error:
            raise SpecimenError(f"total_count: {error}") from None

        def act(ledger: Ledger) -> Specimen:
            return ledger.start(order.specimen_id, target=target, total_count=total, resume=order.resume)

        return self._do(act, note)

    def stop(self, order: StopSpecimen, note: Note | None = None) -> Specimen:
        """Close the open specimen."""
        self._check()
        return self._do(lambda ledger: ledger.stop(order.specimen_id), note)

    def sign(self, order: SignSpecimen, note: Note | None = None) -> Specimen:
        """Sign a specimen."""

        def act(ledger: Ledger) -> Specimen:
            return ledger.sign(order.operator, order.specimen_id, reason=order.reason, target=self._target)

        return self._do(act, note)

    def rename(self, order: RenameSpecimen, note: Note | None = None) -> Specimen:
        """Give a specimen another id."""
        return self._do(lambda ledger: ledger.rename(order.specimen_id, order.new_id), note)

    def discard(self, order: DiscardSpecimen, note: Note | None = None) -> Specimen:
        """Discard a specimen."""
        return self._do(lambda ledger: ledger.discard(order.reason, order.specimen_id), note)

    def _do(self, act: Callable[[Ledger], Specimen], note: Note | None) -> Specimen:
        with Store.open(self._path) as store, store.together():
            specimen = act(store.ledger)
            if note is not None:
                note(store.answers, specimen)
        self._done()
        return specimen

    def _check(self) -> None:
        if not self._by_command:
            raise SpecimenError(
                "what this device's camera shows is one specimen from its start to its end: "
                'set specimen.started_by = "command" in its configuration'
            )


class Session:
    """The specimen that frames are counted into, as the store has it at each frame.

    current: gives that specimen, asked after each order. begin: takes it up, with what was counted of it
    before. All methods raise StoreError.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        current: Callable[[], Specimen | None],
        begin: Callable[[Specimen], Counting],
        announcer: Announcer,
        progress: Progress,
    ) -> None:
        self._stops = config.by_command and config.specimen.when_enough == "stop"
        self._store = store
        self._current = current
        self._begin = begin
        self._announcer = announcer
        self._progress = progress
        self._counting: Counting | None = None
        self._before: Counting | None = None
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
                del frame  # else two are there while the next one is read
                continue
            if self._counting is not None:
                # Stopped while it is analysed, it still belongs to the specimen it was taken under.
                self._counting.take(frame)
                self._stop_if_enough()
            del frame
            before = self._look()

    def wait_for_another(self, stopping: Callable[[], bool]) -> None:
        """The source has ended: wait until a specimen is opened for which it is to begin anew."""
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
                if self._before is not None and self._before.specimen_id == specimen.specimen_id:
                    self._counting.go_on_from(self._before)  # stopped and resumed, the slide lies there still
                self._before = self._counting
                self._opened = specimen.opened
                self._noticed = (identity.now(), time.monotonic())
            self._progress.specimen(self._reported)
        return self._reported

    def _stop_if_enough(self) -> None:
        counting = self._counting
        if self._stops and counting is not None and counting.enough is not None:
            with suppress(SpecimenError):  # somebody was faster
                self._store.ledger.stop(counting.specimen_id, counting.enough)
                self._announcer.look()
