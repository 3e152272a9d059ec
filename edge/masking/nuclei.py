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

from edge.imaging.components import (
    around,
    components_of,
    each_piece,
    of_box,
    parts_of,
    whole_piece,
    widened,
    within,
)
from edge.imaging.histograms import histogram, median, median_of_many, quantile, split_in_three, split_in_two

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.imaging.components import Window
    from edge.imaging.pixels import Pixels

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
    """Return the smoothed natural log of blue over green, float32 (h, w), of two channels, uint8 (h, w)."""
    ratio, of_green = np.asarray(cv2.LUT(blue, _LOG), np.float32), cv2.LUT(green, _LOG)
    cv2.subtract(ratio, of_green, ratio)
    if outside is not None:
        inside = ratio[~outside]
        ratio[outside] = median_of_many(inside) if len(inside) else 0
    # Chroma is coarser than luma in every JPEG.
    return np.asarray(cv2.GaussianBlur(ratio, (0, 0), 1.5, of_green), np.float32)


def absorbed(channels: tuple[Pixels, Pixels], white: NDArray[np.float32], window: Window) -> Pixels:
    """Return how much of the light the nuclear stain takes, uint8, 255 for all of it, of a window's shape.

    channels: green and blue, uint8 (h, w). white: RGB of the bare glass. It is the mean of what is absorbed
    of green, and of green beside blue: the first tells where much dye is, the second leaves out what is dark
    in every colour.
    """
    levels = np.arange(256, dtype=np.float32)
    tables = (np.minimum(levels / max(1.0, float(white[k])), 1.2) + np.float32(0.02) for k in (1, 2))
    # With a pixel of what lies around, as far as there is any: smoothing asks for it.
    wide, inner = widened(window, 1)
    of_green, of_blue = (
        cv2.LUT(cv2.GaussianBlur(channel[wide], (3, 3), 0.8)[inner], table)
        for channel, table in zip(channels, tables, strict=True)
    )
    passed = cv2.add(of_green, cv2.divide(of_green, of_blue))
    # Twice 0.5, and what is above 1 is none: uint8 saturates.
    return np.asarray(cv2.bitwise_not(cv2.convertScaleAbs(passed, alpha=127.5)), np.uint8)


def find_nuclei(
    ratio: NDArray[np.float32],
    channels: tuple[Pixels, Pixels],
    white: NDArray[np.float32],
    outside: NDArray[np.bool_] | None,
    bare_ratio: float,
) -> Pixels:
    """Return the nuclei, uint8 (h, w), 0 or 255.

    ratio: of `log_ratio`. channels: green and blue, uint8 (h, w). white, bare_ratio: RGB of the bare glass,
    and its ratio. outside: bool (h, w), what is no picture, or None.
    """
    nuclei = np.zeros(ratio.shape, np.uint8)
    coloured, is_clear = _coloured(ratio, outside)
    count = cv2.countNonZero(coloured)
    if not count:
        return nuclei
    # No nucleus is larger than all that has its colour: nothing is asked of what lies further from that.
    near = around(coloured, _SURROUNDINGS * float(np.sqrt(count / np.pi)))
    stain = absorbed(channels, white, near)
    first = _seeds(coloured[near], is_clear, stain, ratio[near], bare_ratio + _CLEAR, _FEW * ratio.size)
    if first.any():
        nuclei[near] = _outlined(first, stain, None if outside is None else outside[near])
    return nuclei


def _coloured(
    ratio: NDArray[np.float32], outside: NDArray[np.bool_] | None
) -> tuple[NDArray[np.uint8], bool]:
    """Return what has more blue than the rest, uint8 (h, w), 0 or 1, and if that is clearly another kind."""
    shifted = ratio + np.float32(_DARKEST)
    # NumPy's maximum takes ten times as long: it looks for what is no number.
    cv2.threshold(shifted, 0, 0, cv2.THRESH_TOZERO, shifted)
    level = np.asarray(cv2.convertScaleAbs(shifted, alpha=_STEPS), np.uint8)
    inside = None if outside is None else (~outside).view(np.uint8)
    counts = histogram(level, inside)
    low, high = quantile(counts, 0.01), quantile(counts, 0.998)
    if high - low < _LEAST_SPREAD * _STEPS:
        return np.zeros(ratio.shape, np.uint8), False
    # The few pixels beyond would move the threshold more than they count for.
    clipped = counts.copy()
    clipped[low], clipped[high] = counts[: low + 1].sum(), counts[high:].sum()
    clipped[:low], clipped[high + 1 :] = 0, 0
    threshold, clearness = split_in_two(clipped)
    coloured = (level > threshold).view(np.uint8)
    if inside is not None:
        coloured &= inside
    return coloured, clearness >= _EVEN


