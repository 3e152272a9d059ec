"""A picture from a microscope, and what gives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from edge import identity

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray


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


def _clock_offset_s() -> float | None:
    return None if identity.clock_synced() else identity.clock_offset_s()


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture from the microscope.

    pixels: uint8 RGB, (height, width, 3).
    name: what an operator would call it (a file name, a position on the slide).
    captured_at: UTC.
    source_id: if the same picture comes again after a restart, as that of a file does, its lasting identity,
        by which it is analysed only once; None for a live camera.
    metadata: what the sensor says of it; None if there is no sensor that does.
    calibration: the id of the camera calibration that the pixels were corrected by; None: they were not.
    content: of a picture file, a hash of its bytes, by which its copies are known; None for all else.
    simulated: it was drawn by a program: no microscope, no blood.
    clock_offset_s: clock minus monotonic clock when it was captured, if the clock was not set; else None.
        `captured_at` is corrected by it once the clock is set.
    """

    pixels: NDArray[np.uint8]
    name: str
    captured_at: datetime
    source_id: str | None = None
    metadata: FrameMetadata | None = None
    calibration: str | None = None
    content: str | None = None
    simulated: bool = False
    clock_offset_s: float | None = field(default_factory=_clock_offset_s)


class Camera(Protocol):
    """What every source of frames does. One thread reads; any may close."""

    def read(self) -> Frame | None:
        """Return the next frame, or None when the source has ended.

        Raises UnreadableFrameError when this one frame cannot be had and the next may be; CameraAwayError,
        which is one of those, every few seconds while a live camera gives none; CameraError when the source
        cannot go on.
        """
        ...

    def close(self) -> None:
        """Release the device. Safe to call twice, and from any thread: a `read` then gives None."""
        ...


def sensor_of(camera: Camera) -> str:
    """Return what a camera calls itself, by which its calibration recognises it; empty if it does not say."""
    return str(getattr(camera, "sensor", ""))


def pause_of(camera: Camera) -> float:
    """Return the seconds between a camera's frames, as it says itself; 0 if it does not say."""
    return float(getattr(camera, "pause_s", 0.0))
