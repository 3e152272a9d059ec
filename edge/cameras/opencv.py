"""Silences OpenCV's own messages about missing cameras and damaged pictures: ours say the same, once."""

from __future__ import annotations

import os
from typing import Any

import cv2

_SILENT = 0
_QUIET = "-8"  # of FFmpeg's log levels


def quieten() -> None:
    """Switch OpenCV's messages off. Call it before the first device or file is opened."""
    # Later releases of OpenCV have moved it there.
    logging: Any = getattr(cv2.utils, "logging", cv2)
    logging.setLogLevel(_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _QUIET)
