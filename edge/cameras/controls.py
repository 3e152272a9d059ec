"""What a camera lets itself be told: exposure, gain and colour gains, and that they stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Controls:
    """Settings of a sensor. None: left as it is.

    exposure_us: how long a line gathers light, microseconds. analogue_gain: before the digits, 1 or more.
    colour_gains: factors to red and to blue; green has none.
    """

    exposure_us: int | None = None
    analogue_gain: float | None = None
    colour_gains: tuple[float, float] | None = None


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
