"""The end of a run, in order: asked for by a signal or a caller, and told to a camera that waits."""

from __future__ import annotations

import queue
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.cameras import Camera

_PATIENCE_S = 1.0  # a camera gives its frame within this, or is told to stop


class Stop:
    """Whether the run is to end."""

    def __init__(self) -> None:
        self.asked = False
        # Put by the signal handler: SimpleQueue is the one that says it may be.
        self._asked: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def ask(self) -> None:
        """Let the run end. From any thread, and from a signal handler."""
        self.asked = True
        self._asked.put(True)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the run in order; a second one at once, which loses nothing either."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, _frame: Any) -> None:
            signal.signal(number, signal.SIG_DFL)
            self.ask()

        numbers = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(number, handle) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    @contextmanager
    def interrupting(self, camera: Camera) -> Iterator[None]:
        """Let the end reach a camera that waits for its next frame, be that ten minutes away."""
        done = threading.Event()

        def watch() -> None:
            self._asked.get()
            # Most are out of `read` by themselves in that time, and need not be closed under a reader.
            if not done.wait(_PATIENCE_S):
                camera.close()

        watcher = threading.Thread(target=watch, name="stop", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            self._asked.put(False)
            watcher.join(_PATIENCE_S)
