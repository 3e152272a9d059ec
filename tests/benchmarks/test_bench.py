"""The benchmark measures every stage and says on what."""

from __future__ import annotations

import json

import pytest

from benchmarks.cli import main


def test_a_short_run_gives_every_stage_the_cold_start_and_the_environment(tmp_path, capsys):
    file = tmp_path / "bench.json"
    assert main(["--fields", "2", "--repetitions", "2", "--json", str(file)]) == 0
    result = json.loads(file.read_text(encoding="utf-8"))
    stages = {row["stage"]: row for row in result["latency_ms"]}
    for name in ("read and decode", "mask", "classify and map, a cell", "field, picture to calls"):
        row = stages[name]
        assert 0 < row["p50"] <= row["p90"] <= row["p99"] <= row["maximum"]
    whole, parts = stages["field, picture to calls"], ("read and decode", "quality", "mask")
    assert whole["p50"] > max(stages[part]["p50"] for part in parts)
    cold = result["cold_start"]
    assert 10 < cold["peak_rss_mib"] < 300
    assert cold["total_s"] >= cold["import_s"]
    assert result["environment"]["python"]
    assert "| read and decode |" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--fields", "0"], ["--repetitions", "-1"]])
def test_a_number_that_cannot_be_is_refused(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "must be 1 or more" in capsys.readouterr().err


def test_a_file_that_is_no_picture_is_named(tmp_path, capsys):
    (tmp_path / "x.jpg").write_text("no picture", encoding="utf-8")
    assert main(["--images", str(tmp_path)]) == 1
    assert "x.jpg: is not an image" in capsys.readouterr().err


def test_pictures_that_are_not_there_are_named(tmp_path, capsys):
    assert main(["--images", str(tmp_path / "none")]) == 1
    assert "there is no such file or folder" in capsys.readouterr().err
