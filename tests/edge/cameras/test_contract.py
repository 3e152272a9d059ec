"""What every camera must do, whatever is behind it; and what every live one must, whatever befalls it."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import pytest
from devices import Device, ScriptedDevice, StreamDevice
from stream_server import HEIGHT, WIDTH, number_of
from virtual_camera import VirtualDevice
from watching import PATIENCE_S, complaint, descriptors, following, frames_of, read

from edge.cameras import Camera, Frame, open_camera
from edge.cameras.live import AWAY, CORRUPT, SHORT, STALLED
from edge.config import CameraConfig, ReplayConfig, SimulatedConfig, VideoConfig
from edge.errors import CameraAwayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOAK = os.environ.get("LEUKOSCOPE_SOAK") == "1"
FRAMES = 10_000 if SOAK else 1_000
RETURNS = 60 if SOAK else 4
LIVE = {"usb": StreamDevice, "scripted": ScriptedDevice}


class Source(NamedTuple):
    """A camera of at least four frames, which are red, or redder than blue.

    open: gives it anew, at a rate, 0 for as fast as it is read. ends: whether it does by itself.
    """

    open: Callable[[float], Camera]
    ends: bool


def pictures(count: int = 5) -> list[np.ndarray]:
    """Return red pictures in BGR, as OpenCV writes them, each another one."""
    noise = np.random.default_rng(0).integers(0, 50, (count, 6, 8), np.uint8)
    made = np.zeros((count, 60, 80, 3), np.uint8)
    made[..., 2] = 250 - np.kron(noise, np.ones((1, 10, 10), np.uint8))
    return list(made)


def configured(kind: str, folder: Path) -> Callable[[float], CameraConfig]:
    if kind == "simulated":
        return lambda rate: SimulatedConfig(
            seed=5, cells=4, width=320, height=240, warmth=1, frames_per_second=rate
        )
    if kind == "hand":
        settings = {"seed": 5, "cells": 2, "width": 320, "height": 240, "motion": "manual", "hand_rate": 0.5}
        return lambda rate: SimulatedConfig(**settings, warmth=1, frames_per_second=rate)
    if kind == "video":
        path = folder / "red.avi"
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), 25, (80, 60))
        for picture in pictures():
            writer.write(picture)
        writer.release()
        return lambda rate: VideoConfig(str(path), frames_per_second=rate)
    names = ("a.png", "b.jpg", "c.bmp", "d.tif", "e.jpeg")
    for name, picture in zip(names, pictures(), strict=True):
        assert cv2.imwrite(str(folder / name), picture)
    return lambda rate: ReplayConfig(paths=(str(folder),), frames_per_second=rate)


@pytest.fixture(params=["replay", "simulated", "hand", "video", *LIVE, "picamera2"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Source]:
    kinds = {**LIVE, "picamera2": VirtualDevice}
    if request.param not in kinds:
        config = configured(request.param, tmp_path)
        yield Source(lambda rate: open_camera(config(rate)), ends=True)
        return
    device = kinds[request.param]()
    device.plug()
    opened: list[Camera] = []

    def opens(_: float) -> Camera:
        opened.append(open_camera(device.config) if isinstance(device, StreamDevice) else device.camera())
        return opened[-1]

    yield Source(opens, ends=False)
    for camera in opened:
        camera.close()
    device.close()


@pytest.fixture(params=LIVE)
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    made = LIVE[request.param]()
    yield made
    made.close()


@pytest.fixture
def live(device: Device) -> Iterator[Camera]:
    """Return a camera whose device is there and flows."""
    device.plug()
    camera = device.camera()
    following(camera)
    yield camera
    camera.close()


def some_of(source: Source, rate: float = 0) -> list[Frame]:
    """Return all frames of a source that ends, four of one that does not."""
    camera = source.open(rate)
    frames = list(frames_of(camera) if source.ends else islice(frames_of(camera), 4))
    camera.close()
    return frames


def test_gives_rgb_bytes_that_are_the_callers_own(source: Source) -> None:
    frames = some_of(source)
    assert len(frames) >= 4
    for frame in frames:
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.ndim == 3
        assert frame.pixels.shape[2] == 3
        assert frame.pixels.flags.c_contiguous
        assert frame.name
    assert len({frame.name for frame in frames}) == len(frames)


def test_red_is_the_first_channel(source: Source) -> None:
    for frame in some_of(source):
        red, _, blue = frame.pixels[-20:].mean((0, 1))
        assert red > blue + 20


def test_none_comes_for_ever_after_the_end_and_before_it_never(source: Source) -> None:
    camera = source.open(0)
    frames = list(frames_of(camera)) if source.ends else [following(camera) for _ in range(50)]
    assert None not in frames
    if not source.ends:
        camera.close()
    assert camera.read() is None
    assert camera.read() is None
    camera.close()


def test_a_frame_stays_what_it_was_when_the_next_is_read(source: Source) -> None:
    camera = source.open(0)
    first = read(camera)
    assert first is not None
    before = first.pixels.copy()
    for _ in range(3):
        read(camera)
    assert np.array_equal(first.pixels, before)
    camera.close()


def test_frames_come_in_order_and_know_when_they_were_taken_in_utc(source: Source) -> None:
    start = datetime.now(UTC)
    times = [frame.captured_at for frame in some_of(source)]
    assert all(taken.utcoffset() == timedelta(0) for taken in times)
    assert [start, *times] == sorted([start, *times])


def test_what_would_come_again_comes_under_the_same_ids_and_what_would_not_has_none(source: Source) -> None:
    once, again = (some_of(source, rate) for rate in (0, 1000))
    if not source.ends:
        assert {frame.source_id for frame in (*once, *again)} == {None}
        return
    assert len({frame.source_id for frame in once}) == len(once)
    assert [(f.source_id, f.name) for f in once] == [(f.source_id, f.name) for f in again]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(once, again, strict=True))


def test_close_ends_the_source_and_is_safe_twice(source: Source) -> None:
    camera = source.open(0)
    assert read(camera) is not None
    camera.close()
    camera.close()
    assert camera.read() is None


def test_closing_under_a_reader_that_is_never_idle(source: Source) -> None:
    camera = source.open(0 if not source.ends else 200)
    got: list[Frame] = []
    reader = threading.Thread(target=lambda: got.extend(frames_of(camera)), daemon=True)
    reader.start()
    time.sleep(0.05)
    camera.close()
    reader.join(PATIENCE_S)
    assert not reader.is_alive()
    assert camera.read() is None


@pytest.fixture(params=["replay", "simulated", "video"])
def paced(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[float], Camera]:
    config = configured(request.param, tmp_path)
    return lambda rate: open_camera(config(rate))


def test_a_rate_holds_frames_back_and_does_not_make_up_for_lost_time(
    paced: Callable[[float], Camera],
) -> None:
    camera = paced(20)
    camera.read()
    time.sleep(0.2)  # four periods lost
    start = time.monotonic()
    for _ in range(3):
        assert camera.read() is not None
    # The first of the three is due at once, the others one period later each.
    assert time.monotonic() - start > 2 * 0.05 - 0.005
    camera.close()


def test_closing_frees_a_reader_that_waits_for_a_frame_far_off(paced: Callable[[float], Camera]) -> None:
    camera = paced(0.001)
    got: list[Frame | None] = []
    reader = threading.Thread(target=lambda: got.extend((camera.read(), camera.read())), daemon=True)
    reader.start()
    time.sleep(0.3)
    camera.close()
    reader.join(PATIENCE_S)
    assert not reader.is_alive()
    assert [frame is None for frame in got] == [False, True]


def test_a_device_that_comes_late_is_waited_for(device: Device) -> None:
    camera = device.camera()
    assert complaint(camera, AWAY)
    device.plug()
    assert following(camera).pixels.shape == (HEIGHT, WIDTH, 3)
    camera.close()


def test_a_device_that_is_unplugged_is_reported_and_taken_up_again(device: Device, live: Camera) -> None:
    device.unplug()
    error = complaint(live, AWAY)
    assert isinstance(error, CameraAwayError)
    for _ in range(3):  # and again every while, for a watchdog that must hear of it
        with pytest.raises(CameraAwayError) as caught:
            live.read()
        assert caught.value.reason == AWAY
    device.plug()
    names = [following(live).name for _ in range(3)]
    assert len(set(names)) == 3


def test_a_device_that_stalls_is_reported_and_taken_up_again(device: Device, live: Camera) -> None:
    device.set("stall")
    assert isinstance(complaint(live, STALLED), CameraAwayError)
    device.set("flow")
    following(live)


@pytest.mark.parametrize(
    ("state", "reason"),
    [("short", SHORT), ("small", SHORT), ("corrupt", CORRUPT), ("damaged", CORRUPT)],
    ids=str,
)
def test_pictures_that_are_not_whole_are_named_and_passed_over(
    device: Device, live: Camera, state: str, reason: str
) -> None:
    device.set(state)
    assert not isinstance(complaint(live, reason), CameraAwayError)
    device.set("flow")
    assert following(live).pixels.shape == (HEIGHT, WIDTH, 3)


def test_one_who_is_slow_gets_the_newest_picture_and_no_queue(live: Camera) -> None:
    numbers = []
    for _ in range(3):
        numbers.append(number_of(following(live).pixels))
        time.sleep(0.5)
    gaps = [(after - before) % 4096 for before, after in pairwise(numbers)]
    assert min(gaps) > 1, "a queue would have given the next one"


def test_closing_frees_a_reader_whose_device_stalls(device: Device, live: Camera) -> None:
    device.set("stall")
    complaint(live, STALLED)
    got: list[Frame] = []

    reader = threading.Thread(target=lambda: got.extend(frames_of(live)), daemon=True)
    reader.start()
    live.close()
    reader.join(PATIENCE_S)
    assert not reader.is_alive()
    assert not got


def settled(limit: int, of: Callable[[], int]) -> int:
    """Return a count, once it is down to the limit or does not go there."""
    deadline = time.monotonic() + PATIENCE_S
    while of() > limit and time.monotonic() < deadline:
        time.sleep(0.1)
    return of()


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


@pytest.mark.timeout(1800 if SOAK else 300)
def test_thousands_of_frames_take_no_more_memory_threads_or_descriptors_than_a_few(live: Camera) -> None:
    for _ in range(200):
        following(live)
    threads, files = threading.active_count(), descriptors()
    memory = []
    for number in range(FRAMES):
        assert following(live).pixels.shape == (HEIGHT, WIDTH, 3)
        if number % (FRAMES // 50) == 0:
            memory.append(resident_mb())
    slope, _ = np.polyfit(np.arange(len(memory)), memory, 1)
    grown = slope * len(memory)
    print(f"{FRAMES} frames: {memory[0]:.1f} MB at first, {memory[-1]:.1f} MB at last, fit {grown:+.2f} MB")  # noqa: T201
    assert grown < 4  # a frame is 0.08 MB: one in twenty that is kept would show
    assert settled(threads, threading.active_count) <= threads
    assert settled(files, descriptors) <= files


@pytest.mark.timeout(1800 if SOAK else 300)
def test_coming_and_going_leaves_no_thread_and_no_descriptor(device: Device, live: Camera) -> None:
    threads, files = threading.active_count(), descriptors()
    for turn in range(RETURNS):
        if turn % 2:
            device.set("stall")
            complaint(live, STALLED)
            device.set("flow")
        else:
            device.unplug()
            complaint(live, AWAY)
            device.plug()
        following(live)
    assert settled(threads, threading.active_count) <= threads
    assert settled(files, descriptors) <= files
    live.close()
    assert settled(threads - 1, threading.active_count) <= threads - 1
