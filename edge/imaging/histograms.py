"""Thresholds that a picture sets for itself, from the histogram of a uint8 image.

Otsu (1979), for two and three classes: the borders that leave the least variance within the classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Histogram = NDArray[np.float64]

_COARSE = 64  # bins for a split in three; to try all pairs of 256 levels would take too long
_FEW = 0.15  # share of an image: fewer pixels than this are faster to pick out than to mask
_KIND_BITS = 17  # bits of a float32 that are dropped: what is left makes 64 bins an octave
_LEVELS = np.arange(256, dtype=np.float64)
_BINS = np.arange(_COARSE)


def histogram(image: NDArray[np.uint8], inside: NDArray[np.uint8] | None = None) -> Histogram:
    """Count the levels of an image, uint8 (h, w), where `inside`, uint8 (h, w), is not 0: float64 (256,)."""
    if inside is not None and cv2.countNonZero(inside) < _FEW * inside.size:
        return np.bincount(image[inside.astype(bool)], minlength=256).astype(np.float64)
    return np.asarray(cv2.calcHist([image], [0], inside, [256], [0, 256]), np.float64)[:, 0]


def quantile(counts: Histogram, share: float) -> int:
    """The level at or below which this share of the pixels lies, for the counts of each level (256,)."""
    cumulated = counts.cumsum()
    return int(min(255, cumulated.searchsorted(share * cumulated[-1])))


def ranked(values: NDArray[np.int16] | NDArray[np.uint8], *ranks: int) -> list[int]:
    """Return the values of these ranks, 0 to n - 1, of whole numbers (n,), none of which is below 0.

    By counting.
    """
    return [int(rank) for rank in np.bincount(values).cumsum().searchsorted(ranks, "right")]


def smallest(values: NDArray[np.float32], *ranks: int) -> list[float]:
    """Return the values of these ranks, 0 to n - 1, of float32 (n,), none of which is below 0.

    By counting: comparing values, which a picture has in no order, takes three times as long.
    """
    # For floats of 0 and more, the order of their bits is the order of the numbers.
    kinds = values.view(np.int32) >> _KIND_BITS
    ends = np.bincount(kinds).cumsum()
    found = []
    for rank in ranks:
        kind = int(ends.searchsorted(rank, "right"))
        alike = values[kinds == kind]
        place = rank - (int(ends[kind - 1]) if kind else 0)
        alike.partition(place)
        found.append(float(alike[place]))
    return found


def split_in_two(counts: Histogram) -> tuple[int, float]:
    """Return Otsu's threshold, the highest level of the lower class, and how clearly it parts, 0 to 1.

    The second is the share of the variance that lies between the classes: 1 for two sharp kinds, 0.75 for
    levels spread evenly, 0.64 for one bell-shaped kind. 0 where there is one level only, or none.
    """
    below = counts.cumsum()
    sums = (counts * _LEVELS).cumsum()
    total, mean = below[-1], sums[-1] / max(1.0, below[-1])
    above = total - below
    sizes = below * above
    # Where one of the classes is empty, the numerator is 0, too.
    between = (mean * below - sums) ** 2 / np.maximum(sizes, 1)
    most = between.max()
    # Between two sharp classes every level is as good: the middle one leaves the most room for noise.
    best = np.flatnonzero(between >= most * (1 - 1e-9))
    variance = float(((_LEVELS - mean) ** 2) @ counts) / max(1.0, total)
    if variance <= 0:
        return 0, 0.0
    return int(best[len(best) // 2]), float(most / variance)


def split_in_three(counts: Histogram) -> tuple[int, int]:
    """Return the highest levels of the lowest and of the middle of three classes, to four levels."""
    bins = counts[0::4] + counts[1::4] + counts[2::4] + counts[3::4]
    kinds = np.flatnonzero(bins)
    if len(kinds) >= 3:
        # An empty bin splits the pixels as the bin before it does.
        between = _between(bins[kinds], kinds)
    else:
        kinds = _BINS
        with np.errstate(divide="ignore", invalid="ignore"):
            between = _between(bins, kinds)
        between[~np.isfinite(between)] = -1
    first, second = (int(kinds[k]) for k in divmod(int(between.argmax()), len(kinds) - 1))
    width = 256 // _COARSE
    return first * width + width - 1, second * width + width - 1


def _between(bins: Histogram, kinds: NDArray[np.int64]) -> Histogram:
    """Return the variance between three classes, up to a constant: float64 (n, n - 1), n filled bins.

    The row is the last bin of the lowest class, the column the last bin of the middle one. bins: float64
    (n,), the pixels of each bin. kinds: int64 (n,), the bins' numbers.
    """
    n, s = bins.cumsum(), (bins * kinds).cumsum()
    between: Histogram = s[:-1] - s[:, None]
    sizes = n[:-1] - n[:, None]
    # Where both borders are the same, the middle class is empty: not a choice.
    sizes.reshape(-1)[:: len(kinds)] = 1
    between *= between
    between /= sizes
    between += (s * s / n)[:, None]
    between += (s[-1] - s[:-1]) ** 2 / (n[-1] - n[:-1])
    between.reshape(-1)[:: len(kinds)] = -1
    return between
