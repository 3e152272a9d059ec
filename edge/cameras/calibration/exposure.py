"""The exposure and the colour gains at which an empty field is bright and white, found step by step."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edge.cameras.calibration.empty_field import clipped, levels
from edge.cameras.controls import Adjustable, Approximate, Controls
from edge.errors import CameraError, UnreadableFrameError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from edge.cameras.frame import Camera, Frame

TARGET = 205.0
"""Level of the brightest channel: bright, and with room for what glints and for the lamp to warm up."""

MAX_EXPOSURE_US = 40_000
"""A slide that is moved by hand smears in longer ones."""

_NEAR = 6.0  # grey levels from the target
_EVEN = 0.015  # how far red and blue may stay from green; the rest is made up digitally
_STEPS = 24
# Between a straight sensor, where 1 is the right power, and a gamma curve of 1/2.2: either comes near.
_POWER = 1.4
_FIRST_US = 8_000
_LEAST_GAIN, _MOST_GAIN = 0.5, 8.0
_ON_THEIR_WAY = 6  # frames still taken with the former settings
_PATIENCE_S = 30.0
_MAX_WAITED = 40
_HELD = 0.05  # a sensor exposes by whole lines,
_LINE_US = 40.0  # of at most so long


def adjusted(camera: Camera) -> Controls:
    """Step exposure and colour gains until the field is bright and white; give what the sensor then took."""
    assert isinstance(camera, Adjustable)  # noqa: S101 (for the type only: a protocol of two)
    _next(camera)  # what it lets itself be told, a live camera knows once it is open
    if isinstance(camera, Approximate):
        return _approached(camera)
    exposure = _Exposure.of(camera.exposure_range_us)
    after = _start(camera, exposure)
    for _ in range(_STEPS):
        controls = after
        camera.lock(controls)
        frame = _taken_with(camera, controls)
        after = _step(controls, frame.pixels, exposure)
        if after == controls:
            break
    taken = frame.metadata
    if taken is not None:
        # What the sensor made of it: this is what every later frame is held against.
        exposed = controls.exposure_us and round(taken.exposure_us or controls.exposure_us)
        gain = controls.analogue_gain and round(taken.analogue_gain or controls.analogue_gain, 3)
        controls = Controls(exposed, gain, controls.colour_gains)
    return controls


def _approached(camera: Approximate) -> Controls:
    """Do the same with a camera that has only some exposures, and says which; give what it then holds."""
    exposure = _Exposure.of(camera.exposure_range_us)
    asked = None if exposure is None else round(_within(_FIRST_US, exposure.least, exposure.most))
    seen: list[tuple[float, int | None]] = []
    for _ in range(_STEPS):
        frame = _tried(camera, asked, find_white=True)
        took = camera.granted.exposure_us
        again = took in {known for _, known in seen}
        level = max(levels(frame.pixels))
        seen.append((float("inf") if clipped(frame.pixels) else abs(level - TARGET), took))
        if exposure is None or took is None or again:
            break
        after = exposure.after(took, frame.pixels)
        if after == took:
            break
        asked = after
    # Two neighbours on both sides of the target: the better one, and with the white that was found.
    _tried(camera, min(seen, key=lambda each: each[0])[1])
    return camera.granted


def _tried(camera: Approximate, exposure: int | None, *, find_white: bool = False) -> Frame:
    camera.try_out(exposure, find_white=find_white)
    return [_next(camera) for _ in range(_ON_THEIR_WAY + 1)][-1]


class _Exposure:
    """Comes nearer to an exposure from both sides.

    least, most: microseconds that may be asked for; too_short, too_long: what is known of the light so far.
    """

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, most
        self.forget()

    @classmethod
    def of(cls, limits: tuple[int, int] | None) -> _Exposure | None:
        """Return it for a camera's limits; None where it has no control of its exposure."""
        return None if limits is None else cls(limits[0], max(limits[0], min(limits[1], MAX_EXPOSURE_US)))

    def forget(self) -> None:
        """Start again: other gains make another light."""
        self.too_short, self.too_long = 0.0, float("inf")

    def after(self, exposure: int, pixels: NDArray[np.uint8]) -> int:
        """Return the exposure to try after this one; the same where it is near enough, or at a limit."""
        brightest = max(*levels(pixels), 1.0)
        if clipped(pixels):
            factor = 1 / 3
        elif abs(brightest - TARGET) > _NEAR:
            factor = _within((TARGET / brightest) ** _POWER, 1 / 8, 8)
        else:
            return exposure
        if factor > 1:
            self.too_short = max(self.too_short, exposure)
        else:
            self.too_long = min(self.too_long, exposure)
        proposed = exposure * factor
        if not self.too_short < proposed < self.too_long:
            proposed = (self.too_short * self.too_long) ** 0.5
        return round(_within(proposed, self.least, self.most))


def _start(camera: Adjustable, exposure: _Exposure | None) -> Controls:
    first = None if exposure is None else round(_within(_FIRST_US, exposure.least, exposure.most))
    return Controls(
        exposure_us=first,
        analogue_gain=None if first is None else 1.0,
        colour_gains=(1.5, 1.5) if camera.has_colour_gains else None,
    )


def _step(controls: Controls, pixels: NDArray[np.uint8], exposure: _Exposure | None) -> Controls:
    """Return the settings that come nearer; the same where these are near enough, or nothing can be done."""
    red, green, blue = (max(level, 1.0) for level in levels(pixels))
    gains, exposed = controls.colour_gains, controls.exposure_us
    if gains is not None and max(abs(red / green - 1), abs(blue / green - 1)) > _EVEN:
        steps = ((green / red) ** _POWER, (green / blue) ** _POWER)
        changed = [_within(g * s, _LEAST_GAIN, _MOST_GAIN) for g, s in zip(gains, steps, strict=True)]
        gains = round(changed[0], 3), round(changed[1], 3)
    if exposure is not None and exposed is not None:
        if gains != controls.colour_gains:
            exposure.forget()
        exposed = exposure.after(exposed, pixels)
    return Controls(exposed, controls.analogue_gain, gains)


def _taken_with(camera: Camera, controls: Controls) -> Frame:
    """Return the first frame that was taken with these settings."""
    for count in range(_MAX_WAITED):
        frame = _next(camera)
        taken = None if frame.metadata is None else frame.metadata.exposure_us
        if count < _ON_THEIR_WAY:
            continue  # also where the metadata would do: a small step is within what a sensor rounds
        wanted = controls.exposure_us
        if taken is None or wanted is None or abs(taken - wanted) <= max(_HELD * wanted, _LINE_US):
            return frame
    raise CameraError(
        f"the camera does not hold its exposure: {controls.exposure_us} us were asked for, "
        f"and its last frame was taken with {taken:.0f}"
    )


def _next(camera: Camera) -> Frame:
    for frame in frames_of(camera):
        return frame
    raise CameraError("the camera's frames ended before its settings were found")


def _within(value: float, least: float, most: float) -> float:
    return min(max(value, least), most)


def frames_of(camera: Camera) -> Iterator[Frame]:
    """Return the frames that can be had. Raises CameraError where for a while none can."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            frame = camera.read()
        except UnreadableFrameError as error:
            if time.monotonic() > deadline:
                raise CameraError(f"the camera gives no frame: {error}") from None
            time.sleep(0.05)
            continue
        if frame is None:
            return
        yield frame
        deadline = time.monotonic() + _PATIENCE_S
