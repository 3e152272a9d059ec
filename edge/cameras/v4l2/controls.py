"""Exposure, gain and white balance of a V4L2 device: set, read back, and looked at again now and then.

What the kernel's reference of the camera and user controls says of them:

- `exposure_auto` is 0 automatic, 1 manual, 2 shutter priority (the iris is automatic, the exposure is not),
  3 aperture priority (the exposure is automatic). What an exposure does that is set while it is automatic is
  undefined: drivers ignore or refuse it. So the automatic goes off first, and so does the white balance's.
- `exposure_absolute` is in units of 100 us, and no longer than the interval of the frames.
- `white_balance_temperature` is in kelvin; `gain` in steps that are the driver's own.
- A driver may make another value of one that it does not have: what counts is what is read back.

A device that was unplugged comes back with everything automatic; and another program may change a control,
for it belongs to the device and not to who has opened it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

import cv2

from edge.cameras.controls import NOT_HELD, Controls
from edge.errors import CameraError, UnreadableFrameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge.cameras.v4l2.devices import Ioctl

_QUERYCTRL, _QUERIED = 0xC0445624, 68  # bytes of the answer, whose limits stand at 40, and its flags at 56
_CANNOT_BE_SET = 0x1 | 0x4  # disabled, read-only; inactive is what the automatic makes it, and passes
_LOOK_EVERY_S = 2.0
_ON_THEIR_WAY = 3  # frames; who reads all the time leaves none in the driver's queue
_UNFIT = "; use another camera, or this one without a calibration and without these keys"
_OTHERWISE = "; calibrate it again, or let the configuration's key say what it has"
_OFF = 0.03  # of it, as of a picamera2's


class Panel(Protocol):
    """The controls of one open device, by OpenCV's names; `cv2.VideoCapture` is one."""

    def get(self, what: int, /) -> float:
        """Return a control's value; -1 where there is none."""
        ...

    def set(self, what: int, value: float, /) -> bool:
        """Set a control; False where the driver refuses it."""
        ...


