"""The daemon: camera, analyzer, store and publisher, from the first frame to the last delivery.

One thread reads and analyses, and stores where the source is live; else a second one stores. The publisher
has another. A field is on the disk before the publisher hears of it, so that the process may end at any
moment.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge.cameras import longest_pause_s, open_camera
from edge.config import load_config
from edge.daemon.calibrating import Calibrator, behind_calibration
from edge.daemon.device_info import about
from edge.daemon.disk_watch import DiskWatch
from edge.daemon.frames import FrameSource
from edge.daemon.health import Machine, Progress
from edge.daemon.housekeeping import Housekeeping
from edge.daemon.model_loading import ModelInUse, load_model
from edge.daemon.pipeline import Pipeline
from edge.daemon.preview import Preview
from edge.daemon.reloading import on_hangup, take_over
from edge.daemon.run_log import RunLog, start_log
from edge.daemon.session import Session
from edge.daemon.stopping import Stop
from edge.daemon.systemd import Service
from edge.errors import ConfigError, LeukoscopeError
from edge.memory import keep_freed_memory, release_startup_memory
from edge.mqtt.publisher import Publisher
from edge.specimens.reporting import Announcer, Reporter
from edge.specimens.service import SpecimenService
from edge.specimens.sources import begin as begin_specimen
from edge.store.database import claim
from edge.store.fields import Store
from edge.store.recovery import repair_if_damaged

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.cameras import Camera
    from edge.config import CameraConfig, Config
    from edge.daemon.model import Model
    from edge.store.specimen import Specimen

log = logging.getLogger(__name__)

UNDELIVERED = 3
"""Exit status when results are kept that the broker has not acknowledged."""

TRY_LATER = 4
"""Exit status when a live run cannot go on as things are: the service manager starts it again."""

_FAILED = 1


def run_daemon(path: Path, *, resume: bool = False) -> int:
    """Run the daemon that a file configures as a process of its own; give its exit status.

    resume: as in `Daemon`. Raises LeukoscopeError.
    """
    config = load_config(path)
    start_log(config, path)
    keep_freed_memory()
    try:
        return Daemon(config, reload=lambda: load_config(path), resume=resume).run()
    except ConfigError:
        raise
    except LeukoscopeError as error:
        if not config.ends:  # images that cannot be read are the same tomorrow; a disk or a camera may not be
            error.exit_status = TRY_LATER
        raise
    except Exception:
        # Nobody stands beside a device: started again it may count, and from a model on trial it goes back.
        log.exception("the daemon has failed")
        return _FAILED if config.ends else TRY_LATER


class Daemon:
    """One run: until the source ends or `stop` is called.

    load, camera: what makes the model, the source. reload: what reads the configuration again on SIGHUP.
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
        self._when_idle: Callable[[], None] = lambda: None
        self._service = Service()
        self._progress = Progress()
        self._log = RunLog(self._progress)
        self._stop = Stop()

    def stop(self) -> None:
        """Finish the field in hand, deliver, and end. From any thread, and from a signal handler."""
        self._stop.ask()

    def run(self) -> int:
        """Run; give the exit status: 0, 1 when a frame could not be read, 3 when results wait for the broker.

        A live camera loses a frame now and then, and gives another: that is no failure.

        Raises LeukoscopeError where it cannot start or go on.
        """
        config = self._config
        path = Path(config.store.path)
        with ExitStack() as stack:
            # Before the model: told to end while that loads, it ends in order, and a new one stays on trial.
            stack.enter_context(self._stop.on_signals())
            release_startup_memory()  # of the libraries, before the model brings more
            model = stack.enter_context(ModelInUse(config, self._load))
            release_startup_memory()
            camera = stack.enter_context(closing(self._opened()))
            stack.enter_context(claim(path))
            self._progress.notice("store", repair_if_damaged(path))
            store = stack.enter_context(Store.open(path))
            # Refused before anybody hears of this run.
            specimen = None if config.by_command else begin_specimen(config, store, resume=self._resume)
            parts = self._connect(model, store)
            self._say_how_it_counts(model)
            try:
                parts.publisher.start()
                parts.announcer.start(parts.publisher)
                if self._reload is not None:
                    stack.enter_context(on_hangup(partial(self._take_over, self._reload, parts)))
                self._service.expect_pauses(longest_pause_s(camera, config.camera))
                self._service.ready()
                self._count(camera, parts, specimen)
            finally:
                self._service.stopping()
                parts.announcer.close()
                remaining = parts.publisher.close(self._config.mqtt.drain_s)
                self._log.ends(
                    parts.publisher.delivered, remaining, config.store.path, parts.publisher.problem
                )
        return self._exit_status(parts.frames, remaining)

    def _opened(self) -> Camera:
        return behind_calibration(self._open_camera(self._config.camera), self._config)

    def _connect(self, model: ModelInUse, store: Store) -> _Parts:
        """Make the parts of a run, and connect them: nowhere else is decided who hands what to whom.

        frames -> pipeline -> store, then reporter -> publisher; orders -> store, then announcer -> reporter.
        """
        config = self._config
        machine = Machine(store.path.parent)
        disk = DiskWatch(self._progress)
        disk.look(config.store)  # before the first health message
        housekeeping = Housekeeping(config.store, store, disk.look)
        frames = FrameSource(
            housekeeping, self._progress, self._log, self._service, self._stop, ends=config.ends
        )
        reporter = Reporter(config, model)
        announcer = Announcer(store.path, reporter)
        orders = SpecimenService(config, [lambda _: announcer.look()])
        publisher = Publisher(
            config.mqtt,
            store=store.path,
            info=about(config, model),
            health=lambda backlog: self._progress.health(config.device, machine, backlog),
            handlers=orders.handlers(),
        )
        preview = Preview.of(config.web.preview_dir, model.look)
        begin = partial(
            Pipeline,
            config,
            model,
            store,
            publisher,
            self._progress,
            resume=self._resume,
            reporter=reporter,
            alive=self._service.progress,
            watch=preview.show,
        )
        calibrator = Calibrator(config, store, self._service, self._progress)
        frames.before_each = partial(_renew, config, model, publisher, calibrator)
        self._when_idle = calibrator.attend
        return _Parts(store, housekeeping, frames, begin, reporter, announcer, publisher, preview)

    def _say_how_it_counts(self, model: ModelInUse) -> None:
        config = self._config
        self._progress.notice("specimen", config.endless)
        if config.endless:
            log.warning("%s", config.endless)
        self._log.begins(config, model)

    def _count(self, camera: Camera, parts: _Parts, specimen: Specimen | None) -> None:
        """Count what the camera shows: by command, without an end, or all there is into one specimen."""
        if self._config.by_command:
            self._attend(camera, self._session(parts, parts.store.ledger.open_by_command), parts.frames)
        elif self._config.endless:
            session = self._session(parts, partial(self._endless, parts.store, parts.reporter))
            with self._stop.interrupting(camera):
                session.count(parts.frames.of(camera), self._idle_heartbeat)
        else:
            self._read(camera, parts.begin(specimen), parts)

    def _session(self, parts: _Parts, current: Callable[[], Specimen | None]) -> Session:
        return Session(
            self._config,
            parts.store,
            current,
            parts.begin,
            parts.announcer,
            self._progress,
            idle=parts.preview.show,
        )

    def _read(self, camera: Camera, pipeline: Pipeline, parts: _Parts) -> None:
        """Count all that the source shows into one specimen, and be done."""
        parts.reporter.current = pipeline.specimen_id
        log.info("specimen %s", pipeline.specimen_id)
        self._progress.specimen(pipeline.specimen_id)
        with self._stop.interrupting(camera), pipeline.ahead():
            for frame in parts.frames.of(camera):
                pipeline.take(frame)
                del frame
        if not self._stop.asked and parts.frames.frames:
            pipeline.finish()

    def _attend(self, camera: Camera, session: Session, frames: FrameSource) -> None:
        """Count into the specimens that commands open; a source that ends begins again for the next."""
        with self._stop.interrupting(camera):
            session.count(frames.of(camera), self._idle_heartbeat)
        while not self._stop.asked:
            session.wait_for_another(self._idle_heartbeat)
            if self._stop.asked:
                break
            with closing(self._opened()) as again, self._stop.interrupting(again):
                session.count(frames.of(again), self._idle_heartbeat)

    def _endless(self, store: Store, reporter: Reporter) -> Specimen:
        """The specimen that a live camera counts into: the same or, where that was discarded, the next."""
        specimen = begin_specimen(self._config, store, resume=self._resume)
        before, reporter.current = reporter.current, specimen.specimen_id
        if before not in {None, reporter.current}:
            log.info("specimen %s was discarded; %s follows it", before, reporter.current)
        return specimen

    def _idle_heartbeat(self) -> bool:
        """Whether the run is to end; feeds the watchdog while no specimen is open."""
        self._when_idle()
        self._service.progress("waiting for a specimen")
        return self._stop.asked

    def _exit_status(self, frames: FrameSource, remaining: int) -> int:
        if frames.frames == 0 and not self._stop.asked and not self._config.by_command:
            log.error("no frame could be read")
            return 1
        if remaining:
            return UNDELIVERED
        return 1 if frames.unreadable and self._config.ends else 0

    def _take_over(self, read: Callable[[], Config], parts: _Parts) -> None:
        """Read the configuration again, and go by it as far as that needs no restart."""
        self._service.reloading()
        try:
            self._config = take_over(self._config, read())
        except LeukoscopeError as error:
            what = "; ".join(line.strip() for line in str(error).splitlines())
            log.error("%s; the running configuration is kept", what)  # noqa: TRY400 (one sentence)
        else:
            logging.getLogger().setLevel(self._config.log_level.upper())
            parts.housekeeping.config = self._config.store
            parts.publisher.reconfigure(self._config.mqtt)
        self._service.ready()


def _renew(
    config: Config, model: ModelInUse, publisher: Publisher, calibrator: Calibrator, camera: Camera
) -> None:
    """Go by a model, or a calibration, that came meanwhile; say so of the model. Calibrate where ordered."""
    if model.renew():
        publisher.introduce(about(config, model))
    calibrator.attend(camera)


class _Parts(NamedTuple):
    """What a run is made of. begin: takes up a specimen, with what was counted of it before."""

    store: Store
    housekeeping: Housekeeping
    frames: FrameSource
    begin: Callable[[Specimen | None], Pipeline]
    reporter: Reporter
    announcer: Announcer
    publisher: Publisher
    preview: Preview
