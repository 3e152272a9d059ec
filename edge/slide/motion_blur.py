"""Whether the slide moved so fast while the shutter was open that a frame shows streaks. Pure."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from edge.slide.registration import Thumbnail

_LATELY = 100  # last frames, whose medians are taken for what is usual
_FEWEST = 5  # frames; with fewer nothing is called blurred
_SMALLEST = 3  # pixels a side; in a smaller picture no slope can be measured
# Of the median, both. Drawn slides: streaks of a tenth of a frame's height up to 0.45 and 0.69, resting
# frames 0.71 and 0.79 at least, out of focus or not; of a thousand real fields as they are, one falls below.
_LEAST_DETAIL, _LEAST_EVENNESS = 0.55, 0.75


class Grain(NamedTuple):
    """How fine a picture is.

    detail: mean square of the slopes in the direction that has the least, divided by the picture's variance.
    evenness: the share of that direction in the slopes of two directions, 0.5 where no direction stands out.
    """

    detail: float
    evenness: float

    @classmethod
    def of(cls, picture: Thumbnail) -> Grain:
        """Measure a thumbnail: movement removes detail along its direction, and leaves it across."""
        if min(picture.shape) < _SMALLEST:
            return cls(0.0, 0.5)
        pixels = picture.astype(np.float32)
        along = cv2.subtract(pixels[1:-1, 2:], pixels[1:-1, :-2]).ravel()
        across = cv2.subtract(pixels[2:, 1:-1], pixels[:-2, 1:-1]).ravel()
        xx, yy, xy = (float(v) / along.size for v in (along @ along, across @ across, along @ across))
        least = (xx + yy) / 2 - math.hypot((xx - yy) / 2, xy)
        flat = pixels.ravel()
        power = float(flat @ flat) / flat.size
        return cls(least / max(power, 1e-6), least / max(xx + yy, 1e-6))


class MotionBlur:
    """What is usual for a specimen's frames, by those seen lately."""

    def __init__(self) -> None:
        self._seen: deque[Grain] = deque(maxlen=_LATELY)

    def is_blurred(self, picture: Thumbnail) -> bool:
        """Learn the next frame's thumbnail, and say whether it shows streaks, compared with those before."""
        grain = Grain.of(picture)
        self._seen.append(grain)
        if len(self._seen) < _FEWEST:
            return False
        detail, evenness = np.median(np.array(self._seen), axis=0).tolist()
        return bool(grain.detail < _LEAST_DETAIL * detail and grain.evenness < _LEAST_EVENNESS * evenness)
