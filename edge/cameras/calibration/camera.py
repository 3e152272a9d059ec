"""A camera behind its calibration: the sensor locked to it, every frame corrected by it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from edge.cameras.calibration.correction import Correction, read_calibration
from edge.cameras.controls import Adjustable
from edge.cameras.frame import pause_of, sensor_of
from edge.errors import CameraError, UnreadableFrameError

if TYPE_CHECKING:
    from pathlib import Path

    from edge.cameras.frame import Camera, Frame

UNCALIBRATED = "not the calibrated camera"
"""Why there is no picture, as health says it."""


class CalibratedCamera:
    """Gives another camera's frames in even light and with a white that is white.

    They carry the calibration's id. Takes the camera over, and closes it where it cannot be used.
    Raises CameraError where the file is none, was altered, or was made with another sensor.
    """

    def __init__(self, camera: Camera, path: Path) -> None:
        self._camera = camera
        self._path = path
        self._fits = False
        with ExitStack() as stack:
            stack.callback(camera.close)
            self._calibration = read_calibration(path)
            if self.sensor:  # a live camera may not be there yet
                self._check_sensor()
            self._correction = Correction.of(self._calibration)
            if isinstance(camera, Adjustable):
                camera.lock(self._calibration.controls)
            stack.pop_all()

    @property
    def sensor(self) -> str:
        """What the camera calls itself; empty where that is not known yet."""
        return sensor_of(self._camera)

    @property
    def pause_s(self) -> float:
        """How far apart the camera's frames are by its own account."""
        return pause_of(self._camera)

    def read(self) -> Frame | None:
        """Return the next frame, corrected.

        Raises as the camera does, and CameraError where the first frame is of another sensor or size than the
        calibration; UnreadableFrameError where a later one is, for another camera may be there for a while.
        """
        frame = self._camera.read()
        if frame is None:
            return None
        try:
            self._check_sensor()
            self._check_size(frame)
        except CameraError as error:
            if self._fits:
                raise UnreadableFrameError(str(error), UNCALIBRATED) from None
            raise
        self._fits = True
        # The source_id stays: calibrated again, the same cells must not be counted a second time.
        pixels = self._correction.apply(frame.pixels)
        return replace(frame, pixels=pixels, calibration=self._calibration.id)

    def close(self) -> None:
        """Release the camera. Safe to call twice."""
        self._camera.close()

    def _check_sensor(self) -> None:
        made_with, this = self._calibration.sensor, self.sensor
        if this != made_with:
            raise CameraError(
                f"{self._path}: was made with the camera {made_with!r}, and this is {this!r}: "
                "calibrate this one with leukoscope camera calibrate"
            )

    def _check_size(self, frame: Frame) -> None:
        height, width = frame.pixels.shape[:2]
        made = self._calibration
        if (width, height) != (made.width, made.height):
            raise CameraError(
                f"{self._path}: was made for frames of {made.width}x{made.height}, and the camera gives "
                f"{width}x{height}: calibrate it again with leukoscope camera calibrate"
            )
