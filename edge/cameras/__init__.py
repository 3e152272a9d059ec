"""Sources of frames. Every camera is a `Camera`; the configuration says which one `open_camera` makes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from edge.config import CameraConfig


@dataclass(frozen=True, slots=True)
class FrameMetadata:
    """What a sensor says of one picture; None for each that it does not give.

    exposure_us: microseconds. analogue_gain, colour_gains (red, blue): factors. sensor_timestamp_ns: when its
    exposure began, on the monotonic clock of the machine.
    """

    exposure_us: int | None = None
    analogue_gain: float | None = None
    colour_gains: tuple[float, float] | None = None
    sensor_timestamp_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture from the microscope.

    pixels: uint8 RGB, (height, width, 3).
    name: what an operator would call it (a file name, a position on the slide).
    captured_at: UTC.
    source_id: where the same picture would come again after a restart (a file), its lasting identity, by
        which it is analysed once only; None for a live camera.
    metadata: what the sensor says of it; None where there is no sensor that speaks.
    calibration: the id of the camera calibration by which the pixels were corrected; None: they were not.
    content: of a picture file, what its copies have in common whatever they are called; None for all else.
    simulated: it was drawn by a program: no microscope, no blood.
    """

    pixels: NDArray[np.uint8]
    name: str
    captured_at: datetime
    source_id: str | None = None
    metadata: FrameMetadata | None = None
    calibration: str | None = None
    content: str | None = None
    simulated: bool = False


class Camera(Protocol):
    """What every source of frames does. One thread reads; any may close."""

    def read(self) -> Frame | None:
        """Give the next frame, or None when the source has ended.

        Raises UnreadableFrameError when this one frame cannot be had and the next may be; CameraAwayError,
        which is one of those, every few seconds while a live camera gives none; CameraError when the source
        cannot go on.
        """
        ...

    def close(self) -> None:
        """Release the device. Safe to call twice, and from any thread: a `read` then gives None."""
        ...


def open_camera(config: CameraConfig) -> Camera:
    """Make the camera that the configuration names, importing only what that one needs.

    Where the configuration names a calibration, its frames are corrected by it. Raises CameraError where the
    camera is not there, or the calibration is not of it; a live camera may come later, and is waited for.
    """
    camera = _opened(config)
    calibration = getattr(config, "calibration", "")
    if not calibration:
        return camera
    from edge.cameras.calibration.camera import CalibratedCamera  # noqa: PLC0415

    return CalibratedCamera(camera, Path(calibration))


def sensor_of(camera: Camera) -> str:
    """Give what a camera calls itself, by which its calibration knows it again; empty where it does not."""
    return str(getattr(camera, "sensor", ""))


def pause_of(camera: Camera) -> float:
    """Give how far apart a camera's frames are by its own account, in seconds; 0 where it says nothing."""
    return float(getattr(camera, "pause_s", 0.0))


def longest_pause_s(camera: Camera, config: CameraConfig) -> float:
    """Give how far apart a camera's frames may be, in seconds, by its own account and its configuration's."""
    rate = float(getattr(config, "frames_per_second", 0.0))
    return max(pause_of(camera), 1 / rate if rate > 0 else 0.0)


def _opened(config: CameraConfig) -> Camera:
    from edge.config import (  # noqa: PLC0415
        PicameraConfig,
        ReplayConfig,
        SimulatedConfig,
        UsbConfig,
        VideoConfig,
    )

    match config:
        case ReplayConfig():
            from edge.cameras.read_ahead import read_ahead  # noqa: PLC0415
            from edge.cameras.replay import ReplayCamera  # noqa: PLC0415

            replay = ReplayCamera(config)
            # At a set rate, a picture is read when it is due, and there is time enough for it.
            return replay if config.frames_per_second else read_ahead(replay)
        case SimulatedConfig():
            from edge.cameras.simulation.camera import SimulatedCamera  # noqa: PLC0415

            return SimulatedCamera(config)
        case UsbConfig():
            from edge.cameras.usb import UsbCamera  # noqa: PLC0415

            return UsbCamera(config)
        case VideoConfig():
            from edge.cameras.video import VideoCamera  # noqa: PLC0415

            return VideoCamera(config)
        case PicameraConfig():
            from edge.cameras.picamera import PicameraCamera  # noqa: PLC0415

            return PicameraCamera(config)
