"""Memory that a field gives back is kept for the next one."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_KEPT = 8 * 1024 * 1024  # bytes: several pictures of 640x480 with all that is made of them
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)


def keep_freed_memory() -> None:
    """Tell the C library not to hand freed memory back to the kernel, as long as it is a few megabytes.

    Each field asks for the same pieces as the one before, and the kernel clears every page that it gives:
    that takes a tenth of a field's time. The peak stays what it is. Larger pieces, as a large camera's
    frames, are given back as before; so is everything where the C library is not glibc.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for threshold in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
            mallopt(ctypes.c_int(threshold), ctypes.c_int(_KEPT))
