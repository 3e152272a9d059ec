"""Which machine, process and boot this is: ids that sort by time, and whether the clock is right."""

from __future__ import annotations

import ctypes
import hashlib
import os
import socket
import threading
import time
import uuid
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

_RANDOM_BITS = 74
_OLDEST_TRUSTED_YEAR = 2024  # a Pi without a battery wakes up in 1970, or in the year its image was built
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 512  # struct timex has 208 at most; zeros in it ask and set nothing

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """Return a UUIDv7 (RFC 9562, 6.2 method 2) that sorts after every earlier one of this process.

    A clock that steps back does not matter: the ids then go on from the last one until it has caught up.
    """
    global _last  # noqa: PLW0603 (one order for the whole process is the point)
    random = int.from_bytes(os.urandom(10))
    candidate = ((time.time_ns() // 1_000_000) << _RANDOM_BITS) | (random >> (80 - _RANDOM_BITS))
    with _lock:
        if candidate <= _last:
            candidate = _last + 1 + (random & 0xFFFFFFFF)
        _last = candidate
    return str(uuid.UUID(int=_with_version(candidate)))


def _with_version(value: int) -> int:
    milliseconds, random = value >> _RANDOM_BITS, value & ((1 << _RANDOM_BITS) - 1)
    high, low = random >> 62, random & ((1 << 62) - 1)
    return ((milliseconds & ((1 << 48) - 1)) << 80) | (7 << 76) | (high << 64) | (2 << 62) | low


@cache
def boot_id() -> str:
    """Return the id of this start of the machine, or one of this process where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(uuid.uuid4())


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)


def clock_offset_s() -> float:
    """Return the clock minus the monotonic one: constant until somebody sets the clock."""
    return time.time() - time.monotonic()


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def clock_synced() -> bool:
    """Whether a time source has set the clock, as far as the kernel or systemd-timesyncd knows.

    False where nobody can say: a time that is called right must be right.
    """
    if now().year < _OLDEST_TRUSTED_YEAR:
        return False
    try:
        state: int = _libc().adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        state = -1
    if state >= 0:
        return state != _TIME_ERROR
    return Path("/run/systemd/timesync/synchronized").exists()


def machine_device_id() -> str:
    """Return an id that stays with this machine and does not give away the machine's own."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        machine = ""
    digest = hashlib.sha256(b"leukoscope:" + (machine or socket.gethostname()).encode()).hexdigest()
    return f"leuko-{digest[:8]}"


RUN_ID = new_id()
"""This process. What was committed under another one was committed by an earlier process."""
