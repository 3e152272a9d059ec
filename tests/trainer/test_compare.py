"""One recipe under three splits, side by side; folds are pooled."""

from __future__ import annotations

import json

import numpy as np
import pytest
from drawn_data import CLASSES, draw_data

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

from edge.errors import ConfigError
from trainer import compare as comparing
from trainer.answers import read_answers
from trainer.cli import main
from trainer.compare import write_into

RECIPE = """
[data]
sets = ["blood-cell-images/TRAIN", "blood-cell-images/TEST"]
classes = ["eosinophil", "lymphocyte", "monocyte", "neutrophil"]
test_sets = ["blood-cell-images/TEST"]
missed = "whole"
holdout = 0
folds = 2
[network]
name = "compact"
widths = [8, 8, 8, 8]
depth = 2
[training]
epochs = 1
images_per_epoch = 16
batch = 8
warmup_epochs = 0
"""
PAGE = "# Page\n<!-- compare: begin -->\nformer table\n<!-- compare: end -->\nmore\n"


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    data = draw_data(folder / "data", photographs=3, copies=2, tests=2)
    (folder / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    (folder / "page.md").write_text(PAGE, encoding="utf-8")
    arguments = ["compare", "--recipe", str(folder / "tiny.toml"), "--data", str(data)]
    arguments += ["--out", str(folder / "runs"), "--write", str(folder / "page.md")]
    assert main(arguments) == 0
    return folder, arguments


def test_every_split_has_its_row_and_the_folds_are_pooled(compared):
    folder, _ = compared
    rows = json.loads((folder / "runs" / "comparison.json").read_text(encoding="utf-8"))["rows"]
    assert [(row["split"], len(row["runs"])) for row in rows] == [
        ("study", 1),
        ("folders", 1),
        ("grouped", 2),
    ]
    grouped = rows[2]
    # Every photograph once: three of TRAIN and two of TEST a class, and all their copies.
    assert grouped["photographs"] == 5 * len(CLASSES)
    assert grouped["images"] == (3 * 2 + 2 * 2) * len(CLASSES)
    folds = [set(read_answers(folder / "runs" / name).photographs) for name in grouped["runs"]]
    assert not folds[0] & folds[1]
    assert np.sum(grouped["int8"]["confusion"]) == grouped["images"]
    assert rows[1]["photographs"] == 2 * len(CLASSES)


def test_the_table_goes_between_the_pages_markers_and_nowhere_else(compared):
    folder, _ = compared
    before, table, after = (folder / "page.md").read_text(encoding="utf-8").partition("| recipe |")
    assert before == "# Page\n<!-- compare: begin -->\n"
    assert (table + after).endswith("\n<!-- compare: end -->\nmore\n")
    assert "former table" not in after
    assert after.count("`tiny`") == 3
    assert "grouped: 2 folds of photographs" in after
    with pytest.raises(ConfigError, match="has no place for the table"):
        write_into(folder / "tiny.toml", "table")
    assert (folder / "tiny.toml").read_text(encoding="utf-8") == RECIPE


def test_what_is_finished_is_not_done_again(compared, monkeypatch, capsys):
    folder, arguments = compared

    def again(*_, **__):
        raise AssertionError("measured a second time")

    monkeypatch.setattr(comparing, "evaluate_run", again)
    checkpoints = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*.keras")}
    assert main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*.keras")} == checkpoints
    assert "| `tiny` |" in capsys.readouterr().out
