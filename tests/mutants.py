"""Put faults into the code, one at a time, and say whether the tests notice: `make faults`.

The faults are those of `faults.toml`, by file: what goes wrong, the text that stands once in the file, what
is put in its place, and the test of `tests/edge` that must notice. The tree is copied into a temporary
folder, and only the copy is changed. A fault that no test notices is a test that is missing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

# What the tests need and the faults are not in: loaded once, for each run is a fork of this process.
import cv2  # noqa: F401
import hypothesis  # noqa: F401
import jsonschema  # noqa: F401
import paho.mqtt.client  # noqa: F401
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).parent.parent
LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "runs", "state", "*.egg-info", "__pycache__")
PASSED, FAILED = 0, 1  # pytest's exit status; others say that it could not run the tests


class Fault(NamedTuple):
    """One change of a file, and the test that must notice."""

    file: str
    what: str
    line: str
    instead: str
    test: str


def read_faults(path: Path) -> list[Fault]:
    """The faults of a table, in its order."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return [Fault(file, **each) for file, faults in table.items() for each in faults]


def run_tests(
    tree: Path, tests: Iterable[str], options: Iterable[str] = (), plugins: Sequence[object] = ()
) -> tuple[int, str]:
    """Pytest's exit status for these tests in the tree, and which one failed or what it said last.

    options: more arguments of pytest. plugins: what has hooks that pytest is to call.
    """
    output = tree / "output.txt"
    child = os.fork()
    if child == 0:
        os.chdir(tree)
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        # Without bytecode: a file that changes twice in a second, and not in size, would pass for unchanged.
        sys.dont_write_bytecode = True
        os.environ |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
        sys.path.insert(0, str(tree))
        names = [f"tests/edge/{test}" for test in tests]
        arguments = ["-q", "-x", "-p", "no:cacheprovider", "--durations=0", *options, *names]
        os._exit(pytest.main(arguments, plugins))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    said = output.read_text(encoding="utf-8", errors="replace")
    failed = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return status, failed[0].split(" - ")[0] if failed else said.strip()[-300:]


def try_fault(tree: Path, fault: Fault) -> tuple[str, str]:
    """Whether the fault is noticed, and by which test; the tree is afterwards as it was."""
    file = tree / fault.file
    sound = file.read_text(encoding="utf-8")
    if sound.count(fault.line) != 1:
        return "NOT THERE", f"stands {sound.count(fault.line)} times there: {fault.line}"
    file.write_text(sound.replace(fault.line, fault.instead), encoding="utf-8")
    try:
        status, what = run_tests(tree, [fault.test])
    finally:
        file.write_text(sound, encoding="utf-8")
    return {PASSED: "UNNOTICED", FAILED: "noticed"}.get(status, "NO TEST RAN"), what


def main() -> int:
    """Try the faults; 0 where all are noticed."""
    parser = argparse.ArgumentParser(description="put faults into the code and see whether the tests notice")
    parser.add_argument("only", nargs="*", help="parts of file names or descriptions; default: every fault")
    parser.add_argument("--at-once", action="store_true", help="do not run the tests without a fault first")
    parser.add_argument("--table", type=Path, default=Path(__file__).with_name("faults.toml"))
    options = parser.parse_args()
    faults = [
        fault
        for fault in read_faults(options.table)
        if not options.only or any(part in f"{fault.file} {fault.what}" for part in options.only)
    ]
    unnoticed = 0
    with tempfile.TemporaryDirectory(prefix="leukoscope-faults-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        tests = dict.fromkeys(fault.test for fault in faults)
        status, what = (PASSED, "") if options.at_once else run_tests(tree, tests)
        if status != PASSED:
            print(f"these tests fail without a fault, so that they cannot notice one: {what}")
            return 2
        for fault in faults:
            began = time.monotonic()
            verdict, what = try_fault(tree, fault)
            unnoticed += verdict != "noticed"
            took_s = time.monotonic() - began
            print(f"{verdict:11} {fault.file}: {fault.what} ({took_s:.0f} s)\n{'':11} {what}", flush=True)
    print(f"{len(faults) - unnoticed} of {len(faults)} faults are noticed")
    return int(unnoticed > 0)


if __name__ == "__main__":
    sys.exit(main())
