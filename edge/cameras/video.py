"""A video file, shown as if it came from a microscope."""

from __future__ import annotations

import hashlib
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cameras.frame import Frame
from edge.cameras.image_files import MAX_PIXELS
from edge.cameras.image_folders import printable
from edge.cameras.opencv import quieten
from edge.cameras.pacing import Pacer
from edge.errors import CameraError, UnreadableFrameError

if TYPE_CHECKING:
    from edge.config import VideoConfig

_PIECE = 1 << 20
_PIECES = 32
_MISSING = 0.02  # of the pictures that a file says it holds; many a recorder counts a few too many


class VideoCamera:
    """Every picture of a video file, each once, in order.

    A frame's name is the file's and its number, from 1; its source_id the number and a hash of the file's
    size and of pieces of 1 MiB spread over all of it, so that a long recording need not be read twice.

    sensor: what a calibration knows it by, which is made from a video of an empty field.

    Raises CameraError where the file is not there or is no video.
    """

    sensor = "video"

    def __init__(self, config: VideoConfig) -> None:
        path = self._path = Path(config.path)
        if not path.is_file():
            raise CameraError(f"{path}: there is no such file")
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise CameraError(
                f"{printable(str(path))}: its name is not in UTF-8, which videos need; rename it"
            ) from None
        try:
            self._hash = _fingerprint(path)
        except OSError as error:
            raise CameraError(f"{path}: cannot be read: {error.strerror}") from error
        quieten()
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        width, height, rate, count = (
            self._capture.get(what)
            for what in (
                cv2.CAP_PROP_FRAME_WIDTH,
                cv2.CAP_PROP_FRAME_HEIGHT,
                cv2.CAP_PROP_FPS,
                cv2.CAP_PROP_FRAME_COUNT,
            )
        )
        if not self._capture.isOpened() or not width:
            raise CameraError(f"{path}: is not a video that can be read")
        if width * height > MAX_PIXELS:
            self._capture.release()
            raise CameraError(f"{path}: is larger than {MAX_PIXELS // 1_000_000} megapixels")
        # A recorder's note on which way it was held would turn the picture away from what the file holds.
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        self._promised = max(0, int(count))
        self._number = 0
        self._ended = False
        self._reading = threading.Lock()
        self._pacer = Pacer(rate if config.native_rate else config.frames_per_second)

    @property
    def pause_s(self) -> float:
        """Seconds between two pictures; with `native_rate`, as the file says."""
        return self._pacer.pause_s

    def read(self) -> Frame | None:
        """Return the next picture, or None after the last one.

        Raises UnreadableFrameError, once, where the file ends before it holds what it says.
        """
        if self._ended or not self._pacer.wait():
            return None
        with self._reading:
            # Closed while it waited for the other to let go: released, and not to be touched.
            whole, pixels = (False, None) if self._pacer.stopped else self._capture.read()
        if not whole or pixels is None:
            self._ended = True
            lacking = self._promised - self._number
            if not self._pacer.stopped and lacking > 1 + _MISSING * self._promised:
                raise UnreadableFrameError(
                    f"{self._path}: is cut off or damaged after {self._number} of {self._promised} pictures"
                )
            return None
        self._number += 1
        return Frame(
            np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8),
            f"{printable(self._path.name)} frame {self._number}",
            datetime.now(UTC),
            f"video:{self._hash}:{self._number}",
        )

    def close(self) -> None:
        """End the source: from here on `read` gives None."""
        self._pacer.stop()
        with self._reading:
            self._capture.release()


def _fingerprint(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = file.seek(0, 2)
        digest.update(str(size).encode())
        for piece in range(_PIECES):
            file.seek(max(0, size - _PIECE) * piece // (_PIECES - 1))
            digest.update(file.read(_PIECE))
    return digest.hexdigest()[:32]
