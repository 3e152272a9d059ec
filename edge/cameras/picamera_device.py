"""The cameras of this process that picamera2 has opened, one of each number.

Each is configured once in the life of the process: configuring again allocates again, and has exhausted the
Pi's contiguous memory.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edge.cameras.pixel_formats import Layout
from edge.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.config import PicameraConfig

log = logging.getLogger(__name__)

FRAME_US = 33_333, 50_000
"""Time between two pictures, least and most: long enough for the longest exposure that a calibration sets."""

_TAKING_S = 10.0
_BUFFERS = 4
_PREVIEW_WIDTH = 640  # as fine as focus is measured at; at most half of the main stream's


class Device:
    """One camera of this process, opened and configured; `start` and `stop` may be called again and again.

    sensor: what it calls itself. main, low: how the streams' buffers are laid out; low is None where the
    pipeline has no smaller stream to give.
    """

    def __init__(self, config: PicameraConfig) -> None:
        from picamera2 import Picamera2  # noqa: PLC0415 (only where it is chosen; it comes with libcamera)

        self.size = config.width, config.height
        found = Picamera2.global_camera_info()
        if config.camera >= len(found):
            raise CameraError(
                f"picamera2 camera {config.camera}: is not there, {len(found)} found; look at the ribbon "
                "cable, and at `leukoscope camera list`"
            )
        self.picam2: Any = Picamera2(config.camera)
        try:
            self.sensor = str(self.picam2.camera_properties.get("Model") or found[config.camera]["Model"])
            self.has: dict[str, tuple[Any, Any, Any]] = dict(self.picam2.camera_controls)
            self.main, self.low = self._configured()
            self.has = dict(self.picam2.camera_controls)  # how long an exposure may be hangs on the rate
        except CameraError as error:
            _refused[config.camera] = str(error)
            self.picam2.close()
            raise
        except BaseException:
            self.picam2.close()
            raise

    def _configured(self) -> tuple[Layout, Layout | None]:
        width = min(_PREVIEW_WIDTH, self.size[0] // 4 * 2)
        low = width, max(2, round(width * self.size[1] / self.size[0] / 2) * 2)
        granted = self._ask(low)
        smaller = granted.get("lores")
        if smaller is not None and smaller["size"][0] > self.size[0] // 2:
            # It would cost more than it saves. Not started yet: nothing of the first is kept.
            granted, smaller = self._ask(None), None
        space = granted.get("colour_space") or "SMPTE170M"
        main = Layout.of(granted["main"], space)
        if (main.width, main.height) != self.size:
            raise CameraError(
                f"{self.sensor}: gives {main.width}x{main.height} and not {self.size[0]}x{self.size[1]}; set "
                "camera.width and camera.height to that"
            )
        return main, None if smaller is None else Layout.of(smaller, space)

    def _ask(self, low: tuple[int, int] | None) -> dict[str, Any]:
        """Configure; give what was granted, which may be something else."""
        from libcamera import ColorSpace  # noqa: PLC0415 (as picamera2)

        streams: dict[str, Any] = {"main": {"size": self.size, "format": "RGB888"}}
        if low is not None:
            streams["lores"] = {"size": low, "format": "YUV420"}
        limits = self.has.get("FrameDurationLimits")
        controls = {}
        if limits is not None:
            least, most = int(limits[0]), int(limits[1])
            controls["FrameDurationLimits"] = tuple(min(max(us, least), most) for us in FRAME_US)
        wanted = self.picam2.create_video_configuration(
            **streams,
            # Full range: what a pipeline without RGB gives is not cut to 219 steps.
            colour_space=ColorSpace.Sycc(),
            buffer_count=_BUFFERS,
            display=None,
            encode=None,
            controls=controls,
        )
        self.picam2.configure(wanted)
        granted: dict[str, Any] = self.picam2.camera_configuration()
        return granted


_devices: dict[int, Device] = {}
_refused: dict[int, str] = {}  # why a camera cannot do what is asked of it: it is not configured again to see
_taking = threading.Lock()


@contextmanager
def _taken() -> Iterator[None]:
    """Hold the lock; a thread that hangs in the driver with it holds up nobody for long."""
    if not _taking.acquire(timeout=_TAKING_S):
        raise CameraError("picamera2: the driver does not answer")
    try:
        yield
    finally:
        _taking.release()


def device_of(config: PicameraConfig) -> Device:
    """Return the process's one device of this number. Raises CameraError."""
    with _taken():
        if reason := _refused.get(config.camera):
            raise CameraError(reason)
        device = _devices.get(config.camera)
        if device is None:
            device = _devices[config.camera] = Device(config)
            log.info(
                "%s: %dx%d in %s, low-resolution stream: %s",
                *(device.sensor, device.main.width, device.main.height, device.main.format),
                "none" if device.low is None else f"{device.low.width}x{device.low.height}",
            )
        if device.size != (config.width, config.height):
            raise CameraError(
                f"{device.sensor}: is configured for {device.size[0]}x{device.size[1]} in this process, once "
                "for all"
            )
        return device
