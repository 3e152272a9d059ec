"""The settings of a camera: exposure, gain and colour gains; setting them, and checking that they stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from edge.cameras.frame import Camera
from edge.errors import UnreadableFrameError

if TYPE_CHECKING:
    from edge.cameras.frame import FrameMetadata


@dataclass(frozen=True, slots=True)
class Controls:
    """Settings of a sensor. None: left as it is.

    exposure_us: how long a line gathers light, microseconds. analogue_gain: the factor before digitising, 1
    or more. colour_gains: factors for red and blue; green has none. driver_gain, temperature_k: what V4L2
    devices have instead: a gain in the driver's own steps, and the colour temperature of white, kelvin.
    """

    exposure_us: int | None = None
    analogue_gain: float | None = None
    colour_gains: tuple[float, float] | None = None
    driver_gain: int | None = None
    temperature_k: int | None = None


@runtime_checkable
class Adjustable(Protocol):
    """A camera that has at least one control."""

    @property
    def exposure_range_us(self) -> tuple[int, int] | None:
        """The shortest and the longest exposure, microseconds; None if it cannot be set."""
        ...

    @property
    def has_colour_gains(self) -> bool:
        """Whether red and blue can be amplified in the camera."""
        ...

    def lock(self, controls: Controls) -> None:
        """Switch the automatics off and keep these settings from now on.

        A setting that the camera does not have is skipped. Frames that are already on their way were still
        taken with the old settings. Raises CameraError.
        """
        ...

    def release(self) -> None:
        """Keep only what the configuration says, and put all else back as it was before the first try."""
        ...


@runtime_checkable
class Approximate(Adjustable, Camera, Protocol):
    """A camera that takes the nearest exposure it has; which one that is shows only when it is tried."""

    @property
    def granted(self) -> Controls:
        """The settings that it really took when they were set last."""
        ...

    def try_out(self, exposure_us: int | None, *, find_white: bool = False) -> None:
        """Switch the automatics off, set about this exposure, and keep what it becomes; None: it has none.

        The gain is kept as configured, or else at the lowest; the white balance as configured, or else at
        what the camera's automatic has found. find_white: let that automatic go on looking.
        """
        ...


NOT_HELD = "camera settings not held"
"""The reason why there is no picture, as in `UnreadableFrameError.reason` and in health."""

# Frames until new settings must hold: a sensor needs a few, a pipeline holds some more, and the gain follows
# the exposure.
_GRACE = 20
_EXPOSURE_OFF = 0.03  # share of the exposure: sensors expose by whole lines
_LINE_US = 40.0  # microseconds: the longest of such lines
_GAIN_OFF = 0.03  # share of the gain


class Lock:
    """Settings that every frame must have been taken with, except the first few.

    controls: those that the camera has; one that is None is not checked.
    """

    def __init__(self, controls: Controls) -> None:
        self.controls = controls
        self._grace = _GRACE

    def holds(self, taken: FrameMetadata) -> bool:
        """Return whether a frame was taken with the settings; False only for one of the first frames.

        Raises UnreadableFrameError for a later frame that was not.
        """
        wrong = self._wrong(taken)
        if wrong is None:
            self._grace = 0
            return True
        if self._grace > 0:
            self._grace -= 1
            return False
        raise UnreadableFrameError(f"the camera does not hold its settings: {wrong}", NOT_HELD)

    def _wrong(self, taken: FrameMetadata) -> str | None:
        wanted = self.controls
        for name, asked, got, off in (
            ("exposure", wanted.exposure_us, taken.exposure_us, _LINE_US),
            ("gain", wanted.analogue_gain, taken.analogue_gain, 0.0),
            *(
                (f"gain of {colour}", asked, got, 0.0)
                for colour, asked, got in zip(
                    ("red", "blue"),
                    wanted.colour_gains or (None, None),
                    taken.colour_gains or (None, None),
                    strict=True,
                )
            ),
        ):
            share = _EXPOSURE_OFF if name == "exposure" else _GAIN_OFF
            if asked is not None and (got is None or abs(got - asked) > max(share * asked, off)):
                return f"{name} is {'not told' if got is None else f'{got:g}'} and not {asked:g}"
        return None
