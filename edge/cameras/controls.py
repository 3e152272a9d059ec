"""What a camera lets itself be told: exposure, gain and colour gains, and that they stay."""

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

    exposure_us: how long a line gathers light, microseconds. analogue_gain: before the digits, 1 or more.
    colour_gains: factors to red and to blue; green has none. driver_gain, temperature_k: what V4L2 devices
    have in their place, a gain in steps of the driver's own, and the kelvin of the light that is white.
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
        """The shortest and the longest exposure; None where it cannot be set."""
        ...

    @property
    def has_colour_gains(self) -> bool:
        """Whether red and blue can be amplified in the camera."""
        ...

    def lock(self, controls: Controls) -> None:
        """Switch the automatic off and hold these from now on.

        A control that the camera lacks is passed over. Frames that are on their way were still taken
        without. Raises CameraError.
        """
        ...

    def release(self) -> None:
        """Hold nothing but what the configuration says, and leave all else as it was before the first try."""
        ...


@runtime_checkable
class Approximate(Adjustable, Camera, Protocol):
    """A camera that makes of an exposure what it has, which only a try can tell."""

    @property
    def granted(self) -> Controls:
        """What it said, when it was told last, that it had made of it."""
        ...

    def try_out(self, exposure_us: int | None, *, find_white: bool = False) -> None:
        """Switch the automatic off, set about this exposure, and hold what comes of it; None: has none.

        What else it has is held at what its configuration says, else at the least gain, and at the white that
        its automatic has found; find_white: that one goes on looking.
        """
        ...


NOT_HELD = "camera settings not held"
"""Why there is no picture, as `UnreadableFrameError.reason` and health say it."""

_GRACE = (
    20  # frames: a sensor takes a few, a pipeline has some on their way, and the gain follows the exposure
)
_EXPOSURE_OFF = 0.03  # of it: sensors expose by whole lines
_LINE_US = 40.0
_GAIN_OFF = 0.03


class Lock:
    """Settings that every frame must have been taken with, after a few that could not yet be.

    controls: those that the camera has; a None among them is not looked at.
    """

    def __init__(self, controls: Controls) -> None:
        self.controls = controls
        self._grace = _GRACE

    def holds(self, taken: FrameMetadata) -> bool:
        """Say whether a frame was taken with the settings; one of the first that was not is passed over.

        Raises UnreadableFrameError for a later one.
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
