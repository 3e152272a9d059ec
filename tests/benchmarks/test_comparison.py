"""`compare` sees a slowdown that was put in, and takes the noise of a busy machine for none.

recorded.json: the processor's times of six runs of one commit, one after the other, five repetitions each, on
a server whose two cores had a load of eight.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.cli import CHANGED, main
from benchmarks.comparison import SCHEMA
from benchmarks.timing import YARDSTICK

_RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text(encoding="utf-8"))


def _file(folder, run, *, slower=1.0, clock=1.0):
    rows = [
        {
            "stage": stage,
            "cpu_medians": [m * clock * (1 if stage == YARDSTICK else slower) for m in medians],
        }
        for stage, medians in _RECORDED[run].items()
    ]
    file = folder / f"{run}-{slower}-{clock}.json"
    file.write_text(json.dumps({"schema": SCHEMA, "repetitions": 5, "latency_ms": rows}), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("run", range(5))
def test_a_slowdown_of_a_fifth_is_seen(run, tmp_path, capsys):
    after = _file(tmp_path, run + 1, slower=1.2)
    assert main(["compare", _file(tmp_path, run), after]) == CHANGED
    assert "slower" in capsys.readouterr().out


@pytest.mark.parametrize("run", range(5))
def test_two_runs_of_one_commit_differ_in_nothing(run, tmp_path, capsys):
    assert main(["compare", _file(tmp_path, run), _file(tmp_path, run + 1)]) == 0
    assert "Nothing changed" in capsys.readouterr().out


def test_a_processor_with_a_lower_clock_is_no_change(tmp_path, capsys):
    assert main(["compare", _file(tmp_path, 1), _file(tmp_path, 1, clock=1.6)]) == 0
    assert "Nothing changed" in capsys.readouterr().out


def test_a_file_that_is_no_result_is_named(tmp_path, capsys):
    (tmp_path / "x.json").write_text("{}", encoding="utf-8")
    assert main(["compare", str(tmp_path / "x.json"), _file(tmp_path, 1)]) == 1
    assert "x.json: is no result" in capsys.readouterr().err
