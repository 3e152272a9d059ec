"""One recipe under three splits, side by side; folds are pooled."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest
from drawn_data import CLASSES, draw_data

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

import tensorflow as tf

from edge.errors import ConfigError
from trainer.cli import main
from trainer.evaluation import compare as comparing
from trainer.evaluation.answers import read_answers
from trainer.evaluation.compare import Comparison, Row, markdown, write_into
from trainer.evaluation.metrics import measure, share

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
    tf.config.run_functions_eagerly(True)  # four trainings of two steps: a graph of each takes longer
    try:
        assert main(arguments) == 0
    finally:
        tf.config.run_functions_eagerly(False)
    return folder, arguments


def test_a_folder_of_ones_own_beside_a_registered_set_has_its_row():
    logits = np.eye(4, dtype=np.float32)
    figures = measure(logits, np.arange(4), list("abcd"), CLASSES)
    sets, same = ("/home/me/slides", "munich"), share(np.ones(4, np.bool_), list("abcd"))
    row = Row("tiny", "folders", sets, ("munich",), 1, ("run",), 4, 4, figures, figures, same)
    table = markdown(Comparison(comparing.SCHEMA, (row,)))
    assert "| folders: /home/me/slides to munich |" in table


def test_every_split_has_its_row_and_the_folds_are_pooled(compared):
    folder, _ = compared
    rows = json.loads((folder / "runs" / "comparison.json").read_text(encoding="utf-8"))["rows"]
    assert [(row["split"], len(row["runs"])) for row in rows] == [
        ("study", 1),
        ("folders", 1),
        ("grouped", 2),
    ]
    assert [row["epochs"] for row in rows] == [1, 1, 1]
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
    assert "| grouped: 2 folds of photographs | 1 | 40 / 20 |" in after
    assert "| folders: TRAIN to TEST | 1 | 16 / 8 |" in after
    with pytest.raises(ConfigError, match="has no place for the table"):
        write_into(folder / "tiny.toml", "table")
    assert (folder / "tiny.toml").read_text(encoding="utf-8") == RECIPE


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "page.md: cannot be read"),
        ("# Page\n<!-- compare: end -->\n<!-- compare: begin -->\n", "page.md: has no place for the table"),
    ],
)
def test_a_page_without_a_place_for_the_table_is_refused_before_anything_is_trained(
    compared, tmp_path, capsys, text, sentence
):
    _, arguments = compared
    page, out = tmp_path / "page.md", tmp_path / "runs"
    if text is not None:
        page.write_text(text, encoding="utf-8")
    assert main([*arguments, "--out", str(out), "--write", str(page)]) == ConfigError.exit_status
    assert sentence in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("sets", "tests", "label"),
    [
        (("a/TRAIN", "a/TEST", "a/SIMPLE"), ("a/TEST",), "folders: TRAIN + SIMPLE to TEST"),
        (("a/TRAIN", "pbc", "bccd"), ("pbc", "bccd"), "folders: a/TRAIN to pbc + bccd"),
    ],
)
def test_the_row_of_the_folders_names_the_recipes_own_sets(compared, sets, tests, label):
    folder, _ = compared
    rows = msgspec.json.decode((folder / "runs" / "comparison.json").read_bytes(), type=Comparison).rows
    row = msgspec.structs.replace(rows[1], sets=sets, test_sets=tests, epochs=37)
    table = comparing.markdown(Comparison(comparing.SCHEMA, (row,)))
    assert f"| `tiny` | {label} | 37 |" in table


def test_what_is_finished_is_not_done_again(compared, monkeypatch, capsys):
    folder, arguments = compared

    def again(*_, **__):
        raise AssertionError("measured a second time")

    monkeypatch.setattr(comparing, "evaluate_run", again)
    checkpoints = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*.keras")}
    assert main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*.keras")} == checkpoints
    assert "| `tiny` |" in capsys.readouterr().out


def test_rows_of_an_earlier_call_stay_in_the_table(compared, capsys):
    folder, arguments = compared
    table = (folder / "page.md").read_text(encoding="utf-8")
    (folder / "other.toml").write_text(RECIPE, encoding="utf-8")
    other = [str(folder / "other.toml") if one.endswith("tiny.toml") else one for one in arguments]
    assert main([*other, "--split", "folders"]) == 0
    rows = [line for line in table.splitlines() if line.startswith("| `tiny`")]
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if line.startswith("| `tiny`")] == rows
    assert sum(line.startswith("| `other`") for line in shown) == 1
    # Measured again, a row takes the former one's place.
    assert main(arguments) == 0
    shown = capsys.readouterr().out.splitlines()
    assert sorted(line for line in shown if line.startswith("| `tiny`")) == sorted(rows)
    assert sum(line.startswith("| `other`") for line in shown) == 1


def test_a_comparison_that_cannot_be_read_is_no_reason_to_lose_it(compared, tmp_path, capsys):
    _, arguments = compared
    (tmp_path / "comparison.json").write_text("{", encoding="utf-8")
    place = arguments.index("--out") + 1
    assert main([*arguments[:place], str(tmp_path), *arguments[place + 1 :]]) == ConfigError.exit_status
    assert f"{tmp_path / 'comparison.json'}: cannot be read" in capsys.readouterr().err
    assert (tmp_path / "comparison.json").read_text(encoding="utf-8") == "{"
