"""The page of evaluated runs: whole, on its own, and saying what the runs' files say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import msgspec
import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the report needs matplotlib")
pytest.importorskip("sklearn", reason="the trainer needs scikit-learn")

from trainer.cli import main
from trainer.evaluation.answers import Answers, write_answers
from trainer.evaluation.metrics import measure, share
from trainer.evaluation.record import SCHEMA, Evaluation, write_evaluation

CLASSES = ("eosinophil", "<b>mono$cyte$</b>")
RECIPE = {
    "name": "tiny",
    "data": {"sets": ["blood-cell-images/TRAIN"], "classes": CLASSES, "split": "grouped"},
    "network": {"name": "compact"},
    "training": {"epochs": 3},
}


def write_run(folder, *, on=None, split="grouped", seed=1):
    """Write what fit and evaluate leave in a run's folder."""
    rng = np.random.default_rng(seed)
    labels = np.arange(60) % 2
    photographs = tuple(f"p{i // 3}" for i in range(60))
    logits = (rng.normal(size=(60, 2)) + 2 * np.eye(2)[labels]).astype(np.float32)
    rounded = np.round(2 * logits) / 2
    (folder / "epoch-0003").mkdir(parents=True, exist_ok=True)
    history = [
        {"loss": 1 / n, "accuracy": 0.5 + n / 10, "val_accuracy": 0.4, "seconds": 7.5} for n in (1, 2, 3)
    ]
    (folder / "epoch-0003" / "history.json").write_text(json.dumps(history), encoding="utf-8")
    recipe = {**RECIPE, "data": {**RECIPE["data"], "split": split}}
    record = {
        "recipe": recipe,
        "data_sha256": {"blood-cell-images/TRAIN": "ab" * 32},
        "split_sha256": "cd" * 32,
        "photographs": 20,
        "held_out": [],
        "left_out": 4,
        "python": "3.11.2",
        "versions": {"tensorflow": "2.21.0"},
    }
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    write_answers(folder, Answers(labels, photographs, logits, rounded.astype(np.float32)), on)
    figures = [measure(one, labels, photographs, CLASSES) for one in (logits, rounded)]
    evaluation = Evaluation(
        schema=SCHEMA,
        recipe="tiny",
        part="fold 1 of 5 (photographs)" if on is None else on,
        on=on,
        images=60,
        photographs=20,
        uncut=0,
        left_out=4,
        data_sha256=record["data_sha256"],
        split_sha256=record["split_sha256"],
        bootstrap_draws=2000,
        float32=figures[0],
        int8=figures[1],
        agreement=share(logits.argmax(axis=1) == rounded.argmax(axis=1), photographs),
        float_bytes=220_000,
        int8_bytes=91_000,
        int8_ms=0.21,
        runtime="ai-edge-litert 2.3",
    )
    write_evaluation(folder, evaluation)
    return evaluation


class Page(HTMLParser):
    """Collect what a page asks the network for, its text, and what its plots say of themselves."""

    def __init__(self, text):
        super().__init__()
        self.outside, self.text, self.plots, self.ids, self.tags = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        found = dict(attrs)
        self.outside += [
            found[name]
            for name in ("src", "href", "xlink:href")
            if name in found and not found[name].startswith("#")
        ]
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "svg":
            assert found["role"] == "img"
            self.plots.append(found["aria-label"])

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def runs(tmp_path):
    first, second = tmp_path / "one", tmp_path / "two & <i>"
    write_run(first)
    write_run(first, on="pbc", seed=3)
    write_run(second, split="study", seed=2)
    return first, second


def report(*folders, out):
    arguments = [argument for folder in folders for argument in ("--run", str(folder))]
    return main(["report", *arguments, "--out", str(out)])


def test_the_page_stands_alone_and_escapes_what_it_shows(runs, tmp_path):
    out = tmp_path / "report.html"
    assert report(*runs, out=out) == 0
    text = out.read_text(encoding="utf-8")
    page = Page(text)
    assert page.outside == []
    assert "@import" not in text
    assert "url(http" not in text
    assert len(page.ids) == len(set(page.ids)) > 0
    assert not {"script", "link", "img", "i", "b"} & set(page.tags)
    words = "".join(page.text)
    assert CLASSES[1] in words
    assert "Copies of the same photograph stand on both sides" in words
    assert "No photograph is on both sides" in words
    assert "two & <i>" in words
    # Of each evaluation two confusion matrices, ROCs and reliability diagrams; of each run two curves.
    assert len(page.plots) == 3 * (2 + 2 + 2) + 2 * 2
    for start in range(len(page.plots)):
        svg = text.split("<svg")[start + 1].split("</svg>")[0]
        ET.fromstring(f"<svg{svg}</svg>")  # noqa: S314 (our own)