def _seeds(
    coloured: NDArray[np.uint8],
    is_clear: bool,
    stain: Pixels,
    ratio: NDArray[np.float32],
    pale_ratio: float,
    fewest: float,
) -> Pixels:
    """Return roughly where nuclei are, uint8 (h, w), 0 or 255: the darker of what has their colour.

    coloured, is_clear: of `_coloured`. pale_ratio: from which on a paler one is a nucleus as well. fewest:
    pixels of a kind.
    """
    # Where the stain gives red cells or granules a share of the blue dye, nuclei are the darker of two kinds.
    counts = histogram(stain, coloured)
    threshold, clearness = split_in_two(counts)
    dark, pale = counts.copy(), counts.copy()
    dark[: threshold + 1], pale[threshold + 1 :] = 0, 0
    if (
        clearness > (_TWO_KINDS if is_clear else _ONE_KIND)
        and dark.sum() > fewest
        and quantile(pale, 0.5) < _PALE * quantile(dark, 0.5)
    ):
        nuclei = _opened(coloured & (stain > threshold).view(np.uint8))
        return nuclei | _pale_nuclei(_opened(coloured), nuclei, ratio, pale_ratio)
    return _opened(coloured)


def _opened(mask: NDArray[np.uint8]) -> Pixels:
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, _DISC), np.uint8) * np.uint8(255)


def _pale_nuclei(mask: Pixels, dark: Pixels, ratio: NDArray[np.float32], least: float) -> Pixels:
    """Return those pieces of a mask, uint8 (h, w), that are nuclei as well though none of the `dark` ones.

    A monocyte's beside a neutrophil's is one of the paler kind, but no red cell has a ratio of `least`.
    """
    nuclei = np.zeros_like(mask)
    if not dark.any():
        return nuclei
    pieces = components_of(mask)
    likely = pieces.areas >= _LARGE * components_of(dark).largest
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
    parts = components_of(first)
    radius = float(np.sqrt(parts.largest / np.pi))
    likely = parts.areas >= _FIRST_LOBE * parts.largest
    likely[0] = False
    found = np.zeros_like(first)
    found[parts.window] = parts.chosen(likely)
    places = [place for place, is_likely in zip(parts.places, likely[1:], strict=True) if is_likely]
    near, is_near = within(found, places, _SURROUNDINGS * radius)
    surroundings = is_near.view(np.uint8)
    if outside is not None:
        surroundings[outside[near]] = 0
    nuclei = np.zeros_like(first)
    # What lies around one piece is one piece.
    alone = outside is None and len(places) == 1
    for window, here in [whole_piece(surroundings)] if alone else each_piece(surroundings):
        nuclei[near][window] |= np.uint8(255) * _outline(stain[near][window], here, 0.13 * radius)
    return nuclei


def _outline(stain: Pixels, here: NDArray[np.uint8], step: float) -> NDArray[np.uint8]:
    """Outline the nuclei in one region of `stain`, where `here` is 1: uint8 (h, w), 0 or 1.

    Otsu's border lies too deep where cytoplasm is so pale that the blurred edges of nuclei pass for a kind of
    their own. A blurred edge lies where the stain is half way from what is around to what is within.
    """
    _, threshold = split_in_three(histogram(stain, here))
    nucleus = _tidy(here & (stain > threshold).view(np.uint8))
    nearest, furthest = max(2.0, step), max(4.0, 2.7 * step)
    near = around(nucleus, furthest)
    core = np.asarray(cv2.erode(nucleus[near], _CROSS), np.uint8)
    if not cv2.countNonZero(core):
        return nucleus
    distance = cv2.distanceTransform(1 - nucleus[near], cv2.DIST_L2, 3)
    ring = here[near] & (distance >= nearest) & (distance <= furthest)
    if not cv2.countNonZero(ring):
        return nucleus
    # Most of the ring, not half of it: where there is cytoplasm on one side only, that side counts.
    within, beside = histogram(stain[near], core), histogram(stain[near], ring)
    half = (quantile(within, 0.5) + quantile(beside, 0.75)) / 2
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
    near, left_out = _with_margin(parts.window, mask.shape)
    gaps = parts_of(np.asarray(1 - tidy[near], np.uint8))
    if left_out:
        # The gap in the corner is what lies around them all.
        gaps.areas[gaps.labels[0, 0]] += left_out
    small = gaps.areas < _HOLE * parts.largest
    small[0] = False
    if small.any():
        tidy[near][gaps.window] |= gaps.chosen(small).view(np.uint8)
    return tidy


def _with_margin(window: Window, shape: tuple[int, ...]) -> tuple[Window, int]:
    """Widen a window by one pixel, or to all of this shape where it has not the room for that.

    Gives the pixels that are left out as well: all of them hang together with the margin.
    """
    rows, columns = window
    top, left, bottom, right = rows.start - 1, columns.start - 1, rows.stop + 1, columns.stop + 1
    if min(top, left) < 0 or bottom > shape[0] or right > shape[1]:
        return (slice(0, shape[0]), slice(0, shape[1])), 0
    return (slice(top, bottom), slice(left, right)), shape[0] * shape[1] - (bottom - top) * (right - left)
