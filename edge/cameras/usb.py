"""USB microscopes and other V4L2 cameras, and streams of JPEG pictures, by OpenCV.

JPEG data is taken as the device sends it and decoded by `edge.cameras.jpeg`, because OpenCV would fill in
what is missing from a damaged picture. Of uncompressed pictures, the kernel's uvcvideo passes only whole
ones.
"""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.cameras.controls import Controls
from edge.cameras.frame import FrameMetadata
from edge.cameras.image_header import image_size
from edge.cameras.jpeg import DamagedJpegError, decode_jpeg
from edge.cameras.live import CORRUPT, SHORT, LiveCamera
from edge.cameras.opencv import quieten
from edge.cameras.v4l2.controls import HeldControls, Order, Settings, controls_of, merged
from edge.errors import CameraError, UnreadableFrameError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.cameras.live import Patience
    from edge.config import UsbConfig

_MJPG = cv2.VideoWriter.fourcc(*"MJPG")
_OPENING_MS = 10_000
_READING_MS = 8_000  # longer than `Patience.picture`, so that a stall is reported as one


class UsbGrabber:
    """The device that the configuration names: a V4L2 device, or a stream.

    settings: what it must keep; left out, what the configuration says. sensor: what it calls itself, once it
    is open.
    """

    def __init__(self, config: UsbConfig, settings: Settings | None = None) -> None:
        self._config = config
        self._settings = settings or Settings(Order(_keys(config)))
        self._held: HeldControls | None = None
        self._name = config.node
        self._capture: cv2.VideoCapture | None = None
        self._is_device = False
        self._jpeg = False
        self._size = 0, 0
        self.sensor = ""

    def open(self) -> None:
        """Take the device, set size and rate, and what it is to hold. Raises CameraError."""
        quieten()
        self._is_device = "://" not in self._name and self._check_device()
        capture = self._capture = self._device() if self._is_device else self._stream()
        if not capture.isOpened():
            raise CameraError(f"{self._name}: {self._why_not('cannot be used; another program may have it')}")
        self._jpeg = int(capture.get(cv2.CAP_PROP_FOURCC)) == _MJPG
        if self._is_device and self._jpeg:
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        elif not (self._is_device or self._jpeg):
            raise CameraError(f"{self._name}: is no stream of JPEG pictures")
        self._check_size(capture)
        self.sensor = _card(Path(self._name)) if self._is_device else self._name
        if self._is_device:
            self._held = HeldControls(self._name, capture, controls_of(self._name), self._settings)

    def grab(self) -> tuple[NDArray[np.uint8], FrameMetadata | None]:
        """Wait for the next picture, as `live.Grabber` has it."""
        capture = self._capture
        while True:
            if capture is None or not capture.grab():
                raise CameraError(f"{self._name}: {self._why_not('gives no more pictures')}")
            if self._held is None or self._held.holds():
                break
        came_ms = capture.get(cv2.CAP_PROP_POS_MSEC) if self._is_device else 0.0
        try:
            whole, data = capture.retrieve()
        except cv2.error:  # of a picture of no bytes
            whole, data = False, None
        if not whole or data is None:
            raise UnreadableFrameError(f"{self._name}: a picture could not be decoded", CORRUPT)
        pixels = self._decoded(data.tobytes()) if self._jpeg else _rgb(np.asarray(data, np.uint8))
        if pixels is None or (pixels.shape[1], pixels.shape[0]) != self._size:
            raise UnreadableFrameError(f"{self._name}: a picture is not of the size agreed on", SHORT)
        metadata = FrameMetadata(sensor_timestamp_ns=round(1e6 * came_ms)) if came_ms > 0 else None
        return pixels, metadata

    def close(self) -> None:
        """Give the device back."""
        capture, self._capture, self._held = self._capture, None, None
        if capture is not None:
            capture.release()

    def _check_device(self) -> bool:
        """Return whether it is a device, and not a pipe. Raises CameraError if it cannot be opened."""
        try:
            mode = Path(self._name).stat().st_mode
        except OSError:
            raise CameraError(
                f"{self._name}: is not there; plug it in, or see what is with `leukoscope camera list`"
            ) from None
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            raise CameraError(f'{self._name}: is a file and no camera; for a video set kind = "video"')
        if not os.access(self._name, os.R_OK | os.W_OK if stat.S_ISCHR(mode) else os.R_OK):
            raise CameraError(f"{self._name}: may not be opened by this user; add it to the group video")
        return stat.S_ISCHR(mode)

    def _device(self) -> cv2.VideoCapture:
        # A size or rate that the device does not have becomes its nearest one: `_check_size` checks that.
        capture = cv2.VideoCapture(self._name, cv2.CAP_V4L2)
        if capture.isOpened():
            capture.set(cv2.CAP_PROP_FOURCC, _MJPG)
            if self._config.width:
                capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._config.width)
                capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._config.height)
            if self._config.frames_per_second:
                capture.set(cv2.CAP_PROP_FPS, max(1.0, self._config.frames_per_second))  # whole ones only
        return capture

    def _stream(self) -> cv2.VideoCapture:
        as_sent = (cv2.CAP_PROP_FORMAT, -1)
        limits = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPENING_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READING_MS)
        return cv2.VideoCapture(self._name, cv2.CAP_FFMPEG, (*limits, *as_sent))

    def _check_size(self, capture: cv2.VideoCapture) -> None:
        width, height = (
            int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        wanted = self._config.width, self._config.height
        if self._config.width and (width, height) != wanted:
            raise CameraError(
                f"{self._name}: gives {width}x{height} and not {wanted[0]}x{wanted[1]}; set camera.width and "
                "camera.height to a size that `leukoscope camera list` lists for it"
            )
        self._size = width, height

    def _why_not(self, otherwise: str) -> str:
        if not self._is_device:
            return "the stream does not answer, or has ended"
        return otherwise if Path(self._name).exists() else "has been unplugged"

    def _decoded(self, data: bytes) -> NDArray[np.uint8]:
        """Return a JPEG picture as RGB. Raises UnreadableFrameError."""
        size = image_size(data)
        if size is None and data.startswith(b"\xff\xd8\xff"):
            raise UnreadableFrameError(f"{self._name}: a picture was cut short", SHORT)
        # Checked before it is decoded: a header may ask for any amount of memory.
        if size is not None and size != self._size:
            raise UnreadableFrameError(f"{self._name}: a picture is not of the size agreed on", SHORT)
        if size is None:
            raise UnreadableFrameError(f"{self._name}: a picture could not be decoded", CORRUPT)
        try:
            return decode_jpeg(data)
        except DamagedJpegError as error:
            raise UnreadableFrameError(f"{self._name}: a picture is damaged: {error}", CORRUPT) from None


class UsbCamera(LiveCamera):
    """The camera that the configuration names; `edge.cameras.controls.Approximate`."""

    has_colour_gains = False

    def __init__(self, config: UsbConfig, patience: Patience | None = None) -> None:
        self._keys = _keys(config)
        settings = self._settings = Settings(Order(self._keys))
        super().__init__(config.node, lambda: UsbGrabber(config, settings), patience)

    @property
    def exposure_range_us(self) -> tuple[int, int] | None:
        """The shortest and the longest exposure; None where it cannot be set, or is not open yet."""
        fixed = self._keys.exposure_us
        return self._settings.exposure_range_us() if fixed is None else (fixed, fixed)

    @property
    def granted(self) -> Controls:
        """The settings that the device really took when they were set last."""
        return self._settings.granted

    def lock(self, controls: Controls) -> None:
        """Keep these settings from now on, even after the camera was unplugged.

        Raises CameraError if the configuration's keys say otherwise.
        """
        self._settings.order = Order(merged(self._keys, controls))
        self.let_go()

    def release(self) -> None:
        """Put the device back as it was before it was tried out, except for what the configuration says."""
        self._settings.order = Order(self._keys, released=True)
        self.let_go()

    def try_out(self, exposure_us: int | None, *, find_white: bool = False) -> None:
        """Set about this exposure, and keep what the device makes of it; see `controls.Approximate`."""
        wanted = replace(self._keys, exposure_us=exposure_us)
        self._settings.order = Order(wanted, nearest=True, find_white=find_white)


def _rgb(bgr: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8) if bgr.ndim == 3 else None


def _keys(config: UsbConfig) -> Controls:
    """Return what a configuration says itself."""
    return Controls(
        exposure_us=config.exposure_us or None,
        driver_gain=None if config.gain < 0 else config.gain,
        temperature_k=config.white_balance_k or None,
    )


def _card(node: Path) -> str:
    """Return what a V4L2 device calls itself, or its path where the kernel does not say."""
    try:
        return (Path("/sys/class/video4linux") / node.resolve().name / "name").read_text().strip()
    except OSError:
        return str(node)
