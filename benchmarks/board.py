"""How the board is while it works: temperature, clock, and whether it is held back.

A Raspberry Pi's firmware tells by `vcgencmd get_throttled`, or the kernel by a file; other machines tell
less, and what they do not tell is None.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edge.daemon.health import Machine

_FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
_CLOCK = "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
_FLAGS = {
    0: "under-voltage",
    1: "clock capped",
    2: "throttled",
    3: "soft temperature limit",
    16: "under-voltage before",
    17: "clock capped before",
    18: "throttled before",
    19: "soft temperature limit before",
}


@dataclass(frozen=True)
class Condition:
    """temperature_c: of the processor. clock_mhz: of its first core. flags: what holds it back, in words."""

    temperature_c: float | None
    clock_mhz: float | None
    flags: tuple[str, ...] | None


def condition(root: Path = Path("/")) -> Condition:
    """Ask the board. root: where /sys is, for tests."""
    clock = _text(root / _CLOCK)
    state = _text(root / _FIRMWARE) or _vcgencmd()
    return Condition(
        Machine(root, root).temperature_c(),
        round(int(clock) / 1000, 1) if clock.isdigit() else None,
        flags(state),
    )


def flags(state: str) -> tuple[str, ...] | None:
    """In words what the firmware says as `50005` or `throttled=0x50005`; None for what is no number."""
    try:
        bits = int(state.rpartition("=")[2], 16)
    except ValueError:
        return None
    return tuple(words for bit, words in _FLAGS.items() if bits >> bit & 1)


def _vcgencmd() -> str:
    command = shutil.which("vcgencmd")
    if command is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 (found by which)
            [command, "get_throttled"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
