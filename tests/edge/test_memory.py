"""A field is analysed in the memory of the one before, and what only starting needed is given back."""

from __future__ import annotations

import importlib
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from edge.memory import postpone

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT = """
import resource
import numpy as np
import sys
from edge import memory

edge_of, keep = int(sys.argv[1]), getattr(memory, sys.argv[2])

def page_faults(fields):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(fields):
        pictures = [np.ones((edge_of, edge_of, 3), np.uint8) for _ in range(4)]
        del pictures
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / fields

# Importing may have left holes in the heap that are as large as the pictures: these fill them.
held = [np.ones((edge_of, edge_of, 3), np.uint8) for _ in range(40)]
page_faults(5)
before = page_faults(20)
keep()
page_faults(5)
print(before, page_faults(20))
"""

_STARTED = """
import re
from pathlib import Path
import cv2
import numpy as np
from edge.memory import release_startup_memory

def mapped():
    return int(re.search(r"RssFile:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1))

picture = np.arange(30000, dtype=np.uint8).reshape(100, 100, 3)
expected = cv2.GaussianBlur(picture, (5, 5), 0)
before = mapped()
release_startup_memory()
assert np.array_equal(cv2.GaussianBlur(picture, (5, 5), 0), expected)
print(before, mapped())
"""

_WRITTEN = """
import ctypes
import os
import sys
from edge.memory import release_startup_memory

size, private = ctypes.c_size_t(4096), 2
may_write, closed = 1 | 2, int(sys.argv[2])
file = os.open(sys.argv[1], os.O_RDWR)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
place = libc.mmap(None, size, may_write, private, file, ctypes.c_long(0))
ctypes.memmove(place, b"relocated", 9)
assert libc.mprotect(ctypes.c_void_p(place), size, closed) == 0
release_startup_memory()
print(ctypes.string_at(place, 9).decode())
"""

_HOLES = """
import re
from pathlib import Path
from edge.memory import keep_little_memory, release_freed_memory

def written():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1))

keep_little_memory()
before = written()
pieces = [bytes(20_000) for _ in range(2000)]
del pieces[:-1]  # the last one keeps the heap's end where it is
freed = written()
release_freed_memory()
print(before, freed, written())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep freed memory")
@pytest.mark.parametrize(
    ("edge_of", "keep"),
    [(554, "keep_freed_memory"), (1900, "keep_all_memory")],
    ids=["fields of 640x480", "a training's tensors"],
)
def test_pieces_ask_the_kernel_for_no_page_after_the_first_ones(edge_of: int, keep: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(edge_of), keep],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    before, after = (float(figure) for figure in done.stdout.split())
    # A picture of 640x480 is 225 pages.
    assert after < 25 < before


@pytest.mark.skipif(platform.system() != "Linux", reason="/proc tells what is mapped")
def test_what_only_loading_a_library_needed_is_unmapped_and_all_goes_on_as_before() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STARTED], capture_output=True, text=True, check=True, timeout=120
    )
    before, after = (int(figure) for figure in done.stdout.split())
    assert after < 0.45 * before  # of the code alone: two thirds are left


@pytest.mark.skipif(platform.system() != "Linux", reason="/proc tells what is mapped")
@pytest.mark.parametrize("closed", [1 | 4, 1], ids=["code", "constants"])
def test_what_was_written_to_before_it_was_closed_to_writing_is_left_as_it_is(
    tmp_path: Path, closed: int
) -> None:
    file = tmp_path / "library.so"
    file.write_bytes(b"as on disk".ljust(4096))
    done = subprocess.run(
        [sys.executable, "-c", _WRITTEN, str(file), str(closed)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == "relocated"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to hand it back")
def test_what_is_freed_in_the_middle_of_the_heap_is_handed_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HOLES], capture_output=True, text=True, check=True, timeout=120
    )
    before, freed, after = (int(figure) for figure in done.stdout.split())
    assert freed - before > 30_000  # kB: it is still held
    assert after - before < 4000


def test_a_postponed_module_is_loaded_once_when_something_of_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "postponed_house"
    package.mkdir()
    (package / "__init__.py").touch()
    loads = tmp_path / "loads"
    (package / "room.py").write_text(
        f"import pathlib, time\nwith open({str(loads)!r}, 'a') as file:\n    file.write('once ')\n"
        "time.sleep(0.2)\nkey = 'under the mat'\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    postpone("postponed_house.room")
    room = importlib.import_module("postponed_house.room")
    assert importlib.import_module("postponed_house").room is room
    assert not loads.exists()
    with ThreadPoolExecutor(3) as threads:  # who comes second waits, and is not told that there is no key
        assert list(threads.map(lambda _: room.key, range(3))) == ["under the mat"] * 3
    assert loads.read_text(encoding="utf-8") == "once "
    with pytest.raises(AttributeError, match=r"postponed_house\.room.*window"):
        _ = room.window


def test_a_postponed_module_that_cannot_be_loaded_says_why_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "postponed_ruin.py").write_text("raise RuntimeError('no roof')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    postpone("postponed_ruin")
    ruin = importlib.import_module("postponed_ruin")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no roof"):
            _ = ruin.key


def test_what_is_loaded_already_stays_as_it_is() -> None:
    postpone("platform", "there_is_no_such_module")
    assert type(sys.modules["platform"]) is type(sys)
    assert "there_is_no_such_module" not in sys.modules
