"""How a specimen's fields usually look, and in what a frame is worse. No arithmetic on pixels here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.messages import Quality, RefusalReason

_FEWEST = 5  # fields; with fewer the reference refuses nothing
_BINS = 400
_SAME_SIZE = 0.1  # of width and height: how far frames of one camera setting may differ
_FOCUS = 0.4  # of the sharp fields' focus; of real slides, mixed ones too, 95 % of the fields are above
_MOTION = 0.22  # above the median; of real slides 98 % of the fields are less than 0.2 above
# How far beyond the outer tenth of the fields a value may lie. Natural logarithms, except for shares.
_DARKER, _BRIGHTER, _CLIPPED = 0.35, 0.25, 0.25
_COLOUR = 0.35  # of red or blue; up to this, cells are found as well in light of another colour
_WHITE = math.log(250)
_BLEACHED = 0.8  # share of white pixels: more than glass alone
_STAIN = math.log(2.5)
_COVERAGE = 0.25
# Frames refused for these reasons still count for what is usual: perhaps the first fields were the odd ones.
_VOTING: frozenset[RefusalReason | None] = frozenset(
    (None, "too dark", "overexposed", "colour changed", "stain changed", "too crowded")
)


class QualityReference:
    """What the fields of one specimen were like so far.

    Sharpness is compared with the sharpest tenth of the accepted fields: after a blurred beginning the first
    sharp fields set the standard, and refused blur never does. Light, stain and coverage are compared with
    the middle eight tenths of all fields that were in focus, accepted or not: a beginning in the wrong light
    is outvoted later, and a specimen that varies by itself is allowed to. Frames whose size differs by more
    than a tenth come from another camera setting and have a reference of their own.
    """

    def __init__(self) -> None:
        self._by_size: dict[tuple[int, int], _Usual] = {}

    def learn(self, quality: Quality, width: int, height: int) -> None:
        """Learn from a judged field of this size, pixels; one of a version without these figures is skipped.

        Only what is in the field's message counts, so the stored fields make the same reference again.
        """
        if quality.background_rgb is None:
            return
        usual = self._usual(width, height)
        if usual is None:
            usual = self._by_size[width, height] = _Usual()
        usual.learn(quality)

    def reason(self, quality: Quality, width: int, height: int) -> RefusalReason | None:
        """Return why a frame of this size, pixels, is worse than the specimen's fields; None if it is not."""
        usual = self._usual(width, height)
        return None if usual is None else usual.reason(quality)

    def _usual(self, width: int, height: int) -> _Usual | None:
        for (across, down), usual in self._by_size.items():
            if abs(width - across) < _SAME_SIZE * across and abs(height - down) < _SAME_SIZE * down:
                return usual
        return None


class _Usual:
    """The fields of one size."""

    def __init__(self) -> None:
        self._focus = _Spread(-5, 5)
        self._motion = _Spread(0, 1)
        self._accepted, self._all = _Look(), _Look()

    def learn(self, quality: Quality) -> None:
        if quality.accepted:
            self._focus.add(_log(quality.focus))
            self._motion.add(quality.motion or 0.0)
            self._accepted.learn(quality)
        if quality.reason in _VOTING:
            self._all.learn(quality)

    def reason(self, quality: Quality) -> RefusalReason | None:
        """Return the first thing that is wrong, in the order in which an operator would correct them."""
        if len(self._focus) < _FEWEST:
            return None
        outvoted = 2 * len(self._accepted) < len(self._all)
        look = (self._all if outvoted else self._accepted).reason(quality)
        if look not in {None, "stain changed"}:
            return look
        if (quality.motion or 0.0) > self._motion.quantile(0.5) + _MOTION:
            return "motion"
        if _log(quality.focus) < self._focus.high + math.log(_FOCUS):
            return "out of focus"
        return look


class _Look:
    """Light, stain and cover of some fields."""

    def __init__(self) -> None:
        self._light, self._red, self._blue = _Spread(1, 6), _Spread(-3, 3), _Spread(-3, 3)
        self._clipped = _Spread(0, 1)
        self._stain = _Spread(-4, 2)
        self._coverage = _Spread(0, 1)

    def __len__(self) -> int:
        return len(self._light)

    def learn(self, quality: Quality) -> None:
        light, red, blue = _light(quality)
        self._light.add(light)
        self._red.add(red)
        self._blue.add(blue)
        self._clipped.add(quality.clipped)
        self._stain.add(_log(quality.stain or 0.0))
        self._coverage.add(quality.coverage or 0.0)

    def reason(self, quality: Quality) -> RefusalReason | None:
        light, red, blue = _light(quality)
        most = self._clipped.high + _CLIPPED
        if self._light.high > _WHITE:  # bare glass is always at the sensor's limit here: that is no fault
            most = max(_BLEACHED, self._clipped.high + _CLIPPED / 2)
        reason: RefusalReason | None = None
        if (quality.coverage or 0.0) > self._coverage.high + _COVERAGE:
            # Checked before the light: among crowded cells no bare glass shows how bright the light is.
            reason = "too crowded"
        elif light < self._light.low - _DARKER:
            reason = "too dark"
        elif light > self._light.high + _BRIGHTER or quality.clipped > most:
            reason = "overexposed"
        elif max(self._red.beyond(red), self._blue.beyond(blue)) > _COLOUR:
            reason = "colour changed"
        elif self._stain.beyond(_log(quality.stain or 0.0)) > _STAIN:
            reason = "stain changed"
        return reason


class _Spread:
    """The distribution of a figure, in bins from `lowest` to `highest`: its size never grows."""

    def __init__(self, lowest: float, highest: float) -> None:
        self._lowest = lowest
        self._width = (highest - lowest) / _BINS
        self._counts = [0] * _BINS
        self._total = 0
        self._places: dict[float, tuple[int, int]] = {}

    def __len__(self) -> int:
        return self._total

    def add(self, value: float) -> None:
        place = min(max(int((value - self._lowest) / self._width), 0), _BINS - 1)
        self._counts[place] += 1
        self._total += 1
        for share, (last, before) in self._places.items():
            if place < last:
                self._places[share] = last, before + 1

    def quantile(self, share: float) -> float:
        """Return the middle of the bin in which this share of the values is reached."""
        rank = max(1, math.ceil(share * self._total))
        # One more value moves it little: start at its last place; `before` counts the values below that.
        place, before = self._places.get(share, (0, 0))
        while before >= rank:
            place -= 1
            before -= self._counts[place]
        while place < _BINS and before + self._counts[place] < rank:
            before += self._counts[place]
            place += 1
        self._places[share] = place, before
        return self._lowest + (place + 0.5) * self._width

    @property
    def low(self) -> float:
        return self.quantile(0.1)

    @property
    def high(self) -> float:
        return self.quantile(0.9)

    def beyond(self, value: float) -> float:
        """Return how far a value lies outside of the middle eight tenths."""
        return max(self.low - value, value - self.high, 0.0)


def _light(quality: Quality) -> tuple[float, float, float]:
    """Return the logarithms of green, and of red and blue over green, in bare glass."""
    red, green, blue = (math.log(max(level, 1.0)) for level in quality.background_rgb or (0, 0, 0))
    return green, red - green, blue - green


def _log(value: float) -> float:
    return math.log(max(value, 1e-2))
