"""The daemon: camera, analyzer, store and publisher, from the first frame to the last delivery.

Its own thread reads, analyses and stores; the publisher has another. A field is on the disk before the
publisher hears of it, so that the process may end at any moment.
"""

from __future__ import annotations

import logging
import platform
import queue
import signal
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paho.mqtt

from edge import __version__, commands, identity
from edge.cameras import open_camera
from edge.counting import Counting, Model
from edge.database import claim
from edge.errors import UnreadableFrameError
from edge.health import Machine, Progress
from edge.messages import Info
from edge.model_trial import load_chosen
from edge.publisher import Publisher
from edge.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.cameras import Camera
    from edge.config import CameraConfig, Config
    from edge.model_trial import FirstStart

log = logging.getLogger(__name__)

UNDELIVERED = 3
"""Exit status when results are kept that the broker has not acknowledged."""

_PATIENCE_S = 1.0  # a camera gives its frame within this, or is told to stop
_UNREADABLE_IN_A_ROW = 10  # from here on, a source that fails at once is not asked as fast as it fails
_PAUSE_S = 0.1


def load_model(config: Config) -> Model:
    """Load the bundle that is to answer. Raises BundleError, NoRuntimeError."""
    from edge.analyzer import Analyzer  # noqa: PLC0415 (OpenCV and a runtime: only who needs them loads them)
    from edge.classifier import Classifier  # noqa: PLC0415

    choice, masking = config.model, config.masking

    def load(path: Path) -> Model:
        classifier = Classifier.load(path, threads=choice.threads, runtime=choice.runtime)
        analyzer = Analyzer(
            classifier, masking.recipe, micrometres_per_pixel=masking.micrometres_per_pixel or None
        )
        return Model(analyzer, classifier.assessed, classifier.reference, classifier.runtime_name)

    model, first_start = load_chosen(config, load)
    return model._replace(first_start=first_start)


def run_daemon(config: Config) -> int:
    """Run the daemon as a process of its own; give its exit status. Raises LeukoscopeError."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    return Daemon(config).run()


class Daemon:
    """One run: until the source ends or `stop` is called. load, camera: what makes the model, the source."""

    def __init__(
        self,
        config: Config,
        *,
        load: Callable[[Config], Model] = load_model,
        camera: Callable[[CameraConfig], Camera] = open_camera,
    ) -> None:
        self._config = config
        self._load = load
        self._open_camera = camera
        self._progress = Progress()
        # Put by the signal handler: SimpleQueue is the one that says it may be.
        self._stops: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._stopping = False
        self._frames = 0
        self._unreadable = 0

    def stop(self) -> None:
        """Finish the field in hand, deliver, and end. From any thread, and from a signal handler."""
        self._stopping = True
        self._stops.put(True)

    def run(self) -> int:
        """Run; give the exit status: 0, 1 when a frame could not be read, 3 when results wait for the broker.

        Raises LeukoscopeError where it cannot start or go on.
        """
        config = self._config
        model = self._load(config)
        path = Path(config.store.path)
        with ExitStack() as stack:
            stack.enter_context(model.first_start)
            stack.enter_context(self._signals())
            camera = stack.enter_context(closing(self._open_camera(config.camera)))
            stack.enter_context(claim(path))
            store = stack.enter_context(Store.open(path))
            machine = Machine(path.parent)
            publisher = Publisher(
                config.mqtt,
                store=path,
                info=self._info(model),
                health=lambda backlog: self._progress.health(config.device, machine, backlog),
            )
            try:
                publisher.start()
                with self._interrupting(camera):
                    counting = Counting(config, model, store, publisher, self._progress)
                    self._read(camera, counting, model.first_start)
            finally:
                remaining = publisher.close(config.mqtt.drain_s)
                self._tell_what_is_kept(remaining)
        if self._frames == 0 and not self._stopping:
            log.error("no frame could be read")
            return 1
        if remaining:
            return UNDELIVERED
        return 1 if self._unreadable else 0

    def _tell_what_is_kept(self, remaining: int) -> None:
        if remaining:
            broker = f"{self._config.mqtt.host}:{self._config.mqtt.port}"
            what = "1 result is" if remaining == 1 else f"{remaining} results are"
            where = self._config.store.path
            log.error("%s kept in %s and will be sent when the broker at %s answers", what, where, broker)

    def _read(self, camera: Camera, counting: Counting, first_start: FirstStart) -> None:
        in_a_row = 0
        while not self._stopping:
            try:
                frame = camera.read()
            except UnreadableFrameError as error:
                self._unreadable += 1
                in_a_row += 1
                self._progress.refused("unreadable")
                log.warning("%s", " ".join(str(error).split()))
                if in_a_row > _UNREADABLE_IN_A_ROW:
                    time.sleep(_PAUSE_S)
                continue
            if frame is None:
                break
            in_a_row = 0
            self._frames += 1
            counting.take(frame)
            first_start.passed()
        if not self._stopping and self._frames:
            counting.finish()

    def _info(self, model: Model) -> Info:
        return Info(
            device_id=self._config.device,
            boot_id=identity.boot_id(),
            versions={
                "leukoscope": __version__,
                "python": platform.python_version(),
                "runtime": model.runtime,
                "paho-mqtt": paho.mqtt.__version__,
            },
            model=model.reference,
            model_notice=model.first_start.notice,
            labels=model.labels,
            capabilities=tuple(f"cmd/{name}" for name in commands.NAMES),
            config=self._config.without_secrets(),
        )

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the run in order; a second one at once, which loses nothing either."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, _frame: Any) -> None:
            signal.signal(number, signal.SIG_DFL)
            self.stop()

        numbers = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(number, handle) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    @contextmanager
    def _interrupting(self, camera: Camera) -> Iterator[None]:
        """Let `stop` reach a camera that waits for its next frame, be that ten minutes away."""
        done = threading.Event()

        def watch() -> None:
            self._stops.get()
            # Most are out of `read` by themselves in that time, and need not be closed under a reader.
            if not done.wait(_PATIENCE_S):
                camera.close()

        watcher = threading.Thread(target=watch, name="stop", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            self._stops.put(False)
            watcher.join(_PATIENCE_S)
