"""What a process of its own takes, from its start to its first result: time, and memory at its peak."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT = """
import json, sys, time
started = time.clock_gettime(time.CLOCK_BOOTTIME)
with open("/proc/self/stat") as stat:
    begun = int(stat.read().rpartition(")")[2].split()[19])
import os
begun /= os.sysconf("SC_CLK_TCK")
from pathlib import Path
from edge.analyzer import Analyzer
from edge.cameras.image_files import read_image
from edge.naming.classifier import Classifier
imported = time.clock_gettime(time.CLOCK_BOOTTIME)
analyzer = Analyzer(Classifier.load(Path(sys.argv[1]), runtime=sys.argv[2]))
loaded = time.clock_gettime(time.CLOCK_BOOTTIME)
analyzer.analyze(read_image(Path(sys.argv[3])))
done = time.clock_gettime(time.CLOCK_BOOTTIME)
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps([imported - begun, loaded - imported, done - loaded, done - begun, peak / 1024]))
"""


@dataclass(frozen=True)
class ColdStart:
    """Medians over fresh processes: seconds to each point of the start, and the peak of the RSS in MiB."""

    starts: int
    import_s: float
    model_s: float
    first_field_s: float
    total_s: float
    peak_rss_mib: float


def measure(image: Path, model: Path, *, runtime: str, starts: int = 5) -> ColdStart:
    """Start processes one after the other, each to analyse one image. Raises LeukoscopeError."""
    rows = []
    for _ in range(starts):
        done = subprocess.run(  # noqa: S603 (our own interpreter and script)
            [sys.executable, "-c", _SCRIPT, str(model), runtime, str(image)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LeukoscopeError(f"a fresh process could not analyse {image}: {done.stderr.strip()[-200:]}")
        rows.append(json.loads(done.stdout))
    medians = [round(statistics.median(column), 3) for column in zip(*rows, strict=True)]
    return ColdStart(starts, *medians)
