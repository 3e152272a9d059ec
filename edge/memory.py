"""What memory a process keeps, and what it leaves to others."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import ModuleType

_KEPT = 8 * 1024 * 1024  # bytes: several pictures of 640x480 with all that is made of them
_LARGE = 128 * 1024  # bytes: where little is kept, pieces from here on go back as soon as they are freed
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -2, -3, -4, -8  # mallopt(3)
_NEVER = 2**31 - 1  # bytes, the most that it takes
_DONTNEED = 4  # madvise(2)
# Of proc_pid_smaps(5): a file's, code or constants, not to be written, and none of its pages was ever written
# to. What was, before it was closed to writing, as relocations and probes are, would be lost.
_AS_THE_FILE_HAS_IT = re.compile(
    r"^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ \d+ +/.*\n"
    r"(?:[A-Z].*\n)*?Anonymous: +0 kB\n(?:[A-Z].*\n)*?Swap: +0 kB$",
    re.MULTILINE,
)
# Imported at the top by uvicorn, starlette, email and the room `slide`, but hardly ever used by the page.
# uvicorn's own `__init__` loads its command line: click, processes, reloading.
_SELDOM_USED = ("uvicorn", "logging.config", "http.client", "html", "statistics", "calendar")
_LOAD = "__load__"
_LOADING = threading.RLock()


def keep_freed_memory() -> None:
    """Tell the C library not to hand freed memory back to the kernel, as long as it is a few megabytes.

    For the daemon: each field asks for the same pieces as the one before, and the kernel clears every page
    that it gives: that takes a tenth of a field's time. Larger pieces, as a large camera's frames, are given
    back as before; so is everything where the C library is not glibc. All threads take from one heap: what
    one has freed, another uses (2 MiB less).
    """
    _tell_allocator(_KEPT)


def keep_little_memory() -> None:
    """Tell the C library to hand freed memory back; call it before anything large is loaded.

    For the page, which mostly waits: else the 16 MB that a PIN's hash takes stay, and each thread keeps a
    heap of its own. Only glibc's. What libraries import and seldom use is loaded when it is used: 3 MiB less.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # each thread of arithmetic has its buffers
    _tell_allocator(_LARGE)
    postpone(*_SELDOM_USED)


def keep_all_memory() -> None:
    """Tell the C library to hand no freed memory back to the kernel, however large the pieces are.

    For training: each step asks for the same gigabyte as the one before, in pieces of up to 100 megabytes,
    and the kernel clears every page of it. Steps of EfficientNet-Lite0, 64 crops each, on two cores: 2.4
    million page faults in twelve steps without, 3 to 80 thousand with it; 0.55 to 0.8 of the time; the same
    peak. Only glibc's.
    """
    _tell(((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, 64 * 1024 * 1024), (_ARENA_MAX, 1)))


def _tell_allocator(kept: int) -> None:
    _tell(((_MMAP_THRESHOLD, kept), (_TRIM_THRESHOLD, kept), (_ARENA_MAX, 1)))


def _tell(settings: tuple[tuple[int, int], ...]) -> None:
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for what, value in settings:
            mallopt(ctypes.c_int(what), ctypes.c_int(value))


def release_startup_memory() -> None:
    """Unmap the libraries' code and constants, which mostly loading reads: what is used is mapped again.

    Measured over twenty fields on x86-64: peak RSS 100 MiB without, 75 MiB with it; PSS 73 and 58 MiB; memory
    that the process has written 45 MiB either way. What it unmaps stays in the kernel's cache as long as that
    has no better use for the room, and goes first where it is scarce. Only what cannot be written and is as
    its file has it is unmapped. Not on other systems. No other thread may be loading a library: what that
    has just written would be lost.
    """
    with suppress(OSError, AttributeError, ValueError):
        libc = ctypes.CDLL(None)
        for part in _AS_THE_FILE_HAS_IT.finditer(Path("/proc/self/smaps").read_text("utf-8")):
            start, end = (int(number, 16) for number in part.groups())
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), ctypes.c_int(_DONTNEED))


def release_freed_memory() -> None:
    """Hand back to the kernel what was freed in the middle of the heap; by itself only its end goes back.

    Only glibc's.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))


def postpone(*modules: str) -> None:
    """Load these modules when something of them is first asked for, not when somebody imports them.

    The standard library's LazyLoader loads a module as soon as it is imported a second time.
    """
    for name in modules:
        spec = None if name in sys.modules else importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        module.__class__ = _Postponed
        vars(module)[_LOAD] = spec.loader.exec_module
        sys.modules[name] = module
        package, _, last = name.rpartition(".")
        if package:
            setattr(sys.modules[package], last, module)


class _Postponed(ModuleType):
    """A module that is loaded when it is asked for what is not there yet."""

    def __getattr__(self, name: str) -> object:
        with _LOADING:  # another thread that asks meanwhile waits until it is loaded
            if load := vars(self).pop(_LOAD, None):
                try:
                    load(self)
                except BaseException:
                    vars(self)[_LOAD] = load  # whoever asks again gets the same error
                    raise
        return super().__getattribute__(name)
