"""The calibration of a camera as it lies in its file. Without arithmetic: the page reads it, too.

Not to be confused with `edge.adaptation.adapting`, which refits a model.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from edge.cameras.controls import Controls
from edge.errors import CameraError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS, ROWS = 17, 13
"""Nodes of the map, those on the frame's edges included. The light is smooth: between them it is straight."""

MAX_GAIN = 4.0
"""No pixel is amplified more: noise is amplified as well."""

_MAX_BYTES = 100_000

Gain = Annotated[float, Meta(ge=1, le=MAX_GAIN)]
SensorGain = Annotated[float, Meta(gt=0, le=64)]
Row = Annotated[tuple[Gain, ...], Meta(min_length=COLUMNS, max_length=COLUMNS)]
Map = Annotated[tuple[Row, ...], Meta(min_length=ROWS, max_length=ROWS)]


class CameraCalibration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera's calibration, as it stands in its file.

    sensor: what the camera calls itself. width, height: of its frames, pixels. made_at: UTC, ISO 8601.
    exposure_us, analogue_gain, colour_gains (red, blue): what the sensor was set to; null where it has no
    such control; driver_gain, temperature_k: of a V4L2 device, as `edge.cameras.controls` has them.
    white_balance: digital gains of red, green and blue. flat_field: for each of the three a
    map of gains, row by row, from the frame's upper left pixel to its lower right one.
    """

    schema: Literal["leukoscope.camera-calibration/1"] = "leukoscope.camera-calibration/1"
    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")] = "0" * 16
    sensor: Annotated[str, Meta(min_length=1, max_length=1000)]  # as long as an address may be
    width: Annotated[int, Meta(ge=16, le=16384)]
    height: Annotated[int, Meta(ge=16, le=16384)]
    made_at: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")]
    exposure_us: Annotated[int, Meta(ge=1, le=60_000_000)] | None = None
    analogue_gain: SensorGain | None = None
    colour_gains: tuple[SensorGain, SensorGain] | None = None
    driver_gain: int | None = None
    temperature_k: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    white_balance: tuple[Gain, Gain, Gain]
    flat_field: tuple[Map, Map, Map]

    @property
    def controls(self) -> Controls:
        """What the sensor is locked to."""
        return Controls(
            self.exposure_us, self.analogue_gain, self.colour_gains, self.driver_gain, self.temperature_k
        )

    def named(self) -> CameraCalibration:
        """Return the same with its id: the first 16 hex digits of the SHA-256 of all else, as sorted JSON."""
        plain = msgspec.to_builtins(self)
        del plain["id"]
        for later in ("driver_gain", "temperature_k"):  # files that were written before know nothing of them
            if plain[later] is None:
                del plain[later]
        digest = hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()
        return msgspec.structs.replace(self, id=digest[:16])


def read_calibration(path: Path) -> CameraCalibration:
    """Read a calibration file. Raises CameraError where it is missing, is none, or was altered."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CameraError(f"{path}: is too large for a camera calibration")
        calibration = msgspec.json.decode(path.read_bytes(), type=CameraCalibration)
    except OSError as error:
        raise CameraError(
            f"{path}: the camera calibration cannot be read: {error.strerror}; "
            "make one with leukoscope camera calibrate"
        ) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CameraError(f"{path}: is not a camera calibration: {error}") from None
    if calibration.named().id != calibration.id:
        raise CameraError(
            f"{path}: was altered since leukoscope camera calibrate wrote it: its id is {calibration.id}, "
            f"its content's {calibration.named().id}; calibrate again"
        )
    return calibration


def write_calibration(path: Path, calibration: CameraCalibration) -> None:
    """Write a calibration file in one step: whenever the power goes, it is the former one or this one, whole.

    Raises OutputError.
    """
    text = msgspec.json.format(msgspec.json.encode(calibration), indent=0)
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("wb") as file:
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
