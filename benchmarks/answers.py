"""What is answered, to the last bit, and the memory that it took: to set two machines beside each other.

    python -m benchmarks.answers FOLDER > answers.json

The folder holds pictures, and crops.npy. The crops are asked of the network alone, so that another OpenCV's
masks take no part; the pictures go the whole way; and the daemon counts them, without a broker.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.daemon import figure
from edge.analyzer import Analyzer
from edge.cameras.image_files import read_image
from edge.config import SHIPPED_MODEL
from edge.naming.classifier import Classifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

CROPS = "crops.npy"
_LOOK_S = 0.02


def answers(folder: Path) -> dict[str, Any]:
    """Return the machine, and what it answers to the folder's crops and pictures. Raises LeukoscopeError."""
    classifier = Classifier.load(SHIPPED_MODEL)
    analyzer = Analyzer(classifier)
    files = sorted(folder.glob("*.jpg"))
    crops: NDArray[np.uint8] = np.load(folder / CROPS)
    cells = [
        {"file": file.name, "box": list(cell.box), "label": cell.label, "rejected": cell.rejected}
        for file in files
        for cell in analyzer.analyze(read_image(file)).cells
    ]
    return {
        "machine": platform.machine(),
        "runtime": classifier.runtime_name,
        "crops": [
            {name: _digest(values) for name, values in classifier.raw_outputs(crop).items()} for crop in crops
        ],
        "cells": cells,
        "peak_rss_mib": round(figure(Path("/proc/self/status"), "VmHWM:") / 1024, 1),
        # The first start writes the byte code, which on a device the installation has done.
        "daemon_peak_rss_mib": [round(_daemon_peak(folder), 1) for _ in range(2)][-1],
    }


def _digest(values: NDArray[np.float32]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


def _daemon_peak(pictures: Path) -> float:
    """Return the peak RSS in MiB of a daemon that counts the pictures and keeps what no broker takes."""
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "answers.toml"
        config.write_text(
            f'[camera]\nkind = "replay"\npaths = ["{pictures.resolve()}"]\n[mqtt]\nport = 1\ndrain_s = 0.0\n',
            "utf-8",
        )
        command = [sys.executable, "-m", "edge.cli", "run", "--config", str(config)]
        daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: S603 (our own interpreter)
        peak = 0
        while daemon.poll() is None:
            peak = max(peak, figure(Path(f"/proc/{daemon.pid}/status"), "VmHWM:"))
            time.sleep(_LOOK_S)
    return peak / 1024


if __name__ == "__main__":
    print(json.dumps(answers(Path(sys.argv[1]))))  # noqa: T201
