"""Where what is costly to make again is kept between runs: crops, and the photographs behind copies."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Give the folder: $LEUKOSCOPE_CACHE, or leukoscope below $XDG_CACHE_HOME or ~/.cache.

    Files in it are named by the hash of what they were made from; it may be removed at any time.
    """
    own = os.environ.get("LEUKOSCOPE_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leukoscope"
