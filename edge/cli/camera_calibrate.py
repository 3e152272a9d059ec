"""`leukoscope calibrate-camera`: from an empty field to the file that `camera.calibration` names."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge import identity
from edge.analyzer import count_cells
from edge.cameras import open_camera, sensor_of
from edge.cameras.calibration.correction import CameraCalibration, read_calibration, write_calibration
from edge.cameras.calibration.empty_field import EmptyFieldError, levels, measure
from edge.cameras.calibration.exposure import adjusted, frames_of
from edge.cameras.controls import Adjustable, Controls
from edge.config import ReplayConfig, VideoConfig, load_config
from edge.errors import CameraError, ConfigError, OutputError
from edge.outputs import refuse_overwriting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_MAX_FLICKER = 0.03  # of the brightness, between the frames that are measured


def calibrate_camera(config: Path, *, out: Path, frames: int, force: bool = False) -> int:
    """Calibrate the camera of a configuration from an empty field, and write the file; give the exit status.

    frames: how many are measured. force: any file at `out` is overwritten, not only an earlier calibration,
    but never what is read here. Raises ConfigError, CameraError, OutputError, and EmptyFieldError where the
    field cannot be calibrated from.
    """
    chosen = load_config(config).camera
    if isinstance(chosen, ReplayConfig):
        raise ConfigError(f"{config}: camera.kind: replay shows images, and no camera to calibrate")
    if frames < 1:
        raise ConfigError("--frames: give 1 or more")
    if not out.parent.is_dir() or out.is_dir():
        raise OutputError(f"{out}: give a file in a folder that is there")
    refuse_overwriting(
        [out],
        inputs=[config, *([Path(chosen.path)] if isinstance(chosen, VideoConfig) else [])],
        is_earlier_result=_is_calibration,
        command="leukoscope calibrate-camera",
        force=force,
    )
    camera = open_camera(msgspec.structs.replace(chosen, calibration=""))
    with closing(camera):
        controls = adjusted(camera) if isinstance(camera, Adjustable) else Controls()
        pictures = [frame.pixels for frame in islice(frames_of(camera), frames)]
        sensor = sensor_of(camera)
    if not pictures:
        raise CameraError("the camera's frames ended before the light was measured")
    _print_settings(controls, levels(pictures[0]))
    if not sensor:
        raise CameraError("the camera does not say what it is: a calibration could not know it again")
    light = measure(pictures, count_cells)
    _check_steady(pictures)
    height, width = pictures[0].shape[:2]
    red, green, blue = (round(gain, 4) for gain in light.white_balance)
    maps = tuple(
        tuple(tuple(round(float(gain), 4) for gain in row) for row in channel) for channel in light.flat_field
    )
    calibration = msgspec.convert(
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
    write_calibration(out, calibration)
    print(f"white balance: digital gains {red:.3f}, {green:.3f}, {blue:.3f} of red, green, blue")  # noqa: T201
    print(f"flat field: the darkest part had {100 * light.evenness:.0f} % of the light, now evened out")  # noqa: T201
    told = _as_configured(out, config)
    print(f'{out}: written, calibration {calibration.id} of {sensor}; set camera.calibration = "{told}"')  # noqa: T201
    return 0


def _print_settings(controls: Controls, brightness: tuple[float, float, float]) -> None:
    exposed = (
        "this camera has no control of it" if controls.exposure_us is None else f"{controls.exposure_us} us"
    )
    red, green, blue = (f"{level:.0f}" for level in brightness)
    print(f"exposure: {exposed}; red, green and blue are at {red}, {green} and {blue} of 255")  # noqa: T201
    if controls.colour_gains is not None:
        of_red, of_blue = controls.colour_gains
        print(f"white balance: the camera's gains {of_red:.3f} of red, {of_blue:.3f} of blue")  # noqa: T201
    if controls.driver_gain is not None:
        print(f"gain: {controls.driver_gain}, in the driver's own steps")  # noqa: T201
    if controls.temperature_k is not None:
        print(f"white balance: the camera's at {controls.temperature_k} K")  # noqa: T201


def _is_calibration(path: Path) -> bool:
    try:
        read_calibration(path)
    except CameraError:
        return False
    return True


def _as_configured(out: Path, config: Path) -> Path:
    """Give the file as the configuration has to name it: relative paths are meant from its own folder."""
    folder, file = config.resolve().parent, out.resolve()
    return file.relative_to(folder) if file.is_relative_to(folder) else file


def _check_steady(pictures: list[NDArray[np.uint8]]) -> None:
    means = [float(pixels[::4, ::4].mean()) for pixels in pictures]
    swing = max(means) / max(min(means), 1.0) - 1
    if swing > _MAX_FLICKER:
        raise EmptyFieldError(
            f"the light changes by {100 * swing:.0f} % from frame to frame: hold the slide still, let the "
            "lamp warm up, and switch off what adjusts the exposure by itself"
        )
