"""A field is analysed in the memory of the one before, and what only starting needed is given back."""

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

_STARTED = """
import re
from pathlib import Path
import cv2
import numpy as np
from edge.allocator import leave_what_only_starting_needed

def mapped():
    return int(re.search(r"RssFile:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1))

picture = np.arange(30000, dtype=np.uint8).reshape(100, 100, 3)
expected = cv2.GaussianBlur(picture, (5, 5), 0)
before = mapped()
leave_what_only_starting_needed()
assert np.array_equal(cv2.GaussianBlur(picture, (5, 5), 0), expected)
print(before, mapped())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep freed memory")
def test_pictures_ask_the_kernel_for_no_page_after_the_first_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True, timeout=120
    )
    before, after = (float(figure) for figure in done.stdout.split())
    # A picture of 640x480 is 225 pages.
    assert after < 25 < before


@pytest.mark.skipif(platform.system() != "Linux", reason="/proc tells what is mapped")
def test_the_code_that_only_starting_needed_is_unmapped_and_all_goes_on_as_before() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STARTED], capture_output=True, text=True, check=True, timeout=120
    )
    before, after = (int(figure) for figure in done.stdout.split())
    assert after < 0.8 * before
