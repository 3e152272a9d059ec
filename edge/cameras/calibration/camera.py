"""A camera behind its calibration: the sensor locked to it, every frame corrected by it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from edge.cameras.calibration.correction import Correction
from edge.cameras.calibration.file import read_calibration
from edge.cameras.controls import Adjustable
from edge.cameras.frame import pause_of, sensor_of
from edge.errors import CameraError, UnreadableFrameError
from edge.outputs import last_change

if TYPE_CHECKING:
    from pathlib import Path

    from edge.cameras.calibration.file import CameraCalibration
    from edge.cameras.frame import Camera, Frame

UNCALIBRATED = "not the calibrated camera"
"""Why there is no picture, as health says it."""


class CalibratedCamera:
    """Another camera's frames, in even light and with a white that is white.

    They carry the calibration's id. Takes the camera over, and closes it where it cannot be used.
    needed: without the file there are no frames; else they stay as they are until it is there, and where it
    is of another camera, which `problem` then says. bare: the camera as it is.
    Raises CameraError where a needed file is none, was altered, or was made with another sensor.
    """

    def __init__(self, camera: Camera, path: Path, *, needed: bool = True) -> None:
        self.bare = camera
        self.problem: str | None = None
        self._path = path
        self._needed = needed
        self._fits = False
        self._calibration: CameraCalibration | None = None
        self._seen: object = None
        with ExitStack() as stack:
            stack.callback(camera.close)
            if needed:
                self._seen = last_change(path)
                self._take_up(read_calibration(path))
            else:
                self.renew()
            stack.pop_all()

    @property
    def sensor(self) -> str:
        """What the camera calls itself; empty where that is not known yet."""
        return sensor_of(self.bare)

    @property
    def pause_s(self) -> float:
        """How far apart the camera's frames are by its own account."""
        return pause_of(self.bare)

    def read(self) -> Frame | None:
        """Return the next frame, corrected.

        Raises as the camera does, and CameraError where the first frame is of another sensor or size than the
        calibration; UnreadableFrameError where a later one is, for another camera may be there for a while.
        """
        frame = self.bare.read()
        if frame is None or self._calibration is None:
            return frame
        try:
            self._check_sensor(self._calibration)
            self._check_size(self._calibration, frame)
        except CameraError as error:
            if self._fits:
                raise UnreadableFrameError(str(error), UNCALIBRATED) from None
            if self._needed:
                raise
            self._calibration, self.problem = None, str(error)
            self.restore()
            return frame
        self._fits = True
        # The source_id stays: calibrated again, the same cells must not be counted a second time.
        pixels = self._correction.apply(frame.pixels)
        return replace(frame, pixels=pixels, calibration=self._calibration.id)

    def renew(self) -> bool:
        """Go by the file from the next frame on, if it is another one now, and say whether it is.

        It costs a look at one file. One that is of no use changes nothing, and is the `problem`.
        """
        change = last_change(self._path)
        if change == self._seen or change is None:
            return False
        self._seen = change
        try:
            self._take_up(read_calibration(self._path))
        except CameraError as error:
            self.problem = str(error)
            return False
        self.problem = None
        return True

    def restore(self) -> None:
        """Let the sensor be set as the calibration has it, or be as it was where there is none."""
        if not isinstance(self.bare, Adjustable):
            return
        if self._calibration is None:
            self.bare.release()
        else:
            self.bare.lock(self._calibration.controls)

    def close(self) -> None:
        """Release the camera. Safe to call twice."""
        self.bare.close()

    def _take_up(self, calibration: CameraCalibration) -> None:
        if self.sensor:  # a live camera may not be there yet
            self._check_sensor(calibration)
        correction = Correction.of(calibration)
        if isinstance(self.bare, Adjustable):
            self.bare.lock(calibration.controls)
        self._calibration, self._correction, self._fits = calibration, correction, False

    def _check_sensor(self, made: CameraCalibration) -> None:
        if self.sensor != made.sensor:
            raise CameraError(
                f"{self._path}: was made with the camera {made.sensor!r}, and this is {self.sensor!r}: "
                "calibrate this one with leukoscope camera calibrate"
            )

    def _check_size(self, made: CameraCalibration, frame: Frame) -> None:
        height, width = frame.pixels.shape[:2]
        if (width, height) != (made.width, made.height):
            raise CameraError(
                f"{self._path}: was made for frames of {made.width}x{made.height}, and the camera gives "
                f"{width}x{height}: calibrate it again with leukoscope camera calibrate"
            )
