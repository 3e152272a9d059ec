"""Sources of frames. Every camera is a `Camera`; the configuration says which one `open_camera` makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.cameras.frame import Camera, Frame, FrameMetadata, pause_of, sensor_of

if TYPE_CHECKING:
    from edge.config import CameraConfig

__all__ = [
    "Camera",
    "Frame",
    "FrameMetadata",
    "longest_pause_s",
    "open_camera",
    "pause_of",
    "sensor_of",
]


def open_camera(config: CameraConfig) -> Camera:
    """Make the camera that the configuration names, importing only what that one needs.

    If the configuration names a calibration, the frames are corrected by it. Raises CameraError if the camera
    is not there, or if the calibration belongs to another one. A live camera that is not there yet is waited
    for instead.
    """
    camera = _opened(config)
    calibration = getattr(config, "calibration", "")
    if not calibration:
        return camera
    from edge.cameras.calibration.camera import CalibratedCamera  # noqa: PLC0415

    return CalibratedCamera(camera, Path(calibration))


def longest_pause_s(camera: Camera, config: CameraConfig) -> float:
    """Return how many seconds may lie between two frames, by the camera itself and by its configuration."""
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
            # At a set rate there is time enough to read each picture when it is due.
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
