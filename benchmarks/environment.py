"""Where a figure was measured: without it the figure means nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

_PACKAGES = ("leukoscope", "numpy", "opencv-python-headless", "ai-edge-litert", "tflite-runtime", "paho-mqtt")


def environment() -> dict[str, str]:
    """Give board, processor, kernel, governor, and the versions of what was measured."""
    facts = {
        "board": _first_line("/proc/device-tree/model") or platform.machine(),
        "processor": _cpu_model(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "unknown",
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    commit = subprocess.run(  # noqa: S603
        ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if commit.returncode == 0:
        facts["commit"] = commit.stdout.strip()
    return facts


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
