"""OpenCV's own words, which would come at every attempt to open a camera that is away."""

from __future__ import annotations

import os

import cv2

_ERRORS_ONLY = 2
_QUIET = "-8"  # of FFmpeg's log levels


def quieten() -> None:
    """Leave it to our errors to say, once, what is wrong. Before the first device or file is opened."""
    cv2.setLogLevel(_ERRORS_ONLY)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _QUIET)
