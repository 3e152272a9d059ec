"""Where each frame lies on the slide: a map of earlier frames, in regions that grow together. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edge.messages.position import MAX_KEYFRAMES
from edge.slide.places import Joined, Place
from edge.slide.registration import alike, register, sketch, thumbnail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.slide.registration import Sketch, Thumbnail

# Of a frame's sides: a frame at the rim of the map then still shares half with a keyframe.
_KEYFRAME_GAP = 0.35
_NEAREST = 4  # nearby keyframes that are tried before all others
_LIKELIEST = 8  # keyframes of anywhere that are tried, the likeliest by their sketches
_SURE = 0.9  # likeness: with this, no other match would be better by more than a fraction of a pixel
_LEAST_ALONE = 0.9  # likeness; drawn slides: right places 0.93 and more, wrong ones up to 0.80 in 450 jumps
# A less certain place is believed if two keyframes agree on it, within this share of a frame's width:
_AGREEING = 0.03
_INDEPENDENT = 0.25  # and at least this far from each other


class Located(NamedTuple):
    """Where a frame lies. is_new: nothing known is there, a region begins. joined: region that ended.

    remembered: the frame's thumbnail, where it is one of the map's keyframes from now on.
    """

    place: Place
    is_new: bool
    joined: Joined | None = None
    remembered: Thumbnail | None = None


class _Keyframe(NamedTuple):
    place: Place
    picture: Thumbnail
    sketch: Sketch


class _Match(NamedTuple):
    """Where a frame lies by what it has in common with the one at `by`."""

    place: Place
    likeness: float
    by: Place

    def bears_out(self, other: _Match, width: int) -> bool:
        """Return whether both give the same place, though they do not compare nearly the same pictures."""
        if self.place.region != other.place.region:
            return False
        apart = math.dist(self.by[1:], other.by[1:])
        return apart > _INDEPENDENT * width and math.dist(self.place[1:], other.place[1:]) < _AGREEING * width


class SlideMap:
    """The map of one specimen's slide, all of one magnification.

    It remembers at most MAX_KEYFRAMES frames, 32 kB each; beyond, the oldest go, and their places are
    new again. All places are to a tenth of a pixel, as the fields' messages say them: what was said makes the
    same map again. first_region: the number of its first region; the following ones count on.
    """

    def __init__(self, first_region: int = 0) -> None:
        self._keyframes: list[_Keyframe] = []
        self._last: _Keyframe | None = None
        self._regions = first_region
        self._shape: tuple[int, ...] = ()

    def locate(
        self, pixels: NDArray[np.uint8], picture: Thumbnail | None = None, region: int | None = None
    ) -> Located:
        """Find a frame's place, uint8 RGB (height, width, 3), sharp enough to be analysed.

        picture: its thumbnail, if there is one already. region: the number for a region that it may begin, if
        that has one already.
        The nearest keyframes are tried first, so that a return to a place closes the loop instead of adding
        up the errors on the way; then the frame before this one; then the likeliest of all.
        """
        self._begin_anew_for(pixels.shape)
        picture = thumbnail(pixels) if picture is None else picture
        frame = _Keyframe(Place(-1, 0.0, 0.0), picture, sketch(picture))
        near = [*self._nearest(), *([self._last] if self._last else [])]
        place = self._best(self._matches(near, frame)) or self._anywhere(self._keyframes, frame)
        joined = remembered = None
        is_new = place is None
        if place is None:
            place = Place(self._regions if region is None else region, 0.0, 0.0)
            self._regions += region is None
        if is_new or self._is_far_from_all(place):
            if not is_new:
                joined = self._joined(place, frame)
            if joined is not None:
                place = _moved(place, joined)
                self._join(joined)
            remembered = picture
            self._remember(frame._replace(place=place))
        self._last = frame._replace(place=place)
        return Located(place, is_new, joined, remembered)

    def restore(self, located: Located, shape: tuple[int, ...]) -> None:
        """Add a frame that an earlier run located; call it in order. shape: of the frame, as in `locate`.

        The next frame is then looked for first beside the last keyframe, and after that among all.
        """
        self._begin_anew_for(shape)
        if located.joined is not None:
            self._join(located.joined)
        if located.remembered is not None:
            self._remember(_Keyframe(located.place, located.remembered, sketch(located.remembered)))
        self._last = self._keyframes[-1] if self._keyframes else None

    def _remember(self, keyframe: _Keyframe) -> None:
        self._keyframes.append(keyframe)
        del self._keyframes[:-MAX_KEYFRAMES]

    def _begin_anew_for(self, shape: tuple[int, ...]) -> None:
        """Forget everything if the frames' size changes: nothing known fits their scale any more."""
        if shape != self._shape:
            self._shape = shape
            self._keyframes, self._last = [], None

    def _is_far_from_all(self, place: Place) -> bool:
        far = _KEYFRAME_GAP * self._shape[1], _KEYFRAME_GAP * self._shape[0]
        return all(
            abs(k.place.x - place.x) > far[0] or abs(k.place.y - place.y) > far[1]
            for k in self._keyframes
            if k.place.region == place.region
        )

    def _nearest(self) -> list[_Keyframe]:
        if self._last is None:
            return []
        region, x, y = self._last.place
        here = [k for k in self._keyframes if k.place.region == region]
        return sorted(here, key=lambda k: math.hypot(k.place.x - x, k.place.y - y))[:_NEAREST]

    def _joined(self, place: Place, frame: _Keyframe) -> Joined | None:
        """Look for a frame in the other regions; its own one is to move there where it is found."""
        there = self._anywhere([k for k in self._keyframes if k.place.region != place.region], frame)
        if there is None:
            return None
        x, y = round(there.x - place.x, 1), round(there.y - place.y, 1)
        return Joined(place.region, there.region, x, y)

    def _join(self, joined: Joined) -> None:
        self._keyframes = [
            k._replace(place=_moved(k.place, joined)) if k.place.region == joined.region else k
            for k in self._keyframes
        ]

    def _anywhere(self, keyframes: list[_Keyframe], frame: _Keyframe) -> Place | None:
        """Find a frame among all these, in a time that hardly grows with their number."""
        scores = alike([keyframe.sketch for keyframe in keyframes], frame.sketch)
        return self._best(self._matches([keyframes[i] for i in np.argsort(-scores)[:_LIKELIEST]], frame))

    def _matches(self, keyframes: list[_Keyframe], frame: _Keyframe) -> list[_Match]:
        """Return what each says of the frame's place, up to the first that is sure."""
        zoom = self._shape[1] / frame.picture.shape[1]
        matches = []
        for keyframe in keyframes:
            shift = register(keyframe.picture, frame.picture, zoom)
            if shift is not None:
                region, x, y = keyframe.place
                place = Place(region, round(x + shift.x, 1), round(y + shift.y, 1))
                matches.append(_Match(place, shift.likeness, keyframe.place))
                if shift.likeness > _SURE:
                    break
        return matches

    def _best(self, matches: list[_Match]) -> Place | None:
        """Return the likeliest place, of those that are certain."""
        certain = [
            match
            for match in matches
            if match.likeness >= _LEAST_ALONE
            or any(other.bears_out(match, self._shape[1]) for other in matches)
        ]
        return max(certain, key=lambda match: match.likeness).place if certain else None


def _moved(place: Place, joined: Joined) -> Place:
    """Return where a place of the region that ended lies in the other one."""
    return Place(joined.into, round(place.x + joined.x, 1), round(place.y + joined.y, 1))
