"""How sure a share of counted cells is: 95 % intervals, exact as in Rumke's tables, or Wilson's. Pure.

Rumke (1985) tabulates the exact interval of a binomial share (Clopper and Pearson 1934) for differential
counts of 100 to 1,000 cells: what a laboratory has on its wall.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Method = Literal["exact", "wilson"]

_Z = 1.959963984540054  # 97.5 % of the normal distribution lies below
_TAIL = 0.025
_TINY = 1e-300
_CLOSE = 1e-14  # relative, of a continued fraction; its terms fall fast from the side it is used on
_MOST_TERMS = 100_000
_MOST_STEPS = 200
_NARROW = 1e-13
_SMALL_STEP = 1e-8  # Newton doubles the digits that are right: after one of this size they all are


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share, in percent: (low, high). Of nothing, nothing is known: (0, 100)."""
    if total == 0:
        return 0.0, 100.0
    share, z2 = count / total, _Z * _Z
    center = share + z2 / (2 * total)
    reach = _Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    scale = 100 / (1 + z2 / total)
    # At 0 and at all of them, rounding would put the end of the interval past the share itself.
    return min(max(0.0, (center - reach) * scale), 100 * share), max(
        min(100.0, (center + reach) * scale), 100 * share
    )


def exact(count: int, total: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share, in percent: (low, high). Of nothing: (0, 100).

    Clopper and Pearson 1934: outside it lie the shares under which a count this far off would come in fewer
    than 2.5 % of specimens. It covers the true share at least as often as it says.
    """
    near_low, near_high = wilson(count, total)  # a start that is a step or two away
    low, high = 0.0, 100.0
    if count > 0:
        low = 100 * beta_quantile(_TAIL, count, total - count + 1, near_low / 100)
    if count < total:
        high = 100 * beta_quantile(1 - _TAIL, count + 1, total - count, near_high / 100)
    return low, high


METHODS: dict[Method, tuple[str, Callable[[int, int], tuple[float, float]]]] = {
    "exact": ("Clopper-Pearson 95 %", exact),
    "wilson": ("Wilson 95 %", wilson),
}
"""Every method, with its name as messages carry it."""


def beta_quantile(share: float, a: float, b: float, start: float = 0.0) -> float:
    """The value, 0 to 1, below which this share of the beta distribution lies; a, b > 0, 0 < share < 1.

    Newton's steps, kept between two values that hold the answer between them. start: a guess.
    """
    low, high = 0.0, 1.0
    x = start if 0 < start < 1 else a / (a + b)
    for _ in range(_MOST_STEPS):
        off = incomplete_beta(a, b, x) - share
        if off > 0:
            high = x
        else:
            low = x
        if off == 0 or high - low <= _NARROW * high:
            break
        slope = math.exp(_log_front(a, b, x)) / (x * (1 - x))
        step = x - off / slope if slope > _TINY else low
        if abs(step - x) <= _SMALL_STEP * x:
            return min(max(step, low), high)
        x = step if low < step < high else (low + high) / 2
    return x


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularized incomplete beta function: what share of the beta distribution lies below x.

    By its continued fraction (Abramowitz and Stegun 1964, 26.5.8), evaluated as Lentz (1976) does.
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the one side only
        return 1.0 - incomplete_beta(b, a, 1 - x)
    return math.exp(_log_front(a, b, x)) / a * _fraction(a, b, x)


def _log_front(a: float, b: float, x: float) -> float:
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return a * math.log(x) + b * math.log1p(-x) - log_beta


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _off_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MOST_TERMS):
        twice = a + 2 * m
        for term in (
            m * (b - m) * x / ((twice - 1) * twice),
            -(a + m) * (a + b + m) * x / (twice * (twice + 1)),
        ):
            d = 1 / _off_zero(1 + term * d)
            c = _off_zero(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < _CLOSE:
            break
    return value


def _off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
