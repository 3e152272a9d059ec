"""Where the nuclei of white cells are: found in the whole field, then outlined by what lies around each.

Nuclei take up the blue dye, which absorbs green and lets blue pass. For finding them the logarithm of blue
over green serves: light and white balance only shift it. Their outline is where the stain itself changes,
so there the share of light that is absorbed is taken, not its logarithm, which would part the dark from the
darker within a nucleus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.masking.pieces import around, of_box, parts_of, pieces_of
from edge.masking.thresholds import histogram, median, quantile, split_in_three, split_in_two

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.masking.field import Pixels

_STEPS = 100  # levels of the log ratio, uint8, to one natural logarithm
_DARKEST = 1.2  # below 0 in the same, at level 0: green three times as bright as blue
_LEAST_SPREAD = 0.12  # natural log of B/G: below it everything in the picture has one colour
_TWO_KINDS = 0.8  # share of variance between the kinds, from which they are two
_EVEN = 0.75  # the same of evenly spread levels: a picture divided no better was divided at the wrong place
_ONE_KIND = 0.64  # the same of one bell-shaped kind
_PALE = 0.72  # of the stain of nuclei: a paler nucleus beside a darker one has more
_CLEAR = 0.75  # natural log of B/G above the glass: red cells, be they ever so blue, have up to 0.7
_LARGE = 0.3  # of the largest dark nucleus's area
_FEW = 0.0015  # share of the frame: fewer pixels are specks, not nuclei
_SURROUNDINGS = 1.2  # of the largest nucleus's radius: glass, cytoplasm and red cells to compare it with
_SPECK = 0.08  # of the largest part's area: granules and deposits, not lobes
_HOLE = 0.03  # of the largest part's area: pale chromatin, not the gap within a ring
_FIRST_LOBE = 0.04  # of the largest part's area: what else of the first finding may be a lobe
_LOG = np.log(np.arange(256, dtype=np.float32) + 1)
_DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
_CROSS = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))


def log_ratio(green: Pixels, blue: Pixels, outside: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Give the smoothed natural log of blue over green, float32 (h, w), of two channels, uint8 (h, w)."""
    ratio = np.asarray(cv2.subtract(cv2.LUT(blue, _LOG), cv2.LUT(green, _LOG)), np.float32)
    if outside is not None:
        ratio[outside] = np.median(ratio[~outside]) if (~outside).any() else 0
    # Chroma is coarser than luma in every JPEG.
    return np.asarray(cv2.GaussianBlur(ratio, (0, 0), 1.5), np.float32)


def absorbed(green: Pixels, blue: Pixels, white: NDArray[np.float32]) -> Pixels:
    """Give how much of the light the nuclear stain takes, uint8 (h, w), 255 for all of it.

    green, blue: uint8 (h, w). white: RGB of the bare glass. It is the mean of what is absorbed of green, and
    of green beside blue: the first tells where much dye is, the second leaves out what is dark in every
    colour.
    """
    levels = np.arange(256, dtype=np.float32)
    tables = (np.minimum(levels / max(1.0, float(white[k])), 1.2) + np.float32(0.02) for k in (1, 2))
    of_green, of_blue = (
        cv2.LUT(cv2.GaussianBlur(channel, (3, 3), 0.8), table)
        for channel, table in zip((green, blue), tables, strict=True)
    )
    passed = cv2.add(of_green, cv2.divide(of_green, of_blue))
    # Twice 0.5, and what is above 1 is none: uint8 saturates.
    return np.asarray(cv2.bitwise_not(cv2.convertScaleAbs(passed, alpha=127.5)), np.uint8)


def find_nuclei(
    ratio: NDArray[np.float32], stain: Pixels, outside: NDArray[np.bool_] | None, bare_ratio: float
) -> Pixels:
    """Give the nuclei, uint8 (h, w), 0 or 255; ratio and stain are those of `log_ratio` and `absorbed`.

    bare_ratio: the ratio on bare glass.
    """
    first = _seeds(ratio, stain, outside, bare_ratio)
    return _outlined(first, stain, outside) if first.any() else first


def _seeds(
    ratio: NDArray[np.float32], stain: Pixels, outside: NDArray[np.bool_] | None, bare_ratio: float
) -> Pixels:
    """Give roughly where nuclei are: what has more blue than the rest, and is the darker of it."""
    shifted = ratio + np.float32(_DARKEST)
    np.maximum(shifted, 0, out=shifted)
    level = np.asarray(cv2.convertScaleAbs(shifted, alpha=_STEPS), np.uint8)
    inside = None if outside is None else np.asarray(~outside, np.uint8)
    counts = histogram(level, inside)
    low, high = quantile(counts, 0.01), quantile(counts, 0.998)
    if high - low < _LEAST_SPREAD * _STEPS:
        return np.zeros(ratio.shape, np.uint8)
    # The few pixels beyond would move the threshold more than they count for.
    clipped = counts.copy()
    clipped[low], clipped[high] = counts[: low + 1].sum(), counts[high:].sum()
    clipped[:low], clipped[high + 1 :] = 0, 0
    threshold, first = split_in_two(clipped)
    mask = (level > threshold).view(np.uint8)
    if inside is not None:
        mask &= inside
    # Where the stain gives red cells or granules a share of the blue dye, nuclei are the darker of two kinds.
    counts = histogram(stain, mask)
    threshold, clearness = split_in_two(counts)
    needed = _ONE_KIND if first < _EVEN else _TWO_KINDS
    dark, pale = counts.copy(), counts.copy()
    dark[: threshold + 1], pale[threshold + 1 :] = 0, 0
    if (
        clearness > needed
        and dark.sum() > _FEW * mask.size
        and quantile(pale, 0.5) < _PALE * quantile(dark, 0.5)
    ):
        nuclei = _opened(mask & (stain > threshold).view(np.uint8))
        return nuclei | _pale_nuclei(_opened(mask), nuclei, ratio, bare_ratio + _CLEAR)
    return _opened(mask)