def test_the_json_beside_it_has_the_figures_of_the_evaluations(runs, tmp_path):
    out = tmp_path / "report.html"
    assert report(*runs, out=out) == 0
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    first = told["runs"][0]
    assert [section["evaluation"]["on"] for section in first["sections"]] == [None, "pbc"]
    for section, name in zip(first["sections"], ("evaluation.json", "evaluation-pbc.json"), strict=True):
        assert section["evaluation"] == json.loads((runs[0] / name).read_text(encoding="utf-8"))
    assert first["seconds_per_epoch"] == 7.5
    accuracy = first["sections"][0]["evaluation"]["int8"]["accuracy"]
    shown = f"{100 * accuracy['value']:.2f} % ({100 * accuracy['low']:.2f}-{100 * accuracy['high']:.2f})"
    assert shown in out.read_text(encoding="utf-8")


def test_the_same_runs_give_the_same_page(runs, tmp_path):
    assert report(*runs, out=tmp_path / "a.html") == report(*runs, out=tmp_path / "b.html") == 0
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def _cut(path):
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            lambda run: (run / "evaluation.json").unlink(),
            r"evaluation\.json: is not there; run leukoscope-train evaluate",
        ),
        (lambda run: _cut(run / "evaluation.json"), r"evaluation\.json: is not an evaluation"),
        (lambda run: _cut(run / "answers.npz"), r"answers\.npz: cannot be read"),
        (lambda run: _cut(run / "run.json"), r"run\.json: is damaged"),
        (lambda run: _cut(run / "epoch-0003" / "history.json"), r"history\.json: is damaged"),
        (lambda run: (run / "run.json").unlink(), r"run\.json: is not there"),
    ],
)
def test_a_run_that_cannot_be_reported_is_named_and_an_earlier_page_kept(
    runs, tmp_path, capsys, spoil, sentence
):
    out = tmp_path / "report.html"
    assert report(*runs, out=out) == 0
    former = out.read_bytes()
    spoil(runs[0])
    assert report(*runs, out=out) != 0
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert re.search(sentence, told)
    assert out.read_bytes() == former


def test_a_training_that_diverged_for_an_epoch_is_still_reported(runs, tmp_path):
    path = runs[0] / "epoch-0003" / "history.json"
    history = [*json.loads(path.read_text(encoding="utf-8")), {"loss": float("nan"), "accuracy": 0.2}]
    path.write_text(json.dumps(history), encoding="utf-8")
    out = tmp_path / "report.html"
    assert report(runs[0], out=out) == 0
    assert "over 4 epochs" in out.read_text(encoding="utf-8")
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert told["runs"][0]["history"][-1]["loss"] is None


def test_only_the_report_itself_loads_matplotlib():
    asked = "import sys, trainer.cli, trainer.reports.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


def test_answers_of_another_evaluation_are_not_mixed_in(runs, tmp_path, capsys):
    other = tmp_path / "other"
    write_run(other, seed=9)
    (other / "answers.npz").replace(runs[0] / "answers.npz")
    assert report(runs[0], out=tmp_path / "report.html") != 0
    assert "is not of one measurement with evaluation.json" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_named(runs, tmp_path, capsys):
    assert report(runs[0], out=tmp_path / "nowhere" / "report.html") != 0
    assert "cannot be written" in capsys.readouterr().err


def test_an_evaluation_of_a_former_version_says_what_to_do(runs, tmp_path, capsys):
    path = runs[0] / "evaluation.json"
    told = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**told, "schema": "leukoscope.evaluation/1"}))
    assert report(runs[0], out=tmp_path / "report.html") != 0
    assert "is leukoscope.evaluation/1, and leukoscope.evaluation/2 is needed" in capsys.readouterr().err
