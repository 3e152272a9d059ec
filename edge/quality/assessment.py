"""Is this frame worth analysing: measured figures and a verdict with one reason.

Sharpness is the strongest hundredth of the Laplacian of a slightly smoothed picture (Pech-Pacheco et al. 2000
take its variance), minus what noise alone gives, divided by the contrast of a coarse picture, which blur does
not change. So the number of cells, their stain and the exposure do not count as sharpness. Motion leaves only
the edges along its direction, so all strong edges then point the same way.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import msgspec
import numpy as np

from edge.imaging.black_border import black_border
from edge.imaging.histograms import histogram, quantile, ranked, smallest
from edge.messages import Quality
from edge.quality.colours import ColourProblem, colour_problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.messages import RefusalReason
    from edge.quality.reference import QualityReference

_WORK_SIDE = 640  # pixels; a larger frame is reduced to it, which is finer than cells are found at
_COARSE_SIDE = 160  # pixels; light, stain and contrast are measured at this size
_SMOOTH = 1.2  # pixels: removes noise and JPEG's blocks, but keeps edges that are in focus
_FINE = 32  # steps to a grey level: smoothing loses little, and the Laplacian still fits int16
_KERNEL = cv2.getGaussianKernel(11, _SMOOTH, cv2.CV_32F)
_FEWEST = 100  # pixels; with fewer there are no edges to measure
_NOISE = 3.0  # medians taken for noise; pure noise has 3.8 at its 99th percentile, but cells have texture
_FLAT = 2.0  # grey levels that are added to the contrast, so that a flat picture has no sharpness
_STRONG = 0.9  # quantile of the gradients; weaker ones say nothing about motion
_GLASS = 0.9  # quantile of the levels that is bare glass, if a tenth of the frame is bare
_CELL = 0.82  # of the glass's light; cells let less through

_LEVELS = np.maximum(np.arange(256, dtype=np.float64), 1.0)
_DENSEST = 2.5  # natural log: what is darker counts as this dark

# Outer limits: no microscope's frame is of use beyond.
_DARK = 30  # mean grey level below which a stained smear shows no colour that can be trusted
_CLIPPED = 0.9  # share of white pixels at which cells are bleached out as well
_BLANK = 3.0  # standard deviation of grey levels: a bare field or a covered lens has next to none
_BARE = 0.002  # share of the frame that is covered: a tenth of a white cell
_CROWDED = 0.97
_UNSHARP = 0.5  # percent of the contrast: red cells are clouds
_STREAKED = 0.8  # all edges are parallel


def assess(pixels: NDArray[np.uint8], reference: QualityReference | None = None) -> Quality:
    """Measure a frame, uint8 RGB (height, width, 3), and refuse it if its cells could not be recognised.

    reference: what the specimen's fields are like; without it only the outer limits apply. It is not changed.
    """
    height, width = pixels.shape[:2]
    found = measure(pixels)
    reason = _beyond_limits(found)
    if reason is None and reference is not None:
        reason = reference.reason(found.quality, width, height)
    return msgspec.structs.replace(found.quality, accepted=reason is None, reason=reason)


class Measured(NamedTuple):
    """The figures of a frame. deviation: standard deviation of its grey levels."""

    quality: Quality
    deviation: float
    colour: ColourProblem | None


def measure(pixels: NDArray[np.uint8]) -> Measured:
    """Measure a frame, uint8 RGB (height, width, 3), without judging it: it is accepted."""
    picture = np.ascontiguousarray(pixels)
    longest = max(picture.shape[:2])
    if longest > _WORK_SIDE:
        scale = _WORK_SIDE / longest
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    step = max(1, max(picture.shape[:2]) // _COARSE_SIDE)
    coarse = _sampled(picture, step)
    inside = _inside(coarse)
    grey = histogram(np.asarray(cv2.cvtColor(coarse, cv2.COLOR_RGB2GRAY), np.uint8), inside)
    mean = float(grey @ _LEVELS / grey.sum())
    deviation = float(np.sqrt(grey @ (_LEVELS - mean) ** 2 / grey.sum()))
    counts = [histogram(np.asarray(channel, np.uint8), inside) for channel in cv2.split(coarse)]
    white = [float(quantile(each, _GLASS)) for each in counts]
    coverage, stain = _coverage(counts[1], white[1])
    focus, motion = _sharpness(picture, step, inside)
    quality = Quality(
        accepted=True,
        reason=None,
        focus=round(focus, 2),
        motion=round(motion, 3),
        brightness=round(mean, 1),
        clipped=round(float(grey[254:].sum() / grey.sum()), 4),
        background_rgb=(white[0], white[1], white[2]),
        stain=round(stain, 3),
        coverage=round(coverage, 3),
    )
    return Measured(
        quality, deviation, colour_problem(coarse, inside, quality.background_rgb or (255.0,) * 3)
    )


def _sampled(picture: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Return every step-th pixel of every step-th row."""
    rows = picture[::step]
    across = picture.shape[1]
    if across % step:
        return np.ascontiguousarray(rows[:, ::step])
    # The same in a quarter of the time: NumPy copies the three bytes of a pixel one by one.
    size = across // step, rows.shape[0]
    return np.asarray(cv2.resize(rows, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _beyond_limits(found: Measured) -> RefusalReason | None:
    quality = found.quality
    reason: RefusalReason | None = None
    if quality.brightness < _DARK:
        reason = "too dark"
    elif quality.clipped > _CLIPPED:
        reason = "overexposed"
    elif found.deviation < _BLANK or (quality.coverage or 0) < _BARE:
        reason = "blank"
    elif found.colour is not None:
        reason = found.colour
    elif (quality.coverage or 0) > _CROWDED:
        reason = "too crowded"
    elif (quality.motion or 0) > _STREAKED:
        reason = "motion"
    elif quality.focus < _UNSHARP:
        reason = "out of focus"
    return reason


def _sharpness(
    picture: NDArray[np.uint8], step: int, inside: NDArray[np.uint8] | None
) -> tuple[float, float]:
    """Return the sharpness, percent of the contrast, and how far the edges are parallel, 0 to 1."""
    green = np.asarray(cv2.extractChannel(picture, 1), np.uint8)
    laplacian, across, down = _derivatives(green, step, inside)
    count = laplacian.size
    if count < _FEWEST:
        return 0.0, 0.0
    middle, strong = (rank / _FINE for rank in ranked(np.abs(laplacian), count // 2, int(0.99 * count)))
    # Signal and noise add in quadrature.
    edge = math.sqrt(max(0.0, strong**2 - (_NOISE * middle) ** 2))

    size = -(-green.shape[1] // step), -(-green.shape[0] // step)
    blurred = cv2.GaussianBlur(cv2.resize(green, size, interpolation=cv2.INTER_AREA), (0, 0), 1.0)
    levels = histogram(np.asarray(blurred, np.uint8), inside)
    contrast = quantile(levels, 0.98) - quantile(levels, 0.02) + _FLAT

    strength = across * across + down * down
    chosen = np.flatnonzero(strength >= max(1.0, *smallest(strength, int(_STRONG * count))))
    if not chosen.size:
        return 0.0, 0.0
    # The angle is doubled: an edge from dark to bright and one from bright to dark are parallel.
    twofold = (across[chosen] + 1j * down[chosen]) ** 2 / strength[chosen]
    return float(100 * edge / contrast), min(1.0, float(np.abs(twofold.mean())))


def _derivatives(
    green: NDArray[np.uint8], step: int, inside: NDArray[np.uint8] | None
) -> tuple[NDArray[np.int16], NDArray[np.float32], NDArray[np.float32]]:
    """Return the smoothed picture's Laplacian, int16 (n,), and both gradients, float32 (n,).

    At every step-th pixel, in `_FINE` steps to a grey level.
    """
    fine = np.asarray(cv2.sepFilter2D(green, cv2.CV_16S, _FINE * _KERNEL, _KERNEL))
    height, width = fine.shape
    centre, left, right, above, below = (
        np.ascontiguousarray(fine[step + y : height - 1 + y : step, step + x : width - 1 + x : step])
        for x, y in ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
    )
    laplacian = (left - centre) + (right - centre) + (above - centre) + (below - centre)
    found = laplacian, right - left, below - above
    if inside is not None:
        here = inside[1 : 1 + centre.shape[0], 1 : 1 + centre.shape[1]] > 0
        found = found[0][here], found[1][here], found[2][here]
    laplacian, across, down = (each.ravel() for each in found)
    return laplacian, across.astype(np.float32), down.astype(np.float32)


def _coverage(green: NDArray[np.float64], white: float) -> tuple[float, float]:
    """Return the share that cells cover, and the optical density (natural log, root mean square), in green.

    The density needs no threshold, so a pale stain is measured as well as a strong one.
    """
    coverage = float(green[: round(_CELL * white)].sum() / green.sum())
    density = np.clip(np.log(max(white, 1.0) / _LEVELS), 0, _DENSEST)
    return coverage, float(np.sqrt(green @ density**2 / green.sum()))


def _inside(coarse: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return where there is a picture, uint8 0 or 1, and not the black of a diaphragm or of a rotated image.

    None if there is picture everywhere; and if all is black, for then the black itself has to be judged.
    """
    outside = black_border(coarse)
    if outside is None or outside.all():
        return None
    return np.asarray(~outside, np.uint8)
