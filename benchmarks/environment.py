"""Where a figure was measured: without it the figure means nothing."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from trainer.versions import versions

_PACKAGES = ("numpy", "opencv-python-headless", "ai-edge-litert", "tflite-runtime", "paho-mqtt")


def environment(folder: Path) -> dict[str, str]:
    """Return board, processor, kernel, governor, and the versions of what was measured.

    folder: where results were stored; it is named by the kind of its file system.
    """
    return {
        "board": _first_line("/proc/device-tree/model") or platform.machine(),
        "processor": _cpu_model(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "unknown",
        "file_system": _file_system(folder),
        "python": platform.python_version(),
        **versions(_PACKAGES),
    }


def _file_system(folder: Path) -> str:
    """Return the kind of file system that a folder lies on: on tmpfs, a durable write costs nothing."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    place = str(folder.resolve())
    over = [
        (mount, kind)
        for _, mount, kind, *_ in (line.split() for line in mounts)
        if place == mount or place.startswith(mount.rstrip("/") + "/")
    ]
    return max(over, key=lambda entry: len(entry[0]), default=("", "unknown"))[1]


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
