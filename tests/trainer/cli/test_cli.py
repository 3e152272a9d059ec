"""leukoscope-train, where what it needs is not there."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(("tensorflow", "keras", "sklearn", "matplotlib")))
from trainer.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["fit --data . --out runs", "find --data .", "explain --run . --data ."])
def test_what_only_training_needs_and_is_not_installed_is_named_with_the_way_to_it(command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *command.split()],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said.startswith("leukoscope-train: ")
    assert said.endswith("is not installed; it comes with the trainer: pip install 'leukoscope[trainer]'")
    assert any(name in said for name in ("tensorflow", "keras", "sklearn", "matplotlib"))
