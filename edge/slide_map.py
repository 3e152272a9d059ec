"""Where each frame lies on the slide: a map of earlier frames, in regions that grow together. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from edge.registration import register, thumbnail

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.registration import Shift, Thumbnail

MAX_KEYFRAMES = 1000
"""Frames that the map remembers, 19 kB each; beyond, the oldest go, and their places can come anew."""

_KEYFRAME_GAP = 0.5  # of a frame's sides: any frame then shares a quarter with a remembered one
_NEAREST = 4  # remembered frames that are tried before all of them are


class Place(NamedTuple):
    """A frame's place: its region, and its upper left corner there, pixels of the frame."""

    region: int
    x: float
    y: float


class Joined(NamedTuple):
    """A region that turned out to be part of another: what lay at (0, 0) in it lies at (x, y) in `into`."""

    region: int
    into: int
    x: float
    y: float


class Located(NamedTuple):
    """Where a frame lies. is_new: nothing known is there, a region begins. joined: region that ended."""

    place: Place
    is_new: bool
    joined: Joined | None = None


class _Keyframe(NamedTuple):
    place: Place
    picture: Thumbnail


class SlideMap:
    """The map of one specimen's slide. All frames must be of one size and magnification."""

    def __init__(self) -> None:
        self._keyframes: list[_Keyframe] = []
        self._last: _Keyframe | None = None
        self._regions = 0

    def locate(self, pixels: NDArray[np.uint8]) -> Located:
        """Find a frame's place, uint8 RGB (height, width, 3), sharp enough to be analysed.

        The nearest remembered frames come first, so that a return to a place closes the loop instead of
        adding up the errors on the way; then the frame before this one; then everything remembered.
        """
        picture = thumbnail(pixels)
        zoom = pixels.shape[1] / picture.shape[1]
        near = self._nearest()
        tried = [*near, *([self._last] if self._last else [])]
        place = _placed(tried, picture, zoom)
        joined = None
        known = {id(keyframe) for keyframe in tried}
        if place is None:
            place = _placed([k for k in self._keyframes if id(k) not in known], picture, zoom)
        is_new = place is None
        if place is None:
            place = Place(self._regions, 0.0, 0.0)
            self._regions += 1
        far = (_KEYFRAME_GAP * pixels.shape[1], _KEYFRAME_GAP * pixels.shape[0])
        if is_new or all(
            abs(k.place.x - place.x) > far[0] or abs(k.place.y - place.y) > far[1]
            for k in self._keyframes
            if k.place.region == place.region
        ):
            if not is_new:
                joined = self._joined(place, picture, zoom)
            if joined is not None:
                place = Place(joined.into, place.x + joined.x, place.y + joined.y)
            self._keyframes.append(_Keyframe(place, picture))
            del self._keyframes[:-MAX_KEYFRAMES]
        self._last = _Keyframe(place, picture)
        return Located(place, is_new, joined)

    def _nearest(self) -> list[_Keyframe]:
        if self._last is None:
            return []
        region, x, y = self._last.place
        here = [k for k in self._keyframes if k.place.region == region]
        return sorted(here, key=lambda k: math.hypot(k.place.x - x, k.place.y - y))[:_NEAREST]

    def _joined(self, place: Place, picture: Thumbnail, zoom: float) -> Joined | None:
        """Look for a frame in the other regions, and move its own region there where it is found."""
        others = [k for k in self._keyframes if k.place.region != place.region]
        there = _placed(others, picture, zoom)
        if there is None:
            return None
        x, y = there.x - place.x, there.y - place.y
        self._keyframes = [
            k._replace(place=Place(there.region, k.place.x + x, k.place.y + y))
            if k.place.region == place.region
            else k
            for k in self._keyframes
        ]
        return Joined(place.region, there.region, x, y)


def _placed(keyframes: list[_Keyframe], picture: Thumbnail, zoom: float) -> Place | None:
    best: tuple[Shift, Place] | None = None
    for keyframe in keyframes:
        shift = register(keyframe.picture, picture, zoom)
        if shift is not None and (best is None or shift.likeness > best[0].likeness):
            best = shift, keyframe.place
            if shift.likeness > 0.9:  # no other can be better by more than a fraction of a pixel
                break
    if best is None:
        return None
    shift, place = best
    return Place(place.region, place.x + shift.x, place.y + shift.y)
