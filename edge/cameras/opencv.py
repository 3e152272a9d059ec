"""OpenCV's own words, which would stand beside ours: of cameras that are away, of damaged pictures."""

from __future__ import annotations

import os
from typing import Any

import cv2

_SILENT = 0
_QUIET = "-8"  # of FFmpeg's log levels


def quieten() -> None:
    """Leave it to our errors to say, once, what is wrong. Before the first device or file is opened."""
    # Later releases of OpenCV have it there, and no longer where 4.11 had it.
    logging: Any = getattr(cv2.utils, "logging", cv2)
    logging.setLogLevel(_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _QUIET)
