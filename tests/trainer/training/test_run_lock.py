"""Two processes in one run's folder are kept apart, and a killed one keeps nobody out."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

from trainer.cli import main
from trainer.data.images import DataError
from trainer.training import run as runs
from trainer.training.run_lock import LOCK, RunInUseError, locked

HOLD = """
import sys
from pathlib import Path
from edge.errors import LeukoscopeError
from trainer.training.run_lock import locked
try:
    with locked(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
except LeukoscopeError as error:
    print(type(error).__name__, flush=True)
"""


@pytest.fixture
def second():
    """Return a function that starts a process that locks a folder, and gives it with what it said."""
    started = []

    def start(folder):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_fit_leaves_a_run_alone_that_another_process_works_on(tmp_path, second, capsys):
    out = tmp_path / "run"
    out.mkdir()
    holder, said = second(out)
    assert said == "held"
    arguments = ["fit", "--data", str(tmp_path), "--out", str(out)]
    assert main(arguments) == RunInUseError.exit_status
    assert f"{out}: another leukoscope-train is at work in it" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == [LOCK]
    holder.kill()
    holder.wait()
    assert main(arguments) == DataError.exit_status
    assert "are not there" in capsys.readouterr().err


def test_fit_keeps_other_processes_off_while_it_works_and_no_longer(tmp_path, second, monkeypatch):
    out = tmp_path / "run"
    said = []

    def stop(*_):
        said.append(second(out)[1])
        raise DataError("enough")

    monkeypatch.setattr(runs, "load_samples", stop)
    assert main(["fit", "--data", str(tmp_path), "--out", str(out)]) == DataError.exit_status
    assert said == ["RunInUseError"]
    with locked(out):
        pass
