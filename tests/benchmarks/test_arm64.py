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
    assert there["cells"] == here["cells"]
    assert there["daemon_peak_rss_mib"] < _MOST_MIB
    cells, peak = len(here["cells"]), there["daemon_peak_rss_mib"]
    with capsys.disabled():
        print(  # noqa: T201 (what was measured)
            f"\naarch64: {len(crops)} crops and {cells} cells as on {here['machine']};"
            f" peak RSS of the daemon {peak} MiB, here {here['daemon_peak_rss_mib']} MiB"
        )
