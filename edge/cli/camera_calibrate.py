"""`leukoscope camera calibrate`: from an empty field to the file that `camera.calibration` names."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec

from edge.analyzer import CellCounter
from edge.cameras import open_camera
from edge.cameras.calibration.calibrating import Calibrated, calibrate
from edge.cameras.calibration.file import read_calibration, write_calibration
from edge.config import SHIPPED_MODEL, ReplayConfig, VideoConfig, load_config
from edge.errors import CameraError, ConfigError, OutputError
from edge.models.bundle import read_bundle
from edge.outputs import refuse_overwriting


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
        command="leukoscope camera calibrate",
        force=force,
    )
    camera = open_camera(msgspec.structs.replace(chosen, calibration=""))
    with closing(camera):
        done = calibrate(camera, frames, CellCounter(read_bundle(SHIPPED_MODEL)))
    made = done.calibration
    _print_settings(done)
    write_calibration(out, made)
    red, green, blue = made.white_balance
    print(f"white balance: digital gains {red:.3f}, {green:.3f}, {blue:.3f} of red, green, blue")
    print(f"flat field: the darkest part had {100 * done.light.evenness:.0f} % of the light, now evened out")
    told = _as_configured(out, config)
    print(f'{out}: written, calibration {made.id} of {made.sensor}; set camera.calibration = "{told}"')
    return 0


def _print_settings(done: Calibrated) -> None:
    controls = done.controls
    exposed = (
        "this camera has no control of it" if controls.exposure_us is None else f"{controls.exposure_us} us"
    )
    red, green, blue = (f"{level:.0f}" for level in done.brightness)
    print(f"exposure: {exposed}; red, green and blue are at {red}, {green} and {blue} of 255")
    if controls.colour_gains is not None:
        of_red, of_blue = controls.colour_gains
        print(f"white balance: the camera's gains {of_red:.3f} of red, {of_blue:.3f} of blue")
    if controls.driver_gain is not None:
        print(f"gain: {controls.driver_gain}, in the driver's own steps")
    if controls.temperature_k is not None:
        print(f"white balance: the camera's at {controls.temperature_k} K")


def _is_calibration(path: Path) -> bool:
    try:
        read_calibration(path)
    except CameraError:
        return False
    return True


def _as_configured(out: Path, config: Path) -> Path:
    """Return the file as the configuration has to name it: relative paths are meant from its own folder."""
    folder, file = config.resolve().parent, out.resolve()
    return file.relative_to(folder) if file.is_relative_to(folder) else file
