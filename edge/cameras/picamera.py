"""A camera on the Pi's own connector, by picamera2.

A camera that stalls is stopped and started, and no more: see `edge.cameras.picamera_device`.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from edge.cameras.controls import Controls, Lock
from edge.cameras.frame import FrameMetadata
from edge.cameras.live import LiveCamera
from edge.cameras.picamera_device import FRAME_US, device_of
from edge.cameras.pixel_formats import to_rgb
from edge.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from edge.cameras.live import Patience
    from edge.cameras.picamera_device import Device
    from edge.config import PicameraConfig

    Pixels = NDArray[np.uint8]

_PICTURE_S = 4.0  # shorter than a picture is waited for before the device counts as stalled


class _Settings:
    """What the camera and the grabbers of its threads share."""

    def __init__(self) -> None:
        self.device: Device | None = None
        self.asked: Controls | None = None
        self.lock: Lock | None = None
        self.preview: Pixels | None = None

    def hold(self, controls: Controls) -> None:
        self.asked = controls
        if self.device is not None:
            self.apply(self.device)

    def release(self) -> None:
        """Let the device adjust itself again, as it does from its start."""
        self.asked = self.lock = None
        if self.device is not None:
            has = self.device.has
            self.device.picam2.set_controls({k: True for k in ("AeEnable", "AwbEnable") if k in has})

    def apply(self, device: Device) -> None:
        """Tell the device what is to be held; until somebody says it, it adjusts itself."""
        if self.asked is None:
            return
        held = holdable(self.asked, device.has)
        wanted = {
            "AeEnable": None if held.exposure_us is None else False,
            "ExposureTime": held.exposure_us,
            "AnalogueGain": held.analogue_gain,
            "AwbEnable": None if held.colour_gains is None else False,
            "ColourGains": held.colour_gains,
        }
        device.picam2.set_controls({k: v for k, v in wanted.items() if v is not None and k in device.has})
        self.lock = Lock(held)


def holdable(controls: Controls, has: Mapping[str, tuple[Any, Any, Any]]) -> Controls:
    """Return what of these settings a camera can hold: not what it lacks, and each within its limits.

    has: libcamera's controls, each with its least, most and usual value.
    """

    def within(name: str, value: float | None) -> float | None:
        if value is None or name not in has:
            return None
        least, most = float(has[name][0]), float(has[name][1])
        # Some say a most of 0 for: as much as you like. Many a sensor's least gain is above 1.
        return max(least, min(value, most) if most else value)

    exposure = within("ExposureTime", controls.exposure_us)
    return Controls(
        None if exposure is None else round(exposure),
        within("AnalogueGain", controls.analogue_gain),
        controls.colour_gains if "ColourGains" in has else None,
    )


class PicameraGrabber:
    """The pictures of one camera, each with the metadata of the very same request.

    sensor: what the camera calls itself, once it is open.
    """

    def __init__(self, config: PicameraConfig, settings: _Settings) -> None:
        self._config = config
        self._settings = settings
        self._open: Device | None = None
        self.sensor = ""

    def open(self) -> None:
        """Start the camera; configure it where this is the first time. Raises CameraError."""
        device = device_of(self._config)
        self.sensor = device.sensor
        self._settings.device = device
        self._settings.apply(device)
        device.picam2.start()
        self._open = device

    def grab(self) -> tuple[Pixels, FrameMetadata | None]:
        """Wait for the next picture that was taken with the settings which are to be held.

        Raises UnreadableFrameError for one that was not, CameraError where none comes.
        """
        device = self._open
        if device is None:
            raise CameraError("picamera2: is not open")
        while True:
            buffer, low, metadata = self._request(device)
            lock = self._settings.lock
            if lock is None or lock.holds(metadata):
                break
        if device.low is not None and low is not None:
            self._settings.preview = to_rgb(low, device.low)
        return to_rgb(buffer, device.main), metadata

    def close(self) -> None:
        """Stop the camera, and keep it configured."""
        device, self._open = self._open, None
        if device is not None:
            device.picam2.stop()

    def _request(self, device: Device) -> tuple[Pixels, Pixels | None, FrameMetadata]:
        picam2 = device.picam2
        job = picam2.capture_request(wait=False)
        try:
            request = picam2.wait(job, _PICTURE_S)
        except TimeoutError:
            picam2.cancel_all_and_flush()
            raise CameraError(f"{device.sensor}: has given no picture for {_PICTURE_S:g} s") from None
        try:
            # Copies: the buffers go back to the camera.
            main = request.make_buffer("main")
            low = None if device.low is None else request.make_buffer("lores")
            return main, low, metadata_of(request.get_metadata())
        finally:
            request.release()


def metadata_of(plain: dict[str, Any]) -> FrameMetadata:
    """Read libcamera's metadata of a request."""
    exposure, gain, gains = (plain.get(name) for name in ("ExposureTime", "AnalogueGain", "ColourGains"))
    return FrameMetadata(
        exposure_us=None if exposure is None else round(exposure),
        analogue_gain=None if gain is None else float(gain),
        colour_gains=None if gains is None else (float(gains[0]), float(gains[1])),
        sensor_timestamp_ns=plain.get("SensorTimestamp"),
    )


class PicameraCamera(LiveCamera):
    """The camera that the configuration names; `edge.cameras.controls.Adjustable`.

    Raises CameraError at once where picamera2 is not installed.
    """

    def __init__(self, config: PicameraConfig, patience: Patience | None = None) -> None:
        if importlib.util.find_spec("picamera2") is None:
            raise CameraError(
                "picamera2 is not installed: apt install python3-picamera2, and use a virtual environment "
                "that sees the system's packages, for it must match the system's libcamera"
            )
        settings = self._settings = _Settings()
        super().__init__(f"picamera2 {config.camera}", lambda: PicameraGrabber(config, settings), patience)

    @property
    def exposure_range_us(self) -> tuple[int, int] | None:
        """The shortest and the longest exposure; None where it cannot be set, or is not open yet."""
        limits = self._limits("ExposureTime")
        if limits is None:
            return None
        longest = int(limits[1]) or FRAME_US[1]  # some say 0 for: as long as you like
        return max(1, int(limits[0])), longest

    @property
    def has_colour_gains(self) -> bool:
        """Whether red and blue can be amplified in the camera; False before it is open."""
        return self._limits("ColourGains") is not None

    def lock(self, controls: Controls) -> None:
        """Hold these from now on, also over a stop: no frame that was taken otherwise is given any more."""
        self._settings.hold(controls)

    def release(self) -> None:
        """Hold nothing: the camera adjusts itself."""
        self._settings.release()
        self.let_go()

    def preview(self) -> Pixels | None:
        """Return the newest picture of the low-resolution stream, uint8 RGB: for focus, and to look at.

        None where the camera has no such stream, or before its first picture.
        """
        return self._settings.preview

    def _limits(self, name: str) -> tuple[Any, Any, Any] | None:
        device = self._settings.device
        return None if device is None else device.has.get(name)
