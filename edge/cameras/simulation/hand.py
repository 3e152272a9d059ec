"""The path of a slide that somebody pushes by hand under the lens: pushes, pauses, returns, shake, focus."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Spot = tuple[float, float]

_CELL = 250  # pixels of the slide: what two neighbouring stops share at least, so that a cell shows whole
_DRIFT = 12  # pixels that a push along a row goes up or down
_PUSH_S, _DASH_S = (0.35, 0.9), (0.5, 1.0)
_PAUSE_S = 0.3  # beyond the time of one picture, on average
_RETURNS = 0.06  # of the stops, from which the hand goes back over what was seen
_LATELY = 60  # stops, as far as it goes back: some rows
_TREMOR_HZ, _TREMOR = (7.0, 12.0), (0.3, 1.2)  # of a resting hand; pixels of the slide
_LOST, _SHARP = (1, 5), (6, 30)  # stops without focus on end, and from one such stretch to the next
_BLUR = (1.0, 3.5)  # standard deviation, pixels of the slide, of one such stretch
_STILL = 2  # pixels of the slide: what moves less while the shutter is open is not seen to smear
_INSTANTS = 16  # of an exposure that are added up


class Canvas(Protocol):
    """A slide that can be looked at through any window."""

    def transmittance(self, x: int, y: int, width: int, height: int) -> NDArray[np.float32]:
        """Return the share of the light that passes, float32 (height, width, 3), of a window on the slide."""
        ...


class Exposure(NamedTuple):
    """One picture on the way.

    stops: upper left corners of the view while the shutter is open, equally long each, pixels of the slide.
    defocus: blur beyond the lens's own, standard deviation in pixels of the slide.
    """

    stops: tuple[tuple[int, int], ...]
    defocus: float

    @property
    def corner(self) -> tuple[int, int]:
        """Where the view is in the middle of the exposure."""
        return self.stops[len(self.stops) // 2]

    def light(self, canvas: Canvas, width: int, height: int) -> NDArray[np.float32]:
        """Return what falls into a view of this size, float32 (height, width, 3), smeared by the movement."""
        left, top = (min(stop[axis] for stop in self.stops) for axis in (0, 1))
        right, bottom = (max(stop[axis] for stop in self.stops) for axis in (0, 1))
        if max(right - left, bottom - top) <= _STILL:
            return canvas.transmittance(*self.corner, width, height)
        all_of_it = canvas.transmittance(left, top, width + right - left, height + bottom - top)
        stops, times = np.unique(np.array(self.stops), axis=0, return_counts=True)
        seen = np.zeros((height, width, 3), np.float32)
        for (x, y), weight in zip(stops.tolist(), (times / times.sum()).tolist(), strict=True):
            view = all_of_it[y - top : y - top + height, x - left : x - left + width]
            cv2.scaleAdd(np.ascontiguousarray(view), weight, seen, dst=seen)
        return seen


class _Move(NamedTuple):
    """A push to a spot, or a rest there: how long it takes, and how blurred the picture is at its end."""

    spot: Spot
    seconds: float
    blur: float


class HandPath:
    """All exposures of a slide on its way, which stops where every cell of the slide shows whole.

    The hand goes row by row or column by column in pushes of uneven length and speed, each eased (Flash and
    Hogan 1985), rests between them, and at times goes back over what was seen, and comes again. It trembles
    all the while. Now and then the focus is lost for some stops, until somebody turns the knob and goes over
    them again. The same numbers give the same path.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        slide: tuple[int, int],
        field: tuple[int, int],
        *,
        rate: float,
        exposure_s: float,
    ) -> None:
        """Plan the way.

        slide, field: width and height of the slide and of a view, pixels of the slide. rate: pictures in a
        second of the hand's own time. exposure_s: how long the shutter is open.
        """
        self._furthest = max(0, slide[0] - field[0]), max(0, slide[1] - field[1])
        self._picture_s = 1 / rate + exposure_s
        moves = [move for stop in self._stops(rng, field) for move in stop]
        self._spots = np.array([moves[0].spot, *(move.spot for move in moves)], float)
        self._ends = np.cumsum([0.0, *(move.seconds for move in moves)])
        self._tremor = rng.uniform(*_TREMOR_HZ, (2, 3)), rng.uniform(0, 2 * np.pi, (2, 3))
        self._strength = rng.uniform(*_TREMOR, (2, 3)) / np.sqrt(3)
        self._blurs = np.array([0.0, *(move.blur for move in moves)])
        self._period = 1 / rate
        self._open = np.linspace(0, exposure_s, _INSTANTS)

    def __len__(self) -> int:
        """Count the exposures."""
        return math.ceil(float(self._ends[-1]) / self._period)

    def __getitem__(self, number: int) -> Exposure:
        """Return an exposure; raises IndexError behind the last."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        # Not all of them at once: of a large slide they would be more than a small device has.
        time = number * self._period
        stops = tuple((int(x), int(y)) for x, y in self._at(time + self._open).tolist())
        return Exposure(stops, float(np.interp(time, self._ends, self._blurs)))

    def __iter__(self) -> Iterator[Exposure]:
        """Go the way from its beginning."""
        return (self[number] for number in range(len(self)))

    def _at(self, times: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the corner of the view (..., 2) at these times."""
        last = np.clip(np.searchsorted(self._ends, times, side="right"), 1, len(self._ends) - 1)
        begins, ends = self._ends[last - 1], self._ends[last]
        done = np.clip((times - begins) / np.maximum(ends - begins, 1e-9), 0, 1)
        eased = (done**3 * (10 - 15 * done + 6 * done**2))[..., None]
        spots = self._spots[last - 1] * (1 - eased) + self._spots[last] * eased
        frequencies, phases = self._tremor
        shake = np.sin(2 * np.pi * frequencies * times[..., None, None] + phases) * self._strength
        return np.asarray(np.clip(np.rint(spots + shake.sum(-1)), 0, self._furthest), np.int64)

    def _stops(self, rng: np.random.Generator, field: tuple[int, int]) -> Iterator[list[_Move]]:
        """Return the moves to each stop and the rest there, in the hand's order."""
        been: list[Spot] = []
        unseen: list[Spot] = []  # for the focus was lost
        sharp, lost, blur = int(rng.integers(*_SHARP)), 0, 0.0
        spots = list(self._meander(rng, field))
        for spot in spots:
            if sharp == 0:
                lost, blur = int(rng.integers(*_LOST)), float(rng.uniform(*_BLUR))
                sharp = lost + int(rng.integers(*_SHARP))
            sharp -= 1
            yield self._moves(rng, spot, _PUSH_S, blur if lost else 0.0)
            if lost:
                lost -= 1
                unseen.append(spot)
                if lost and spot is not spots[-1]:
                    continue
                for back in reversed(unseen):
                    yield self._moves(rng, back, _PUSH_S)
                yield self._moves(rng, spot, _DASH_S)
                unseen.clear()
            elif been and rng.random() < _RETURNS:
                back = been[int(rng.integers(max(0, len(been) - _LATELY), len(been)))]
                yield self._moves(rng, back, _DASH_S)
                yield self._moves(rng, spot, _DASH_S)
            been.append(spot)

    def _meander(self, rng: np.random.Generator, field: tuple[int, int]) -> Iterator[Spot]:
        """Return the stops row by row, or column by column, every other one backwards."""
        turned = rng.random() < 0.5
        along, across = (1, 0) if turned else (0, 1)
        rows = _uneven(rng, self._furthest[across], field[across] - _CELL - 2 * _DRIFT)
        for number, row in enumerate(rows):
            places = _uneven(rng, self._furthest[along], field[along] - _CELL)
            for place in places if number % 2 == 0 else places[::-1]:
                drifted = float(np.clip(row + rng.uniform(-_DRIFT, _DRIFT), 0, self._furthest[across]))
                yield (drifted, place) if turned else (place, drifted)

    def _moves(
        self, rng: np.random.Generator, spot: Spot, seconds: tuple[float, float], blur: float = 0.0
    ) -> list[_Move]:
        """Return a push that ends at a spot, and a rest there that no picture can miss."""
        rest = self._picture_s + float(rng.exponential(_PAUSE_S))
        return [_Move(spot, float(rng.uniform(*seconds)), blur), _Move(spot, rest, blur)]


def _uneven(rng: np.random.Generator, length: float, longest: float) -> list[float]:
    """Divide a way into uneven steps, none above the longest: give 0, what is between, length."""
    places = [0.0]
    while places[-1] < length:
        places.append(places[-1] + float(rng.uniform(0.7, 1.0)) * longest)
    return [place * min(1.0, length / places[-1]) if place else 0.0 for place in places]
