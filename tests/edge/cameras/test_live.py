"""A live camera whose driver hangs, or raises what nobody foresaw; and how it tells of both."""

from __future__ import annotations

import itertools
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from devices import QUICK, ScriptedDevice, ScriptedGrabber
from watching import PATIENCE_S, complaint, following

from edge.cameras.live import AWAY, SHORT, STALLED, WAITING, LiveCamera, Patience
from edge.cameras.usb import UsbGrabber
from edge.config import UsbConfig
from edge.errors import CameraAwayError, UnreadableFrameError

if TYPE_CHECKING:
    from pathlib import Path

HASTY = Patience(read=0.2, picture=0.5, opening=0.5, pauses=(0.05, 0.1), closing=0.5)


def readers() -> int:
    return sum(thread.name.startswith("camera ") for thread in threading.enumerate())


def gone(before: int) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while readers() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    return readers() <= before


def released(pipe: Path, before: int) -> bool:
    """Let go who hangs in opening the pipe; give whether nobody does any more."""
    with suppress(OSError):  # nobody is there to read
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    time.sleep(0.05)
    return readers() <= before


def test_a_driver_that_hangs_for_good_holds_two_threads_at_most_and_nobody_up(tmp_path: Path) -> None:
    # Nobody writes to the pipe: whoever opens it hangs in the kernel.
    pipe = tmp_path / "camera"
    os.mkfifo(pipe)
    config = UsbConfig(str(pipe))
    before = readers()
    camera = LiveCamera(config.node, lambda: UsbGrabber(config), HASTY)
    began = time.monotonic()
    assert complaint(camera, STALLED)
    for _ in range(8):
        with pytest.raises(CameraAwayError):
            camera.read()
    assert readers() - before <= 2
    camera.close()
    assert camera.read() is None
    assert time.monotonic() - began < PATIENCE_S / 2
    while not released(pipe, before):  # the driver answers at last
        assert time.monotonic() - began < PATIENCE_S


def test_a_driver_that_answers_at_last_gives_the_device_back_to_who_waits_for_it(
    device: ScriptedDevice,
) -> None:
    before = readers()
    camera = device.camera()
    following(camera)
    device.set("stall")
    complaint(camera, STALLED)
    # The device is still the one's who hangs: that the other cannot have it is no news, and no other reason.
    for _ in range(4):
        with pytest.raises(CameraAwayError) as caught:
            camera.read()
        assert caught.value.reason == STALLED
    assert device.open_now == 1
    device.set("flow")
    following(camera)
    assert device.open_now == 1
    camera.close()
    assert gone(before)
    assert device.open_now == 0


def test_what_a_binding_raises_is_a_camera_that_is_away(device: ScriptedDevice) -> None:
    camera = device.camera()
    following(camera)
    device.set("raise")
    error = complaint(camera, AWAY)
    assert "RuntimeError: the binding is at its wits' end" in str(error)
    device.set("flow")
    following(camera)
    camera.close()


def test_a_device_that_gives_nothing_whole_is_taken_anew(device: ScriptedDevice) -> None:
    camera = device.camera()
    following(camera)
    device.set("short")
    assert "opened again" in str(complaint(camera, AWAY))
    camera.close()


def test_who_is_slower_than_the_camera_hears_of_spoilt_pictures_as_well(device: ScriptedDevice) -> None:
    turns = itertools.count()

    class EverySecond(ScriptedGrabber):
        def _next(self):
            if next(turns) % 2:
                raise UnreadableFrameError("scripted: a picture is not whole", SHORT)
            return super()._next()

    camera = LiveCamera("scripted", lambda: EverySecond(device), QUICK)
    following(camera)
    heard = []
    for _ in range(10):
        time.sleep(0.05)  # whole pictures and spoilt ones come meanwhile
        try:
            camera.read()
        except UnreadableFrameError as error:
            heard.append(error.reason)
    assert set(heard) == {SHORT}
    assert len(heard) < 10, "nor do the spoilt ones hide the others"
    camera.close()


def test_what_the_sensor_says_comes_with_the_picture(device: ScriptedDevice) -> None:
    camera = device.camera()
    metadata = following(camera).metadata
    assert metadata is not None
    assert (metadata.exposure_us, metadata.colour_gains, metadata.analogue_gain) == (100, (2.0, 1.5), None)
    camera.close()


def test_a_gap_in_the_numbers_tells_of_pictures_nobody_had_time_for(device: ScriptedDevice) -> None:
    camera = device.camera()
    first = following(camera).name
    time.sleep(0.3)
    following(camera)
    later = following(camera).name
    assert first.startswith("scripted frame ")
    assert int(later.split()[-1]) - int(first.split()[-1]) > 3
    camera.close()


def test_closing_at_once_leaves_nothing_open(device: ScriptedDevice) -> None:
    before = readers()
    for _ in range(20):
        device.camera().close()
    assert gone(before)
    assert device.open_now == 0


def test_a_camera_that_takes_its_time_is_waited_for_and_not_called_stalled(device: ScriptedDevice) -> None:
    patient = Patience(read=0.1, picture=60.0)
    camera = LiveCamera("scripted", lambda: ScriptedGrabber(device), patient)
    following(camera)
    device.set("stall")
    reasons = {complaint(camera, WAITING, STALLED, AWAY).reason for _ in range(5)}
    assert reasons == {WAITING}
    device.set("flow")
    following(camera)
    camera.close()
