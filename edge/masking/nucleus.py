"""The nucleus of one cell: what is darkest in its window, by the light that the nuclear dye absorbs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.imaging.histograms import quantile, split_in_three, split_in_two

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.imaging.pixels import Pixels
    from edge.masking.window import Floats, Window

_FURTHEST = 1.5  # of the radius: how far a nucleus may lie from the finder's middle
_HELD = 0.85  # of the radius: each lobe of a nucleus reaches into this circle
_LEAST_CONTRAST = 16  # levels of stain by which a nucleus must be darker than what lies around it
_WHOLE = 0.55  # of the disc's area: what seems a larger nucleus may be the whole cell
_TWO_KINDS = 0.72  # share of the variance between two parts, from which they are nucleus and cytoplasm
_APART = 0.2  # of the nucleus's contrast: how far apart these two parts must be
_SPECK = 0.08  # of the largest part's area: granules and deposits, not lobes
_HOLE = 0.03  # of the largest part's area: pale chromatin, not the gap within a ring
_FEWEST = 12  # pixels of a nucleus
_TAKES_RED = 0.15  # share of red light: a nucleus that absorbs this much can be told from red cells by it
_SHARE_OF_RED = 0.4  # of the red that the nucleus absorbs: what absorbs less is a red cell
_DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))


def find_nucleus(window: Window) -> Pixels:
    """Return the nucleus, all lobes, uint8 (h, w), 0 or 1; empty if nothing is darker than its surroundings.

    Otsu's threshold is too strict where the cytoplasm is so pale that the blurred edges of the nucleus form a
    class of their own. So the edge is put where the stain is half way between outside and inside.
    """
    stain = window.stain
    _, threshold = split_in_three(counts_of(stain, window.own))
    here = window.own & (window.near < _FURTHEST).view(np.uint8)
    nucleus = _dark(stain, threshold, here)
    if cv2.countNonZero(nucleus) > _WHOLE * math.pi * window.circle.radius**2:
        threshold = _deeper(window, nucleus, threshold)
        nucleus = _dark(stain, threshold, here)
    core = np.asarray(cv2.erode(nucleus, _DISC), np.uint8)
    area = cv2.countNonZero(nucleus)
    if area < _FEWEST or not cv2.countNonZero(core):
        return np.zeros_like(stain)
    step = 0.13 * math.sqrt(area / math.pi)
    distance = cv2.distanceTransform(1 - nucleus, cv2.DIST_L2, 3)
    ring = window.own & (distance >= max(2.0, step)) & (distance <= max(4.0, 2.7 * step))
    beside, within = counts_of(stain, ring), quantile(counts_of(stain, core), 0.5)
    if within - quantile(beside, 0.25) < _LEAST_CONTRAST:
        return np.zeros_like(stain)
    level = cv2.mean(window.red, core)[0] / window.glass[0]
    if 1 - level > _TAKES_RED:
        most = window.glass[0] * (1 - _SHARE_OF_RED * (1 - level))
        here &= (window.red <= most).view(np.uint8)
    # The darker quarter of the ring, not its median: cytoplasm may lie on one side only.
    half = (within + quantile(beside, 0.75)) / 2 if beside.any() else threshold
    return _tidy(_dark(stain, min(threshold, half), here), window.near)


def counts_of(image: Pixels, inside: cv2.typing.MatLike) -> NDArray[np.float64]:
    """Return how many pixels have each level where `inside`, uint8 (h, w), is not 0: float64 (256,)."""
    counts = cv2.calcHist([image], [0], np.asarray(inside, np.uint8), [256], [0, 256])
    return np.asarray(counts, np.float64)[:, 0]


def _deeper(window: Window, nucleus: Pixels, threshold: int) -> int:
    """Return a stricter threshold for what may be a whole cell whose darker part is the nucleus.

    It is the given one if all is alike, or if most is dark: then it is only the texture of a nucleus.
    """
    inside = counts_of(window.stain, nucleus)
    deeper, clearness = split_in_two(inside)
    if clearness < _TWO_KINDS:
        return threshold
    dark, pale = inside.copy(), inside.copy()
    dark[: deeper + 1], pale[deeper + 1 :] = 0, 0
    around = quantile(counts_of(window.stain, cv2.subtract(window.own, nucleus)), 0.3)
    deepest = quantile(dark, 0.5)
    if dark.sum() > pale.sum() or deepest - quantile(pale, 0.5) < _APART * (deepest - around):
        return threshold
    return deeper


def _dark(stain: Pixels, threshold: float, here: Pixels) -> Pixels:
    """Return what is stained more than a threshold, without thin threads: uint8 (h, w), 0 or 1."""
    dark = cv2.bitwise_and(cv2.threshold(stain, threshold, 1, cv2.THRESH_BINARY)[1], here)
    return np.asarray(cv2.morphologyEx(dark, cv2.MORPH_OPEN, _DISC), np.uint8)


def _tidy(mask: Pixels, near: Floats) -> Pixels:
    """Return a mask's lobes, without specks, small holes, and parts beside the cell: uint8, 0 or 1."""
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    tidy = np.zeros_like(mask)
    if not contours:
        return tidy
    areas = [cv2.contourArea(contour) for contour in contours]
    is_hole = [holder >= 0 for holder in tree[0, :, 3].tolist()]
    held = [
        k
        for k, contour in enumerate(contours)
        if not is_hole[k] and near[contour[:, 0, 1], contour[:, 0, 0]].min() < _HELD
    ]
    largest = max((areas[k] for k in held), default=0.0)
    cv2.drawContours(tidy, [contours[k] for k in held if areas[k] >= _SPECK * largest], -1, (1,), cv2.FILLED)
    gaps = [contours[k] for k, area in enumerate(areas) if is_hole[k] and area >= _HOLE * largest]
    if gaps:
        filled = np.zeros_like(mask)
        cv2.drawContours(filled, gaps, -1, (1,), cv2.FILLED)
        tidy = np.asarray(cv2.subtract(tidy, cv2.subtract(filled, mask)), np.uint8)
    return tidy
