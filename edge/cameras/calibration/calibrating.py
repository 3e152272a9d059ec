"""From a camera over an empty field to its calibration."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from edge import identity
from edge.cameras.calibration.empty_field import EmptyFieldError, Light, levels, measure
from edge.cameras.calibration.exposure import adjusted, frames_of
from edge.cameras.calibration.file import CameraCalibration
from edge.cameras.controls import Adjustable, Controls
from edge.cameras.frame import Camera, sensor_of
from edge.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

FRAMES = 16
"""How many are measured, unless somebody says otherwise."""

_MAX_FLICKER = 0.03  # of the brightness, between the frames that are measured


class Calibrated(NamedTuple):
    """What a calibration came to.

    controls: what the sensor is locked to. brightness: of red, green and blue with these, 0 to 255. light:
    as it was measured, before it is made even. picture: one of the frames it was measured in.
    """

    calibration: CameraCalibration
    controls: Controls
    brightness: tuple[float, float, float]
    light: Light
    picture: NDArray[np.uint8]


def calibrate(camera: Camera, frames: int, count_cells: Callable[[NDArray[np.uint8]], int]) -> Calibrated:
    """Calibrate a camera that looks at an empty field.

    frames: how many are measured, at least one. count_cells: how many white cells a frame shows. Raises
    CameraError, and EmptyFieldError where the field cannot be calibrated from.
    """
    controls = adjusted(camera) if isinstance(camera, Adjustable) else Controls()
    pictures = [frame.pixels for frame in islice(frames_of(camera), frames)]
    sensor = sensor_of(camera)
    if not pictures:
        raise CameraError("the camera's frames ended before the light was measured")
    if not sensor:
        raise CameraError("the camera does not say what it is: a calibration could not know it again")
    light = measure(pictures, count_cells)
    _check_steady(pictures)
    height, width = pictures[0].shape[:2]
    red, green, blue = (round(gain, 4) for gain in light.white_balance)
    maps = tuple(
        tuple(tuple(round(float(gain), 4) for gain in row) for row in channel) for channel in light.flat_field
    )
    made = msgspec.convert(
        {
            "sensor": sensor,
            "width": width,
            "height": height,
            "made_at": identity.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "exposure_us": controls.exposure_us,
            "analogue_gain": controls.analogue_gain,
            "colour_gains": controls.colour_gains,
            "driver_gain": controls.driver_gain,
            "temperature_k": controls.temperature_k,
            "white_balance": (red, green, blue),
            "flat_field": maps,
        },
        CameraCalibration,
    ).named()
    return Calibrated(made, controls, levels(pictures[0]), light, pictures[-1])


def _check_steady(pictures: list[NDArray[np.uint8]]) -> None:
    means = [float(pixels[::4, ::4].mean()) for pixels in pictures]
    swing = max(means) / max(min(means), 1.0) - 1
    if swing > _MAX_FLICKER:
        raise EmptyFieldError(
            f"the light changes by {100 * swing:.0f} % from frame to frame: hold the slide still, let the "
            "lamp warm up, and switch off what adjusts the exposure by itself"
        )