class Limits(NamedTuple):
    """The least and the most that a driver lets a control be set to, in its own units."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class _Knob:
    """One setting. name: in `Controls`. units: how many of `Controls`' make one of the driver's.

    automatic: the control of who else turns it, -1 where nobody does. manual: its values that keep them off.
    """

    name: str
    said: str
    unit: str
    control: int
    units: int = 1
    automatic: int = -1
    manual: tuple[int, ...] = ()

    def near(self, value: int, wanted: int) -> bool:
        """Say whether one is as good as the other: a driver rounds to its own units."""
        return abs(value - wanted) <= max(_OFF * abs(wanted), self.units if self.units > 1 else 0)


_KNOBS = (
    _Knob("exposure_us", "exposure", " us", cv2.CAP_PROP_EXPOSURE, 100, cv2.CAP_PROP_AUTO_EXPOSURE, (1, 2)),
    _Knob("driver_gain", "gain", "", cv2.CAP_PROP_GAIN),
    _Knob("temperature_k", "white balance", " K", cv2.CAP_PROP_WB_TEMPERATURE, 1, cv2.CAP_PROP_AUTO_WB, (0,)),
)
_IDS = {
    cv2.CAP_PROP_AUTO_EXPOSURE: 0x9A0901,
    cv2.CAP_PROP_EXPOSURE: 0x9A0902,
    cv2.CAP_PROP_AUTO_WB: 0x98090C,
    cv2.CAP_PROP_GAIN: 0x980913,
    cv2.CAP_PROP_WB_TEMPERATURE: 0x98091A,
}


def controls_of(node: str, ioctl: Ioctl = fcntl.ioctl) -> dict[int, Limits]:
    """Return the controls that a device lets be set, by OpenCV's names, which does not tell their limits.

    node: its path. ioctl: what asks a driver; raises OSError. None where the device does not answer.
    """
    try:
        descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return {}
    found = {}
    try:
        for what, number in _IDS.items():
            answer = bytearray(_QUERIED)
            struct.pack_into("=I", answer, 0, number)
            try:
                ioctl(descriptor, _QUERYCTRL, answer)
            except OSError:
                continue
            least, most, _, _, flags = struct.unpack_from("=4iI", answer, 40)
            if not flags & _CANNOT_BE_SET:
                found[what] = Limits(least, most)
    finally:
        os.close(descriptor)
    return found


class Order(NamedTuple):
    """What a device is told. nearest: what it makes of that is taken, and what is not said left as it is.

    find_white: but for the white balance, which its automatic goes on to find. released: all else is put back
    as it was before something was tried.
    """

    controls: Controls
    nearest: bool = False
    find_white: bool = False
    released: bool = False


class Settings:
    """What a camera and the grabbers of its threads share: anybody gives an order, one who reads obeys.

    has, granted: what the device that was opened last can be told, and what it said it had made of it.
    """

    def __init__(self, order: Order) -> None:
        self.order = order
        self.has: Mapping[int, Limits] = {}
        self.granted = Controls()

    def exposure_range_us(self) -> tuple[int, int] | None:
        """The shortest and the longest exposure; None where there is none to set, or none is open yet."""
        limits = self.has.get(cv2.CAP_PROP_EXPOSURE)
        return None if limits is None else (100 * max(1, limits.least), 100 * limits.most)


class HeldControls:
    """The settings of one open device, for the thread that reads it.

    name: of the device, for what is said. has: what can be set. Raises CameraError where the device does not
    do as it is told.
    """

    def __init__(self, name: str, panel: Panel, has: Mapping[int, Limits], settings: Settings) -> None:
        self._name = name
        self._panel = panel
        self._has = settings.has = has
        self._settings = settings
        self._passing = 0
        self._fault: str | None = None
        self._refused = False
        self._before: dict[int, float] = {}
        self._trying = False
        self._look_at = time.monotonic()  # soon again: some devices reset themselves with their first picture
        self._set_ordered()
        if wrong := self._wrong():
            raise CameraError(self._sentence(wrong))

    def holds(self) -> bool:
        """Say whether the next picture is taken as was ordered; one that could not be yet is passed over.

        Raises UnreadableFrameError for one that was taken otherwise. What has changed is set again.
        """
        now = time.monotonic()
        if self._settings.order is not self._order:
            self._set_ordered()
            self._judge(self._wrong(), None)
            self._look_at = now + _LOOK_EVERY_S
        elif now >= self._look_at:
            self._look_at = now + _LOOK_EVERY_S
            if wrong := self._wrong():
                self._set_ordered()
                self._judge(self._wrong(), wrong)
            else:
                self._refused = False
        if self._refused or (self._fault is not None and self._passing):
            self._passing -= self._passing > 0
            raise UnreadableFrameError(self._sentence(self._fault or ""), NOT_HELD)
        if self._passing:
            self._passing -= 1
            return False
        return True

    def _judge(self, wrong: str | None, before: str | None) -> None:
        """Note what is wrong after an order, and what was before it, for the frames on their way."""
        self._refused = wrong is not None
        self._fault = wrong or before
        self._passing = _ON_THEIR_WAY

    def _set_ordered(self) -> None:
        """Set what the newest order says; it may come from another thread at any time."""
        order = self._order = self._settings.order
        if order.nearest and not self._trying:
            of_knobs = {what for knob in _KNOBS for what in (knob.automatic, knob.control)}
            self._before = {what: self._panel.get(what) for what in of_knobs & self._has.keys()}
        self._trying = order.nearest
        if order.released:
            self._put_back()
        for knob in _KNOBS:
            value = getattr(order.controls, knob.name)
            limits = self._has.get(knob.control)
            if limits is None or (value is None and not order.nearest):
                continue
            if value is None and order.find_white and knob.automatic == cv2.CAP_PROP_AUTO_WB:
                self._panel.set(knob.automatic, 1)
                continue
            if knob.automatic in self._has:
                self._panel.set(knob.automatic, knob.manual[0])
            if value is None:  # no noise that need not be; the white as the automatic has left it
                value = limits.least if knob.control == cv2.CAP_PROP_GAIN else self._read(knob)
            if value is not None:
                self._panel.set(knob.control, round(value / knob.units))
        exposure, gain, temperature = (self._read(knob) for knob in _KNOBS)
        granted = Controls(exposure, driver_gain=gain, temperature_k=temperature)
        self._settings.granted = granted
        self._wanted = order.controls
        if order.nearest:
            white = order.controls.temperature_k if order.find_white else granted.temperature_k
            self._wanted = replace(granted, temperature_k=white)

    def _put_back(self) -> None:
        """Set what was found before the first try; of what is automatic, only that it is."""
        before, self._before = self._before, {}
        for knob in _KNOBS:
            automatic = before.get(knob.automatic)
            if automatic is not None:
                self._panel.set(knob.automatic, automatic)
            if knob.control in before and (automatic is None or round(automatic) in knob.manual):
                self._panel.set(knob.control, before[knob.control])

    def _read(self, knob: _Knob) -> int | None:
        limits = self._has.get(knob.control)
        value = round(self._panel.get(knob.control))
        return value * knob.units if limits is not None and limits.least <= value <= limits.most else None

    def _wrong(self) -> str | None:
        for knob in _KNOBS:
            wanted = getattr(self._wanted, knob.name)
            if wanted is None:
                continue
            if knob.control not in self._has:
                return f"{knob.said} cannot be set{_UNFIT}"
            if knob.automatic in self._has and round(self._panel.get(knob.automatic)) not in knob.manual:
                return f"{knob.said} stays automatic{_UNFIT}"
            got = self._read(knob)
            if got is None or not knob.near(got, wanted):
                has = "not told" if got is None else f"{got}{knob.unit}"
                return f"{knob.said} is {has} and not {wanted}{knob.unit}{_OTHERWISE}"
        return None

    def _sentence(self, wrong: str) -> str:
        return f"{self._name}: the camera does not hold its settings: {wrong}"


def merged(keys: Controls, calibrated: Controls) -> Controls:
    """Return what a configuration's keys and a calibration say together, the calibration's where both do.

    Raises CameraError where they say two things.
    """
    both = keys
    for knob in _KNOBS:
        key, made = getattr(keys, knob.name), getattr(calibrated, knob.name)
        if made is None:
            continue
        if key is not None and not knob.near(key, made):
            raise CameraError(
                f"the configuration sets the camera's {knob.said} to {key}{knob.unit}, and its calibration "
                f"was made with {made}{knob.unit}: calibrate it again, or leave the key out"
            )
        both = replace(both, **{knob.name: made})
    return both