def _opened(mask: NDArray[np.uint8]) -> Pixels:
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, _DISC), np.uint8) * np.uint8(255)


def _pale_nuclei(mask: Pixels, dark: Pixels, ratio: NDArray[np.float32], least: float) -> Pixels:
    """Give those pieces of a mask, uint8 (h, w), that are nuclei as well though none of the `dark` ones.

    A monocyte's beside a neutrophil's is one of the paler kind, but no red cell has a ratio of `least`.
    """
    nuclei = np.zeros_like(mask)
    if not dark.any():
        return nuclei
    pieces = pieces_of(mask)
    likely = pieces.areas >= _LARGE * pieces_of(dark).largest
    likely[pieces.labels[dark[pieces.window] > 0]] = False
    likely[0] = False
    for k in np.flatnonzero(likely).tolist():
        window = of_box(tuple(pieces.boxes[k].tolist()))
        mine = pieces.labels[window] == k
        if median(ratio[pieces.window][window][mine]) >= least:
            nuclei[pieces.window][window][mine] = 255
    return nuclei


def _outlined(first: Pixels, stain: Pixels, outside: NDArray[np.bool_] | None) -> Pixels:
    """Outline each nucleus anew: the darkest of three kinds, glass, cytoplasm and nucleus, around it."""
    parts = pieces_of(first)
    radius = float(np.sqrt(parts.largest / np.pi))
    likely = parts.areas >= _FIRST_LOBE * parts.largest
    likely[0] = False
    rest = np.ones_like(first)
    rest[parts.window] = ~parts.chosen(likely)
    near = around(first, _SURROUNDINGS * radius)
    distance = cv2.distanceTransform(rest[near], cv2.DIST_L2, 3)
    surroundings = (distance < _SURROUNDINGS * radius).view(np.uint8)
    if outside is not None:
        surroundings[outside[near]] = 0
    regions = pieces_of(surroundings)
    nuclei = np.zeros_like(first)
    stain_near, nuclei_near = stain[near][regions.window], nuclei[near][regions.window]
    for k, (x, y, w, h) in enumerate(regions.boxes[1:].tolist(), start=1):
        window = np.s_[y : y + h, x : x + w]
        here = (regions.labels[window] == k).view(np.uint8)
        nuclei_near[window] |= np.uint8(255) * _outline(stain_near[window], here, 0.13 * radius)
    return nuclei


def _outline(stain: Pixels, here: NDArray[np.uint8], step: float) -> NDArray[np.uint8]:
    """Outline the nuclei in one region of `stain`, where `here` is 1: uint8 (h, w), 0 or 1.

    Otsu's border lies too deep where cytoplasm is so pale that the blurred edges of nuclei pass for a kind of
    their own. A blurred edge lies where the stain is half way from what is around to what is within.
    """
    _, threshold = split_in_three(histogram(stain, here))
    nucleus = _tidy(here & (stain > threshold).view(np.uint8))
    core = np.asarray(cv2.erode(nucleus, _CROSS), np.uint8)
    if not cv2.countNonZero(core):
        return nucleus
    distance = cv2.distanceTransform(1 - nucleus, cv2.DIST_L2, 3)
    ring = here & (distance >= max(2.0, step)) & (distance <= max(4.0, 2.7 * step))
    if not cv2.countNonZero(ring):
        return nucleus
    # Most of the ring, not half of it: where there is cytoplasm on one side only, that side counts.
    half = (quantile(histogram(stain, core), 0.5) + quantile(histogram(stain, ring), 0.75)) / 2
    if half >= threshold:
        return nucleus
    return _tidy(here & (stain > half).view(np.uint8))


def _tidy(dark: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Drop hairs and specks beside a nucleus and close small holes in it: uint8 (h, w), 0 or 1."""
    mask = np.asarray(cv2.morphologyEx(dark, cv2.MORPH_OPEN, _CROSS), np.uint8)
    parts = parts_of(mask)
    if not parts.largest:
        return mask
    lobes = parts.areas >= _SPECK * parts.largest
    lobes[0] = False
    tidy = np.zeros_like(mask)
    tidy[parts.window] = parts.chosen(lobes)
    gaps = parts_of(np.asarray(1 - tidy, np.uint8))
    small = gaps.areas < _HOLE * parts.largest
    small[0] = False
    if small.any():
        tidy[gaps.window] |= gaps.chosen(small).view(np.uint8)
    return tidy
