"""Exposure, gain and white of a V4L2 device: set, read back, kept; and what is said of one that will not."""

from __future__ import annotations

import struct
import time
from contextlib import closing

import cv2
import numpy as np
import pytest
from devices import ScriptedControls, ScriptedDevice
from watching import complaint, following

from edge.cameras import usb
from edge.cameras.controls import NOT_HELD, Controls
from edge.cameras.live import AWAY
from edge.cameras.v4l2 import controls
from edge.cameras.v4l2.controls import HeldControls, Limits, Order, Settings, controls_of, merged
from edge.config import UsbConfig
from edge.errors import CameraError, UnreadableFrameError

WANTED = Controls(exposure_us=8000, driver_gain=10, temperature_k=5000)
AS_SET = {
    cv2.CAP_PROP_AUTO_EXPOSURE: 1,
    cv2.CAP_PROP_EXPOSURE: 80,
    cv2.CAP_PROP_GAIN: 10,
    cv2.CAP_PROP_AUTO_WB: 0,
    cv2.CAP_PROP_WB_TEMPERATURE: 5000,
}


def held(panel: ScriptedControls, order: Order) -> tuple[HeldControls, Settings]:
    settings = Settings(order)
    return HeldControls("microscope", panel, panel.limits, settings), settings


def refusal(panel: ScriptedControls, wanted: Controls = WANTED) -> str:
    with pytest.raises(CameraError) as caught:
        held(panel, Order(wanted))
    return str(caught.value)


def test_the_automatic_goes_off_before_a_value_is_set() -> None:
    panel = ScriptedControls()
    made, settings = held(panel, Order(WANTED))
    assert panel.values == AS_SET
    assert settings.granted == WANTED
    assert made.holds()


def test_nothing_is_touched_of_a_device_that_nobody_wants_anything_of() -> None:
    panel = ScriptedControls()
    made, settings = held(panel, Order(Controls()))
    assert made.holds()
    assert panel.sets == 0
    assert settings.exposure_range_us() == (300, 204_700)


@pytest.mark.parametrize(
    ("stubborn", "said"),
    [
        (cv2.CAP_PROP_AUTO_EXPOSURE, "exposure stays automatic"),
        (cv2.CAP_PROP_EXPOSURE, "exposure is 15700 us and not 8000 us"),
        (cv2.CAP_PROP_GAIN, "gain is 64 and not 10"),
        (cv2.CAP_PROP_AUTO_WB, "white balance stays automatic"),
        (cv2.CAP_PROP_WB_TEMPERATURE, "white balance is 4600 K and not 5000 K"),
    ],
)
def test_a_device_that_refuses_is_refused_in_a_sentence(stubborn: int, said: str) -> None:
    panel = ScriptedControls()
    panel.stubborn.add(stubborn)
    way_out = "use another camera" if "automatic" in said else "calibrate it again"
    assert refusal(panel).startswith(f"microscope: the camera does not hold its settings: {said}; {way_out}")


def test_a_device_that_grants_another_value_or_has_no_such_control_is_refused() -> None:
    assert "exposure is 7200 us and not 8000 us" in refusal(ScriptedControls(lines=36))
    assert "gain is 255 and not 400" in refusal(ScriptedControls(), Controls(driver_gain=400))
    without = ScriptedControls()
    del without.limits[cv2.CAP_PROP_WB_TEMPERATURE]
    assert "white balance cannot be set" in refusal(without)


def test_a_device_whose_exposure_is_never_automatic() -> None:
    panel = ScriptedControls()
    panel.values[cv2.CAP_PROP_AUTO_EXPOSURE] = 1
    del panel.limits[cv2.CAP_PROP_AUTO_EXPOSURE]
    held(panel, Order(WANTED))
    assert panel.values[cv2.CAP_PROP_EXPOSURE] == 80


def test_what_is_tried_out_is_what_the_device_makes_of_it_at_its_least_gain() -> None:
    panel = ScriptedControls(lines=36)
    made, settings = held(panel, Order(Controls(8000), nearest=True, find_white=True))
    assert settings.granted == Controls(7200, driver_gain=0, temperature_k=4600)
    panel.values[cv2.CAP_PROP_WB_TEMPERATURE] = 5200  # as it goes on to look for it
    settings.order = Order(Controls(5000), nearest=True)
    assert [made.holds() for _ in range(5)] == [False, False, False, True, True]
    assert settings.granted == Controls(3600, driver_gain=0, temperature_k=5200)
    settings.order = Order(settings.granted)  # and so it can be locked, as a calibration has it
    while not made.holds():
        pass
    assert (panel.get(cv2.CAP_PROP_AUTO_WB), panel.get(cv2.CAP_PROP_AUTO_EXPOSURE)) == (0, 1)


