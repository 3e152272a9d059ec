"""A field is analysed in the memory of the one before."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_SCRIPT = """
import resource
import numpy as np
from edge.allocator import keep_freed_memory

def page_faults(fields):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(fields):
        pictures = [np.ones((480, 640, 3), np.uint8) for _ in range(4)]
        del pictures
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / fields

page_faults(5)
before = page_faults(20)
keep_freed_memory()
page_faults(5)
print(before, page_faults(20))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep freed memory")
def test_pictures_ask_the_kernel_for_no_page_after_the_first_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True, timeout=120
    )
    before, after = (float(figure) for figure in done.stdout.split())
    # A picture of 640x480 is 225 pages.
    assert after < 25 < before
