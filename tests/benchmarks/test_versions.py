"""Two versions measured in turns: what was made slower in one of them is seen, and where."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.cli import CHANGED, main
from benchmarks.versions import Row

REPOSITORY = Path(__file__).parents[2]
BEGUN = "        started = time.perf_counter()\n        quality = assess(pixels, reference)\n"
SLOWER = "        while time.perf_counter() < started + 0.06:\n            pass\n"
FOUND = "            masks, found = self._find(pixels, red_cell)\n"
SLOWER_ALONE = """\
            while red_cell is None and time.perf_counter() < assessed + 0.12:
                pass
"""
"""Only where the scale is not known from an earlier look at the same picture."""

FIELDS = 7  # enough for a folder's pictures to align the model
COMPILED = """
import os
from importlib.machinery import SourceFileLoader

compiled = SourceFileLoader.source_to_code


def source_to_code(loader, data, path, **named):
    with open(os.environ["COMPILED"], "a") as file:
        print(path, file=file)
    return compiled(loader, data, path, **named)


SourceFileLoader.source_to_code = source_to_code
"""
"""Python imports it, as sitecustomize, before all else."""


def test_a_version_that_is_slow_is_seen_where_it_is_slow(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("COMPILED", str(tmp_path / "compiled"))
    slow = tmp_path / "slow"
    shutil.copytree(REPOSITORY / "edge", slow / "edge", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "setup.cfg", slow)
    (slow / "sitecustomize.py").write_text(COMPILED, encoding="utf-8")
    analyzer = slow / "edge/analyzer.py"
    code = analyzer.read_text(encoding="utf-8")
    assert BEGUN in code
    assert FOUND in code
    lines = BEGUN.splitlines(keepends=True)
    code = code.replace(BEGUN, lines[0] + SLOWER + lines[1]).replace(FOUND, SLOWER_ALONE + FOUND)
    analyzer.write_text(code, encoding="utf-8")
    file = tmp_path / "result.json"
    arguments = ["compare", str(REPOSITORY), str(slow), "--rounds", "1", "--fields", str(FIELDS)]
    assert main([*arguments, "--json", str(file)]) == CHANGED
    rows = {row["name"]: row for row in json.loads(file.read_text(encoding="utf-8"))["rows"]}
    quality = rows["a field, quality: processor ms"]
    assert quality["after"] - quality["before"] == pytest.approx(60, abs=15)
    finding = rows["a field, finding and outlining: processor ms"]
    assert finding["after"] - finding["before"] == pytest.approx(120, abs=30)
    folder = rows[f"analyze, a folder of {FIELDS} fields from start to end: processor s"]
    once_and_twice = FIELDS * (0.12 + 2 * 0.06)  # the pictures are looked at before, to align the model
    assert folder["after"] - folder["before"] == pytest.approx(once_and_twice, abs=0.4)
    assert rows["throughput, fields a processor second"]["ratio"] < 0.8
    assert rows["a field, decoding: processor ms"]["after"] < 15
    for name, more in (("package, lines of Python", 4), ("imports, analyze: modules of edge", 0)):
        assert rows[name]["after"] - rows[name]["before"] == more
        assert rows[name]["counted"]
    for name in ("memory, daemon: peak RSS MiB", "memory, analyze: peak RSS MiB"):
        assert 20 < rows[name]["before"] < 300
    assert "| a field, quality: processor ms |" in capsys.readouterr().out
    compiled = Counter((tmp_path / "compiled").read_text(encoding="utf-8").splitlines())
    assert compiled[str(analyzer)] == 1, "byte code is made once, before what counts"
    assert set(compiled.values()) == {1}


@pytest.mark.parametrize(
    ("name", "low", "high", "worse"),
    [
        ("start", 1.06, 1.4, True),
        ("start", 1.04, 1.4, False),
        ("start", 0.5, 0.6, False),
        ("throughput", 0.5, 0.94, True),
        ("throughput", 0.5, 0.96, False),
        ("throughput", 1.5, 1.6, False),
    ],
)
def test_what_is_worse_is_so_with_its_whole_interval(name, low, high, worse):
    assert Row(name, 1.0, 1.0, 1.0, low, high).worse == worse


@pytest.mark.parametrize("arguments", [["no-such-tag"], ["--", "--output=x"], [str(REPOSITORY / "docs")]])
def test_what_is_no_version_is_named(arguments, capsys):
    assert main(["compare", *arguments]) == 1
    sentence = (
        f"{arguments[-1]}: is neither a folder with a checkout of Leukoscope nor a revision of this one"
    )
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["a.json"], ["a.json", "HEAD"]])
def test_a_result_is_compared_with_a_result(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["compare", *arguments])
    assert "compare two results, or two versions" in capsys.readouterr().err


def test_one_field_tells_no_throughput_and_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["compare", "HEAD", "--fields", "1"])
    assert "--fields: '1': give a whole number of 2 or more" in capsys.readouterr().err
