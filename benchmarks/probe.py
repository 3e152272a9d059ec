"""Runs one command of the version that is first on the path, and writes what it took.

It imports nothing of this project's but the command line, which every version has.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path


def main(report: str, *words: str) -> int:
    """Run `leukoscope WORDS`; give its exit status. report: the file that is written.

    What the command times itself is processor's time, of which others on the machine take no part.
    """
    time.perf_counter = time.process_time
    from edge.cli import main as command  # noqa: PLC0415 (it is what is measured)

    status: object = 0
    try:
        status = command(words)
    except SystemExit as end:
        status = end.code
    sizes = {
        "peak_kib": _figure("status", "VmHWM:"),
        "written_kib": _figure("smaps_rollup", "Private_Dirty:"),
    }
    own = sum(name.partition(".")[0] == "edge" for name in sys.modules)
    took = {"cpu_s": time.process_time(), "modules": len(sys.modules), "own_modules": own, **sizes}
    Path(report).write_text(json.dumps(took), encoding="utf-8")
    return int(bool(status))


def _figure(file: str, key: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self", file).read_text(encoding="utf-8").splitlines():
            if line.startswith(key):
                return int(line.split()[1])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
