"""The frames of a camera while there is room for results; what goes wrong on the way is named."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from edge.cameras.image_folders import printable
from edge.cameras.live import WAITING
from edge.errors import CameraAwayError, UnreadableFrameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.cameras import Camera, Frame
    from edge.daemon.health import Progress
    from edge.daemon.housekeeping import Housekeeping
    from edge.daemon.run_log import RunLog
    from edge.daemon.stopping import Stop
    from edge.daemon.systemd import Service

log = logging.getLogger(__name__)

_UNREADABLE_IN_A_ROW = 10  # from here on, a source that fails at once is not asked as fast as it fails
_PAUSE_S = 0.1
_COMPLAINT_S = 60.0  # between two complaints of a live camera's frames, which may come thirty times a second
_FULL_PAUSE_S = 0.5  # between two looks whether there is room again


class FrameSource:
    """Reads the cameras of one run. frames, unreadable: how many came, and how many could not be read.

    ends: whether the source comes to an end; then each picture that cannot be read is named in the log.
    before_each: called with the camera before a frame is asked of it.
    """

    def __init__(
        self,
        housekeeping: Housekeeping,
        progress: Progress,
        run_log: RunLog,
        service: Service,
        stop: Stop,
        *,
        ends: bool,
    ) -> None:
        self.frames = 0
        self.unreadable = 0
        self.before_each: Callable[[Camera], None] = lambda _: None
        self._housekeeping = housekeeping
        self._progress = progress
        self._log = run_log
        self._service = service
        self._stop = stop
        self._ends = ends
        self._paused: str | None = None
        self._away: str | None = None
        self._complained_at = float("-inf")

    def of(self, camera: Camera) -> Iterator[Frame]:
        """The camera's frames until it ends or the run does; one that cannot be had is named and passed over.

        Raises CameraError, StoreError.
        """
        in_a_row = 0
        while not self._stop.asked:
            self._log.refusals()
            if not self._has_room():
                continue
            self.before_each(camera)
            try:
                frame = camera.read()
            except CameraAwayError as error:
                self._wait_for_camera(error)
                continue
            except UnreadableFrameError as error:
                in_a_row += 1
                self._note_unreadable(error)
                if in_a_row > _UNREADABLE_IN_A_ROW:
                    time.sleep(_PAUSE_S)
                continue
            if frame is None:
                break
            self._note_back()
            self._service.progress("counting")
            in_a_row = 0
            self.frames += 1
            yield frame
            del frame  # else two frames are there while the next one is read

    def _note_unreadable(self, error: UnreadableFrameError) -> None:
        self.unreadable += 1
        self._progress.refused(error.reason)
        self._service.progress("the last frame could not be read")
        now = time.monotonic()
        if self._ends or now - self._complained_at >= _COMPLAINT_S:
            self._complained_at = now
            log.warning("%s", printable(str(error)))

    def _wait_for_camera(self, error: CameraAwayError) -> None:
        """Say what the camera lacks, once; its `read` has waited a while already, and waits again."""
        reason = " ".join(str(error).split())
        self._service.progress(f"waiting for the camera: {reason}")
        if error.reason != WAITING and reason != self._away:
            self._away = reason
            self._progress.notice("camera", reason)
            log.warning("%s", reason)

    def _note_back(self) -> None:
        if self._away is not None:
            self._away = None
            self._progress.notice("camera", None)
            log.info("the camera gives pictures again")

    def _has_room(self) -> bool:
        """Look after the store; where it is full, wait a little instead of losing what comes."""
        reason = self._housekeeping.tidy()
        if reason != self._paused:
            self._paused = reason
            self._progress.notice("paused", reason)
            if reason is None:
                log.info("there is room again: counting goes on")
            else:
                log.error("%s", reason)
        if reason is None:
            return True
        self._service.progress(reason)
        time.sleep(_FULL_PAUSE_S)
        return False
