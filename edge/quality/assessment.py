"""Is this frame worth analysing: measured figures and a verdict with one reason.

Sharpness is what edges lose first: the strongest hundredth of the Laplacian of a slightly smoothed picture
(Pech-Pacheco et al. 2000 take its variance), less what noise alone gives, over the contrast of the picture
made coarse, which blur does not reach. So neither the number of cells, nor their stain, nor the exposure
count as sharpness. Motion leaves only the edges along its way, so the strong ones all point the same way.
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

_WORK_SIDE = 640  # finer than cells are found at; a larger frame is brought down to it
_COARSE_SIDE = 160  # where light, stain and contrast are measured, and every picture is sampled
_SMOOTH = 1.2  # pixels: noise and JPEG's blocks go, an edge in focus stays
_FINE = 32  # levels to one of the frame: smoothing rounds little off, and the Laplacian fits int16
_KERNEL = cv2.getGaussianKernel(11, _SMOOTH, cv2.CV_32F)
_FEWEST = 100  # pixels, that there are edges to speak of
_NOISE = 3.0  # medians: of the 3.8 that noise alone has at its 99th percentile, for cells have texture too
_FLAT = 2.0  # grey levels: less contrast is none, and has no sharpness
_STRONG = 0.9  # of the gradients, weaker ones say nothing of motion
_GLASS = 0.9  # of the levels are darker than bare glass, if a tenth of the frame is bare
_CELL = 0.82  # of the glass's light: cells let less through

_LEVELS = np.maximum(np.arange(256, dtype=np.float64), 1.0)
_DENSEST = 2.5  # natural log: darker is as dark

# Outer limits: no microscope's frame is of use beyond.
_DARK = 30  # mean grey level below which a stained smear shows no colour that can be trusted
_CLIPPED = 0.9  # share of white pixels at which cells are bleached out as well
_BLANK = 3.0  # standard deviation of grey levels: a bare field or a covered lens has next to none
_BARE = 0.002  # share that is covered: a tenth of a white cell
_CROWDED = 0.97
_UNSHARP = 0.5  # percent of the contrast: red cells are clouds
_STREAKED = 0.8  # all edges are parallel


def assess(pixels: NDArray[np.uint8], reference: QualityReference | None = None) -> Quality:
    """Measure a frame (uint8 RGB, (height, width, 3)) and refuse one in which cells could not be told.

    reference: what the specimen's fields are like; without it only the outer limits hold. It is not changed.
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
    """Measure a frame, uint8 RGB (height, width, 3); it is accepted so far."""
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
    # Of the square, for noise and what is no noise add up by their squares.
    edge = math.sqrt(max(0.0, strong**2 - (_NOISE * middle) ** 2))

    size = -(-green.shape[1] // step), -(-green.shape[0] // step)
    blurred = cv2.GaussianBlur(cv2.resize(green, size, interpolation=cv2.INTER_AREA), (0, 0), 1.0)
    levels = histogram(np.asarray(blurred, np.uint8), inside)
    contrast = quantile(levels, 0.98) - quantile(levels, 0.02) + _FLAT

    strength = across * across + down * down
    chosen = np.flatnonzero(strength >= max(1.0, *smallest(strength, int(_STRONG * count))))
    if not chosen.size:
        return 0.0, 0.0
    # Twice the angle, for an edge has a direction but no sense.
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

    The second needs no threshold, which a paler stain would pass less of.
    """
    coverage = float(green[: round(_CELL * white)].sum() / green.sum())
    density = np.clip(np.log(max(white, 1.0) / _LEVELS), 0, _DENSEST)
    return coverage, float(np.sqrt(green @ density**2 / green.sum()))


def _inside(coarse: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return where there is a picture, uint8 0 or 1, and not the black of a diaphragm or of a turned image.

    None where all of it is; and where none of it is, for then the black is what there is to judge.
    """
    outside = black_border(coarse)
    if outside is None or outside.all():
        return None
    return np.asarray(~outside, np.uint8)
