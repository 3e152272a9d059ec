"""The benchmark measures every stage and says on what."""

from __future__ import annotations

import json

from benchmarks.cli import main


def test_a_short_run_gives_every_stage_the_cold_start_and_the_environment(tmp_path, capsys):
    file = tmp_path / "bench.json"
    assert main(["--fields", "2", "--repetitions", "2", "--json", str(file)]) == 0
    result = json.loads(file.read_text(encoding="utf-8"))
    stages = {row["stage"]: row for row in result["latency_ms"]}
    for name in ("decode", "mask", "classify and map, a cell", "field, picture to calls"):
        row = stages[name]
        assert 0 < row["p50"] <= row["p90"] <= row["p99"] <= row["maximum"]
    whole, parts = stages["field, picture to calls"], ("decode", "quality", "mask")
    assert whole["p50"] > max(stages[part]["p50"] for part in parts)
    cold = result["cold_start"]
    assert 10 < cold["peak_rss_mib"] < 300
    assert cold["total_s"] >= cold["import_s"]
    assert result["environment"]["python"]
    assert "| decode |" in capsys.readouterr().out


def test_pictures_that_are_not_there_are_named(tmp_path, capsys):
    assert main(["--images", str(tmp_path / "none")]) == 1
    assert "there is no such file or folder" in capsys.readouterr().err
