"""Reads and decodes the next picture while the one before it is analysed."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.cameras.frame import Camera, Frame

_LARGEST = 4_000_000  # bytes: of larger pictures, two at once are more than a small device should hold


def read_ahead(camera: Camera) -> Camera:
    """Return the camera, read ahead if there is more than one processor."""
    mine = getattr(os, "sched_getaffinity", None)
    cores = len(mine(0)) if mine else os.cpu_count() or 1
    return ReadAhead(camera) if cores > 1 else camera


class ReadAhead:
    """A camera that waits for nobody, one picture ahead; pictures and errors come in the order they had."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._reader = ThreadPoolExecutor(1, "reader")
        self._next: Future[Frame | None] | None = None
        self._closed = False

    def read(self) -> Frame | None:
        """The next frame, or None when the source has ended or was closed. Raises as the camera does."""
        if self._closed:
            return None
        coming, self._next = self._next or self._asked(), None
        if coming is None:
            return None
        frame = coming.result()
        if frame is not None and frame.pixels.nbytes <= _LARGEST:
            self._next = self._asked()
        return frame

    def close(self) -> None:
        """Release the camera. Safe to call twice, and from any thread: a `read` then gives None."""
        self._closed = True
        self._camera.close()
        self._reader.shutdown(wait=False)

    def _asked(self) -> Future[Frame | None] | None:
        try:
            return self._reader.submit(self._camera.read)
        except RuntimeError:  # closed by another thread in this moment
            return None