def test_what_was_tried_out_is_put_back_as_it_was_found() -> None:
    panel = ScriptedControls()
    panel.values[cv2.CAP_PROP_GAIN] = 64
    before = dict(panel.values)
    made, settings = held(panel, Order(Controls()))
    for exposure in (8000, 5000):
        settings.order = Order(Controls(exposure), nearest=True, find_white=True)
        while not made.holds():
            pass
    settings.order = Order(Controls(temperature_k=5000), released=True)
    while not made.holds():
        pass
    for what in (cv2.CAP_PROP_AUTO_EXPOSURE, cv2.CAP_PROP_GAIN):
        assert panel.values[what] == before[what]
    assert panel.values[cv2.CAP_PROP_WB_TEMPERATURE] == 5000, "what the configuration says is held"


def test_what_another_program_changes_is_noticed_and_set_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "_LOOK_EVERY_S", 0.0)
    panel = ScriptedControls()
    made, _ = held(panel, Order(WANTED))
    assert made.holds()
    panel.values[cv2.CAP_PROP_AUTO_EXPOSURE] = 3
    refused = []
    for _ in range(3):
        with pytest.raises(UnreadableFrameError, match="exposure stays automatic") as caught:
            made.holds()
        refused.append(caught.value.reason)
    assert refused == [NOT_HELD] * 3
    assert made.holds()
    assert panel.values == AS_SET
    panel.stubborn.add(cv2.CAP_PROP_GAIN)
    panel.values[cv2.CAP_PROP_GAIN] = 99
    for _ in range(30):
        with pytest.raises(UnreadableFrameError, match="gain is 99 and not 10"):
            made.holds()
    panel.stubborn.clear()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if made.holds():
                break
        except UnreadableFrameError:
            continue
    assert panel.values == AS_SET


def test_one_that_comes_back_automatic_is_told_anew(device: ScriptedDevice) -> None:
    camera = device.camera()
    following(camera)
    assert device.controls.values == AS_SET
    device.unplug()
    complaint(camera, AWAY)
    device.plug()
    following(camera)
    assert device.controls.values == AS_SET
    device.unplug()
    complaint(camera, AWAY)
    device.controls.stubborn.add(cv2.CAP_PROP_AUTO_EXPOSURE)
    device.plug()
    while "exposure stays automatic" not in str(complaint(camera, AWAY)):
        pass
    device.controls.stubborn.clear()
    following(camera)
    assert device.controls.values == AS_SET
    camera.close()


class Telling:
    """A grabber whose pictures tell the exposure that they were taken with; decoding takes a while."""

    def __init__(self, panel: ScriptedControls, settings: Settings) -> None:
        self._panel = panel
        self._settings = settings

    def open(self) -> None:
        self._held = HeldControls("microscope", self._panel, self._panel.limits, self._settings)

    def grab(self) -> tuple[np.ndarray, None]:
        taken = np.full((2, 2, 3), self._panel.values[cv2.CAP_PROP_EXPOSURE], np.uint8)
        while not self._held.holds():
            taken = np.full((2, 2, 3), self._panel.values[cv2.CAP_PROP_EXPOSURE], np.uint8)
        time.sleep(0.05)
        return taken, None

    def close(self) -> None:
        pass


@pytest.mark.parametrize("in_hand", [False, True])
def test_no_picture_of_before_is_given_once_a_camera_is_locked(
    monkeypatch: pytest.MonkeyPatch, *, in_hand: bool
) -> None:
    panel = ScriptedControls()
    monkeypatch.setattr(usb, "UsbGrabber", lambda _, settings: Telling(panel, settings))
    with closing(usb.UsbCamera(UsbConfig("/dev/video0"))) as camera:
        assert following(camera).pixels.max() == 157
        time.sleep(0.02 if in_hand else 0.08)
        camera.lock(WANTED)
        assert following(camera).pixels.max() == 80


def test_a_key_and_a_calibration_that_say_two_things_are_refused() -> None:
    assert merged(Controls(8050), Controls(8000, driver_gain=3)) == Controls(8000, driver_gain=3)
    with pytest.raises(
        CameraError, match="gain to 20, and its calibration was made with 0: calibrate it again"
    ):
        merged(Controls(driver_gain=20), Controls(8000, driver_gain=0))


def test_limits_are_the_drivers_and_what_cannot_be_set_is_left_out() -> None:
    answers = {0x9A0902: (3, 2047, 1, 157, 0x10), 0x980913: (0, 255, 1, 64, 0x4), 0x98091A: (0, 0, 1, 0, 1)}

    def ioctl(_: int, request: int, answer: bytearray) -> None:
        assert request == 0xC0445624
        (number,) = struct.unpack_from("=I", answer)
        if number not in answers:
            raise OSError(22, "Invalid argument")
        struct.pack_into("=4iI", answer, 40, *answers[number])

    assert controls_of("/dev/null", ioctl) == {cv2.CAP_PROP_EXPOSURE: Limits(3, 2047)}
    assert controls_of("/dev/video250", ioctl) == {}
