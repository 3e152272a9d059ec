"""Where a figure was measured: without it the figure means nothing."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from edge.versions import versions

_PACKAGES = ("numpy", "opencv-python-headless", "ai-edge-litert", "tflite-runtime", "paho-mqtt")


def environment() -> dict[str, str]:
    """Give board, processor, kernel, governor, and the versions of what was measured."""
    return {
        "board": _first_line("/proc/device-tree/model") or platform.machine(),
        "processor": _cpu_model(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "unknown",
        "python": platform.python_version(),
        **versions(_PACKAGES),
    }


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip("\0\n ").split("\n")[0]
    except OSError:
        return ""


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
