"""Is this frame worth analysing: measured figures and a verdict with one reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.messages import Quality

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORK_SIDE = 320
_DARK = 30  # mean grey level below which a stained smear shows no colour that can be trusted
_CLIPPED = 0.9  # share of white pixels at which cells are bleached out as well
_BLANK = 3.0  # standard deviation of grey levels: a bare field or a covered lens has next to none


def assess(pixels: NDArray[np.uint8]) -> Quality:
    """Measure a frame (uint8 RGB, (height, width, 3)) and refuse one in which no cell could be seen."""
    step = max(1, max(pixels.shape[:2]) // _WORK_SIDE)
    grey = cv2.cvtColor(np.ascontiguousarray(pixels[::step, ::step]), cv2.COLOR_RGB2GRAY)
    mean, deviation = (float(v[0][0]) for v in cv2.meanStdDev(grey))
    focus = float(cv2.Laplacian(grey, cv2.CV_32F).var()) / max(mean, 1.0)
    clipped = float(np.count_nonzero(grey >= 254)) / grey.size
    reason = None
    if mean < _DARK:
        reason = "too dark"
    elif clipped > _CLIPPED:
        reason = "overexposed"
    elif deviation < _BLANK:
        reason = "blank"
    return Quality(
        accepted=reason is None,
        reason=reason,
        focus=round(focus, 3),
        brightness=round(mean, 1),
        clipped=round(clipped, 4),
    )
