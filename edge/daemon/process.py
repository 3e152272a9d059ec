"""The daemon: camera, analyzer, store and publisher, from the first frame to the last delivery.

Its own thread reads and analyses, and stores where the source is live; else a second one stores. The
publisher has another. A field is on the disk before the publisher hears of it, so that the process may end at
any moment.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cameras import longest_pause_s, open_camera
from edge.cameras.live import WAITING
from edge.config import load_config
from edge.daemon.device_info import about
from edge.daemon.health import Machine, Progress
from edge.daemon.housekeeping import Housekeeping
from edge.daemon.memory import keep_freed_memory, leave_what_only_starting_needed
from edge.daemon.model_loading import load_model
from edge.daemon.pipeline import Counting
from edge.daemon.reloading import on_hangup, take_over
from edge.daemon.run_log import RunLog, start_log
from edge.daemon.session import Session
from edge.daemon.stopping import Stop
from edge.daemon.systemd import Service
from edge.errors import CameraAwayError, CameraError, LeukoscopeError, StoreError, UnreadableFrameError
from edge.mqtt.publisher import Publisher
from edge.specimens.orders import Orders
from edge.specimens.reporting import Announcer, Reporter
from edge.specimens.sources import begin as begin_specimen
from edge.store.database import claim
from edge.store.fields import Store
from edge.store.recovery import make_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.cameras import Camera, Frame
    from edge.config import CameraConfig, Config
    from edge.daemon.pipeline import Model
    from edge.store.specimen import Specimen

log = logging.getLogger(__name__)

UNDELIVERED = 3
"""Exit status when results are kept that the broker has not acknowledged."""

TRY_LATER = 4
"""Exit status when a live run cannot go on as things are: the service manager starts it again."""

_UNREADABLE_IN_A_ROW = 10  # from here on, a source that fails at once is not asked as fast as it fails
_PAUSE_S = 0.1
_COMPLAINT_S = 60.0  # between two complaints of a live camera's frames, which may come thirty times a second
_FULL_PAUSE_S = 0.5  # between two looks whether there is room again


def run_daemon(path: Path, *, resume: bool = False) -> int:
    """Run the daemon that a file configures as a process of its own; give its exit status.

    resume: as in `Daemon`. Raises LeukoscopeError.
    """
    config = load_config(path)
    start_log(config, path)
    keep_freed_memory()
    try:
        return Daemon(config, reload=lambda: load_config(path), resume=resume).run()
    except (CameraError, StoreError) as error:
        if not config.ends:  # images that cannot be read are the same tomorrow; a disk or a camera may not be
            error.exit_status = TRY_LATER
        raise


class Daemon:
    """One run: until the source ends or `stop` is called.

    load, camera: what makes the model, the source. reload: what reads the configuration anew on SIGHUP.
    resume: pictures are meant to be added to a specimen that has ended or that another source has counted.
    """

    def __init__(
        self,
        config: Config,
        *,
        load: Callable[[Config], Model] = load_model,
        camera: Callable[[CameraConfig], Camera] = open_camera,
        reload: Callable[[], Config] | None = None,
        resume: bool = False,
    ) -> None:
        self._config = config
        self._resume = resume
        self._load = load
        self._open_camera = camera
        self._reload = reload
        self._service = Service()
        self._progress = Progress()
        self._log = RunLog(self._progress)
        self._stop = Stop()
        self._frames = 0
        self._unreadable = 0
        self._paused: str | None = None
        self._away: str | None = None
        self._complained_at = float("-inf")

    def stop(self) -> None:
        """Finish the field in hand, deliver, and end. From any thread, and from a signal handler."""
        self._stop.ask()

    def run(self) -> int:
        """Run; give the exit status: 0, 1 when a frame could not be read, 3 when results wait for the broker.

        A live camera loses a frame now and then, and gives another: that is no failure.

        Raises LeukoscopeError where it cannot start or go on.
        """
        config = self._config
        leave_what_only_starting_needed()  # of the libraries, before the model brings more
        model = self._load(config)
        leave_what_only_starting_needed()
        path = Path(config.store.path)
        with ExitStack() as stack:
            stack.enter_context(model.first_start)
            stack.enter_context(self._stop.on_signals())
            camera = stack.enter_context(closing(self._open_camera(config.camera)))
            stack.enter_context(claim(path))
            self._progress.notice("store", make_sound(path))
            store = stack.enter_context(Store.open(path))
            # Refused before anybody hears of this run.
            specimen = None if config.by_command else begin_specimen(config, store, resume=self._resume)
            self._progress.notice("specimen", config.endless)
            if config.endless:
                log.warning("%s", config.endless)
            self._housekeeping = Housekeeping(config.store, store)
            machine = Machine(path.parent)
            reporter = Reporter(config, model)
            announcer = Announcer(path, reporter)
            orders = Orders(
                path, by_command=config.by_command, target=config.specimen.target, done=announcer.look
            )
            publisher = Publisher(
                config.mqtt,
                store=path,
                info=about(config, model),
                health=lambda backlog: self._progress.health(config.device, machine, backlog),
                obey=orders.by_name(),
            )
            begin = partial(Counting, config, model, store, publisher, self._progress, resume=self._resume)
            begin = partial(begin, reporter=reporter, alive=self._service.progress)
            self._log.begins(config, model)
            try:
                publisher.start()
                announcer.start(publisher)
                if self._reload is not None:
                    stack.enter_context(on_hangup(partial(self._take_over, self._reload, publisher)))
                self._service.expect_pauses(longest_pause_s(camera, config.camera))
                self._service.ready()
                if config.by_command:
                    current = store.ledger.open_by_command
                    self._attend(camera, Session(config, store, current, begin, announcer, self._progress))
                elif config.endless:
                    current = partial(self._endless, store, reporter)
                    self._watch(camera, Session(config, store, current, begin, announcer, self._progress))
                else:
                    self._read(camera, begin(specimen), reporter)
            finally:
                self._service.stopping()
                announcer.close()
                remaining = publisher.close(self._config.mqtt.drain_s)
                self._log.ends(publisher.delivered, remaining, config.store.path, publisher.problem)
        if self._frames == 0 and not self._stop.asked and not config.by_command:
            log.error("no frame could be read")
            return 1
        if remaining:
            return UNDELIVERED
        return 1 if self._unreadable and config.ends else 0

    def _read(self, camera: Camera, counting: Counting, reporter: Reporter) -> None:
        """Count all that the source shows into one specimen, and be done."""
        reporter.current = counting.specimen_id
        log.info("specimen %s", counting.specimen_id)
        self._progress.specimen(counting.specimen_id)
        with self._stop.interrupting(camera), counting.ahead():
            for frame in self._pictures(camera):
                counting.take(frame)
                del frame
        if not self._stop.asked and self._frames:
            counting.finish()

    def _attend(self, camera: Camera, session: Session) -> None:
        """Count into the specimens that commands open; a source that ends begins anew for the next."""
        with self._stop.interrupting(camera):
            session.count(self._pictures(camera), self._is_stopping)
        while not self._stop.asked:
            session.wait_for_another(self._is_stopping)
            if self._stop.asked:
                break
            with closing(self._open_camera(self._config.camera)) as again, self._stop.interrupting(again):
                session.count(self._pictures(again), self._is_stopping)

    def _watch(self, camera: Camera, session: Session) -> None:
        """Count all that a live camera shows into one specimen or, where that is discarded, the next."""
        with self._stop.interrupting(camera):
            session.count(self._pictures(camera), self._is_stopping)

    def _endless(self, store: Store, reporter: Reporter) -> Specimen:
        specimen = begin_specimen(self._config, store, resume=self._resume)
        before, reporter.current = reporter.current, specimen.specimen_id
        if before not in {None, reporter.current}:
            log.info("specimen %s was discarded; %s follows it", before, reporter.current)
        return specimen

    def _is_stopping(self) -> bool:
        """Say so to who waits for a specimen, which is a reason to be idle, and no hanging."""
        self._service.progress("waiting for a specimen")
        return self._stop.asked

    def _pictures(self, camera: Camera) -> Iterator[Frame]:
        """Return the source's frames until it ends; one that cannot be had is named and passed over."""
        in_a_row = 0
        while not self._stop.asked:
            self._log.refusals()
            if not self._has_room():
                continue
            try:
                frame = camera.read()
            except CameraAwayError as error:
                self._wait_for_camera(error)
                continue
            except UnreadableFrameError as error:
                self._unreadable += 1
                in_a_row += 1
                self._progress.refused(error.reason)
                self._service.progress("the last frame could not be read")
                self._complain(error)
                if in_a_row > _UNREADABLE_IN_A_ROW:
                    time.sleep(_PAUSE_S)
                continue
            if frame is None:
                break
            if self._away is not None:
                self._away = None
                self._progress.notice("camera", None)
                log.info("the camera gives pictures again")
            self._service.progress("counting")
            in_a_row = 0
            self._frames += 1
            yield frame
            del frame  # else two frames are there while the next one is read

    def _complain(self, error: UnreadableFrameError) -> None:
        now = time.monotonic()
        if self._config.ends or now - self._complained_at >= _COMPLAINT_S:
            self._complained_at = now
            log.warning("%s", " ".join(str(error).split()))

    def _wait_for_camera(self, error: CameraAwayError) -> None:
        """Say what the camera lacks, once; its `read` has waited a while already, and waits again."""
        reason = " ".join(str(error).split())
        self._service.progress(f"waiting for the camera: {reason}")
        if error.reason != WAITING and reason != self._away:
            self._away = reason
            self._progress.notice("camera", reason)
            log.warning("%s", reason)

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

    def _take_over(self, read: Callable[[], Config], publisher: Publisher) -> None:
        """Read the configuration anew, and go by it as far as that needs no restart."""
        self._service.reloading()
        try:
            self._config = take_over(self._config, read())
        except LeukoscopeError as error:
            what = "; ".join(line.strip() for line in str(error).splitlines())
            log.error("%s; the running configuration is kept", what)  # noqa: TRY400 (one sentence)
        else:
            logging.getLogger().setLevel(self._config.log_level.upper())
            self._housekeeping.config = self._config.store
            publisher.reconfigure(self._config.mqtt)
        self._service.ready()
