"""What a test waits for of a camera: its frames, its complaints, its open files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.errors import CameraAwayError, UnreadableFrameError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.cameras import Camera, Frame


PATIENCE_S = 30.0


def read(camera: Camera) -> Frame | None:
    """Return the next frame or None; a live camera on a busy machine may take its time."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return camera.read()
        except CameraAwayError:
            assert time.monotonic() < deadline, "no picture came"


def frames_of(camera: Camera) -> Iterator[Frame]:
    while (frame := read(camera)) is not None:
        yield frame


def following(camera: Camera) -> Frame:
    """Return the next frame, whatever stands before it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            frame = camera.read()
        except UnreadableFrameError:
            continue
        assert frame is not None
        return frame
    pytest.fail("no picture came")


def complaint(camera: Camera, *reasons: str) -> UnreadableFrameError:
    """Return the first complaint of one of these reasons; pictures of before may come first."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            camera.read()
        except UnreadableFrameError as error:
            if error.reason in reasons:
                return error
    pytest.fail(f"nobody complained of {' or '.join(reasons)}")


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
