"""Devices that a test can unplug, stall and spoil: one that is another process, and a scripted grabber."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import cv2
from stream_server import HEIGHT, WIDTH, numbered

from edge.cameras import FrameMetadata
from edge.cameras.controls import Controls
from edge.cameras.live import CORRUPT, SHORT, LiveCamera, Patience
from edge.cameras.usb import UsbGrabber
from edge.cameras.v4l2.controls import HeldControls, Limits, Order, Settings
from edge.config import UsbConfig
from edge.errors import CameraError, UnreadableFrameError

if TYPE_CHECKING:
    import numpy as np

QUICK = Patience(read=0.3, picture=1.0, opening=8.0, pauses=(0.1, 0.4), closing=0.5)
_PATIENCE_S = 20.0
_REASONS = {"short": SHORT, "corrupt": CORRUPT, "damaged": CORRUPT, "small": SHORT}


class Device(Protocol):
    """What a test does to a camera."""

    def camera(self) -> LiveCamera:
        """Return the camera, which reads the device from here on."""

    def plug(self) -> None:
        """Let it be there."""

    def unplug(self) -> None:
        """Take it away, in the middle of a picture."""

    def set(self, state: str) -> None:
        """Let it flow, stall, or give pictures that are short, corrupt, damaged or small."""

    def close(self) -> None:
        """End it for good."""


class StreamDevice:
    """A process that streams MJPEG, which OpenCV opens as it does a camera of the network."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.config = UsbConfig(f"http://127.0.0.1:{self._port}/", WIDTH, HEIGHT)
        self._process: subprocess.Popen[str] | None = None

    def camera(self) -> LiveCamera:
        return LiveCamera(self.config.node, lambda: UsbGrabber(self.config), QUICK)

    def plug(self) -> None:
        script = Path(__file__).with_name("stream_server.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(self._port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def unplug(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate(timeout=_PATIENCE_S)

    def set(self, state: str) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{state}\n")
        process.stdin.flush()
        assert process.stdout.readline() == f"{state}\n"

    def close(self) -> None:
        self.unplug()


class ScriptedControls:
    """The controls of a V4L2 device as a driver has them: a `v4l2_controls.Panel`.

    What is automatic wanders and cannot be set; values are cut to their limits, and an exposure is rounded to
    whole `lines` of 100 us. stubborn: controls that nobody can set. sets: how often one was set.
    """

    LIMITS = MappingProxyType(
        {
            cv2.CAP_PROP_AUTO_EXPOSURE: Limits(0, 3),
            cv2.CAP_PROP_EXPOSURE: Limits(3, 2047),
            cv2.CAP_PROP_GAIN: Limits(0, 255),
            cv2.CAP_PROP_AUTO_WB: Limits(0, 1),
            cv2.CAP_PROP_WB_TEMPERATURE: Limits(2800, 6500),
        }
    )

    def __init__(self, lines: int = 1) -> None:
        self.limits = dict(self.LIMITS)
        self.lines = lines
        self.stubborn: set[int] = set()
        self.sets = 0
        self.reset()

    def reset(self) -> None:
        """Be as one that was just plugged in."""
        self.values = {
            cv2.CAP_PROP_AUTO_EXPOSURE: 3,
            cv2.CAP_PROP_EXPOSURE: 157,
            cv2.CAP_PROP_GAIN: 64,
            cv2.CAP_PROP_AUTO_WB: 1,
            cv2.CAP_PROP_WB_TEMPERATURE: 4600,
        }

    def get(self, what: int) -> float:
        return float(self.values[what]) if what in self.limits else -1.0

    def set(self, what: int, value: float) -> bool:
        self.sets += 1
        values = self.values
        automatic = (what == cv2.CAP_PROP_EXPOSURE and values[cv2.CAP_PROP_AUTO_EXPOSURE] not in {1, 2}) or (
            what == cv2.CAP_PROP_WB_TEMPERATURE and values[cv2.CAP_PROP_AUTO_WB]
        )
        if automatic or what in self.stubborn or what not in self.limits:
            return False
        limits = self.limits[what]
        rounded = round(value / self.lines) * self.lines if what == cv2.CAP_PROP_EXPOSURE else round(value)
        values[what] = min(max(rounded, limits.least), limits.most)
        return True


class ScriptedDevice:
    """A device in this process, whose driver answers as the test says, or not at all.

    It comes back with its exposure automatic. open_now: how many grabbers have it. settings: what is to be
    held.
    """

    def __init__(self) -> None:
        self.controls = ScriptedControls()
        self.settings = Settings(Order(Controls(exposure_us=8000, driver_gain=10, temperature_k=5000)))
        self.state = "flow"
        self.there = False
        self.open_now = 0
        self.goes_on = threading.Event()
        self.numbers = itertools.count(1)

    def camera(self) -> LiveCamera:
        return LiveCamera("scripted", lambda: ScriptedGrabber(self), QUICK)

    def plug(self) -> None:
        self.controls.reset()
        self.there = True
        self.set("flow")

    def unplug(self) -> None:
        self.there = False
        self.goes_on.set()

    def set(self, state: str) -> None:
        self.goes_on.clear()
        self.state = state
        if state not in {"stall", "hang"}:
            self.goes_on.set()

    def close(self) -> None:
        self.unplug()


class ScriptedGrabber:
    """One who has the device; no second one may at the same time."""

    def __init__(self, device: ScriptedDevice) -> None:
        self._device = device
        self._has_it = False

    def open(self) -> None:
        device = self._device
        if device.state == "hang":
            device.goes_on.wait()
        if not device.there or device.open_now:
            raise CameraError("scripted: is not there, or another has it")
        device.open_now += 1
        self._has_it = True
        self._held = HeldControls("scripted", device.controls, device.controls.limits, device.settings)

    def grab(self) -> tuple[np.ndarray, FrameMetadata]:
        while True:
            taken = self._next()
            if self._held.holds():
                return taken

    def _next(self) -> tuple[np.ndarray, FrameMetadata]:
        device = self._device
        time.sleep(0.002)
        if device.state == "stall":
            device.goes_on.wait()
        if device.state == "raise":
            raise RuntimeError("the binding is at its wits' end")
        if not device.there:
            raise CameraError("scripted: has been unplugged")
        if device.state in _REASONS:
            raise UnreadableFrameError("scripted: a picture is not whole", _REASONS[device.state])
        return numbered(next(device.numbers) % 4096), FrameMetadata(exposure_us=100, colour_gains=(2.0, 1.5))

    def close(self) -> None:
        self._device.open_now -= self._has_it
        self._has_it = False
