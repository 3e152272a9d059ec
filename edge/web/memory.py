"""What memory the page's process keeps: as little as it can, for it mostly waits."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

_LARGE = 128 * 1024  # bytes: pieces from here on go back to the kernel as soon as they are freed
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # mallopt(3)


def keep_little_memory() -> None:
    """Tell the C library to hand freed memory back; call it before anything large is loaded.

    Else the 16 MB that a PIN's hash takes stay, and each thread keeps a heap of its own. Only glibc's.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # each thread of arithmetic has its buffers
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for what, value in ((_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _LARGE), (_ARENA_MAX, 1)):
            mallopt(ctypes.c_int(what), ctypes.c_int(value))
