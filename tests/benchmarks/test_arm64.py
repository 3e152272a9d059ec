"""The same calls and maps on 64-bit Arm as here, in an emulated machine, and the memory they take there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from found_cells import find_cells

from benchmarks import pictures
from benchmarks.answers import CROPS, answers
from edge.cameras.image_files import read_image
from edge.masking import cut_crop

_SCRIPT = Path(__file__).parent / "arm64" / "arm64.sh"
# The finder tells sizes in steps of five per cent, and runtimes round otherwise.
_LEAST_OVERLAP = 0.9
_MOST_MIB = 80e6 / 2**20  # of the daemon, 80 MB


@pytest.mark.timeout(600)
def test_an_arm_machine_answers_as_this_one(tmp_path, capsys):
    machine = os.environ.get("LEUKOSCOPE_ARM64")
    if not machine:
        pytest.skip("no Arm machine: set LEUKOSCOPE_ARM64 to the folder where arm64.sh laid one out")
    for command in ("qemu-system-aarch64", "cpio"):
        if shutil.which(command) is None:
            pytest.skip(f"{command} is not installed")
    files = [file for file, _ in pictures.drawn(4, tmp_path)] + [pictures.crowded(tmp_path, (10,))[10]]
    crops = []
    for file in files:
        pixels = read_image(file)
        masks = find_cells(pixels)
        crops += [cut_crop(pixels, cell) for cell in masks.cells]
    np.save(tmp_path / CROPS, np.stack(crops))
    here = answers(tmp_path)
    done = subprocess.run(
        [_SCRIPT, machine, tmp_path], capture_output=True, text=True, check=False, timeout=580
    )
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout)
    assert there["machine"] == "aarch64"
    if there["runtime"] == here["runtime"]:
        assert there["crops"] == here["crops"]  # scores, maps and features, bit for bit
    cells, peak = len(here["cells"]), there["daemon_peak_rss_mib"]
    # Cells come largest first, and two may be of nearly one size.
    pairs = [
        (cell, max(there["cells"], key=lambda other, cell=cell: _overlap(cell, other)))
        for cell in here["cells"]
    ]
    overlaps = [_overlap(*pair) for pair in pairs]
    with capsys.disabled():
        print(  # noqa: T201 (what was measured)
            f"\naarch64: {len(crops)} crops and {cells} cells as on {here['machine']}, boxes over each other"
            f" by {min(overlaps):.2f} at least; peak RSS of the daemon {peak} MiB,"
            f" here {here['daemon_peak_rss_mib']} MiB"
        )
    assert len(there["cells"]) == cells
    assert [_called(other) for _, other in pairs] == [_called(cell) for cell, _ in pairs]
    assert min(overlaps) > _LEAST_OVERLAP
    assert there["daemon_peak_rss_mib"] < _MOST_MIB


def _called(cell):
    return cell["file"], cell["label"], cell["rejected"]


def _overlap(a, b):
    """Return the intersection over union of two cells' boxes, [x, y, width, height]; 0 in different files."""
    if a["file"] != b["file"]:
        return 0.0
    one, other = a["box"], b["box"]
    sides = [
        max(0, min(one[k] + one[k + 2], other[k] + other[k + 2]) - max(one[k], other[k])) for k in (0, 1)
    ]
    shared = sides[0] * sides[1]
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)
