"""What every camera must do, whatever is behind it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge.cameras import Camera, Frame, open_camera
from edge.config import CameraConfig, ReplayConfig, SimulatedConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Configured = Callable[[float], CameraConfig]


@pytest.fixture(params=["replay", "simulated"])
def configured(request: pytest.FixtureRequest, tmp_path: Path) -> Configured:
    """Give a function from frames per second to the configuration of a camera of at least four frames."""
    if request.param == "simulated":
        return lambda rate: SimulatedConfig(seed=5, cells=4, width=320, height=240, frames_per_second=rate)
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg", "c.bmp", "d.tif", "e.jpeg"):
        picture = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (80, 60))
        assert cv2.imwrite(str(tmp_path / name), picture)
    return lambda rate: ReplayConfig(paths=(str(tmp_path),), frames_per_second=rate)


def frames_of(camera: Camera) -> list[Frame]:
    frames = []
    while (frame := camera.read()) is not None:
        frames.append(frame)
    return frames


def test_gives_rgb_bytes_then_none_for_ever(configured: Configured) -> None:
    camera = open_camera(configured(0))
    frames = frames_of(camera)
    assert len(frames) >= 4
    for frame in frames:
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.ndim == 3
        assert frame.pixels.shape[2] == 3
        assert frame.pixels.flags.c_contiguous
        assert frame.name
    assert camera.read() is None
    assert camera.read() is None
    camera.close()


def test_a_frame_stays_what_it_was_when_the_next_is_read(configured: Configured) -> None:
    camera = open_camera(configured(0))
    first = camera.read()
    assert first is not None
    before = first.pixels.copy()
    frames_of(camera)
    assert np.array_equal(first.pixels, before)


def test_frames_know_when_they_were_taken_in_utc(configured: Configured) -> None:
    start = datetime.now(UTC)
    times = [frame.captured_at for frame in frames_of(open_camera(configured(0)))]
    assert all(taken.utcoffset() == timedelta(0) for taken in times)
    assert [start, *times] == sorted([start, *times])


def test_the_same_source_again_gives_the_same_frames_under_the_same_ids(configured: Configured) -> None:
    once, again = (frames_of(open_camera(configured(rate))) for rate in (0, 1000))
    assert len({frame.source_id for frame in once}) == len(once)
    assert len({frame.name for frame in once}) == len(once)
    assert [(f.source_id, f.name) for f in once] == [(f.source_id, f.name) for f in again]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(once, again, strict=True))


def test_close_ends_the_source_and_is_safe_twice(configured: Configured) -> None:
    camera = open_camera(configured(0))
    assert camera.read() is not None
    camera.close()
    camera.close()
    assert camera.read() is None


def test_a_rate_holds_frames_back_and_does_not_make_up_for_lost_time(configured: Configured) -> None:
    camera = open_camera(configured(20))
    camera.read()
    time.sleep(0.2)  # four periods lost
    start = time.monotonic()
    for _ in range(3):
        assert camera.read() is not None
    # The first of the three is due at once, the others one period later each.
    assert time.monotonic() - start > 2 * 0.05 - 0.005


def test_closing_frees_a_reader_that_waits_for_a_frame_far_off(configured: Configured) -> None:
    camera = open_camera(configured(0.001))
    got: list[Frame | None] = []
    reader = threading.Thread(target=lambda: got.extend((camera.read(), camera.read())), daemon=True)
    reader.start()
    time.sleep(0.3)
    camera.close()
    reader.join(5)
    assert not reader.is_alive()
    assert [frame is None for frame in got] == [False, True]
