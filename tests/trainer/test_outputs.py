"""What `leukoscope-train` writes overwrites no input, and without --force nothing but earlier results."""

from __future__ import annotations

import shutil

import pytest
from drawn_data import draw_data

from edge.config import SHIPPED_MODEL
from trainer.cli import main
from trainer.evaluation.bundle_measurement import SCHEMA as MEASUREMENT
from trainer.evaluation.finding import Finding
from trainer.outputs import has_mark, is_exported, is_json_of, refuse_output
from trainer.reports.report import SCHEMA as REPORT

NOTES = "# Notes of somebody\n"


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes.md"
    path.write_text(NOTES, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["export", "--run", "{run}", "--out", "{notes}.tflite"], "export"),
        (["report", "--run", "{run}", "--out", "{notes}.md"], "report"),
        (["report", "--run", "{run}", "--out", "{notes}.html", "--json", "{notes}.md"], "report"),
        (["measure", "--model", str(SHIPPED_MODEL), "--on", "pbc", "--json", "{notes}.md"], "measure"),
        (["find", "--json", "{notes}.md"], "find"),
    ],
)
def test_a_file_of_somebody_is_not_overwritten(notes, tmp_path, capsys, arguments, command):
    run = tmp_path / "run"
    run.mkdir()
    named = [one.format(run=run, notes=notes.with_suffix("")) for one in arguments]
    assert main(named) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"leukoscope-train: {notes}: is there already and was not written by")
    assert f"`leukoscope-train {command}`" in told
    assert notes.read_text(encoding="utf-8") == NOTES


def test_an_audit_leaves_a_file_of_its_report_s_name_unless_forced(tmp_path, capsys):
    sets = draw_data(tmp_path, photographs=1, copies=2) / "blood-cell-images"
    out = tmp_path / "out"
    out.mkdir()
    (out / "audit.json").write_text("[]", encoding="utf-8")
    arguments = ["audit", str(sets), "--out", str(out)]
    assert main(arguments) == 1
    assert f"{out / 'audit.json'}: is there already" in capsys.readouterr().err
    assert (out / "audit.json").read_text(encoding="utf-8") == "[]"
    assert main([*arguments, "--force"]) == 0
    assert main(arguments) == 0, "over its own report"


@pytest.mark.parametrize("what", ["--run", "--model"])
def test_an_input_is_not_overwritten_even_where_forced(tmp_path, capsys, what):
    if what == "--model":
        given = tmp_path / "model.tflite"
        shutil.copy(SHIPPED_MODEL, given)
        arguments = ["measure", "--model", str(given), "--on", "pbc", "--json", str(given), "--force"]
    else:
        given = tmp_path / "run.json"
        given.write_text("{}", encoding="utf-8")
        arguments = ["report", "--run", str(tmp_path), "--out", str(tmp_path / "x.html"), "--force"]
        arguments += ["--json", str(given)]
    before = given.read_bytes()
    assert main(arguments) == 1
    assert f"{given}: is an input, which a result never overwrites" in capsys.readouterr().err
    assert given.read_bytes() == before


@pytest.mark.parametrize("spelt", ["pbc", "slides", "{tmp_path}/slides", "zheng1"])
def test_an_image_that_is_measured_is_not_overwritten_even_where_forced(tmp_path, capsys, spelt):
    name = spelt.rpartition("/")[2]
    image = tmp_path / name / "monocyte" / "1.jpg"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"a cell")
    command = ["measure", "--model", str(SHIPPED_MODEL), "--on", spelt.format(tmp_path=tmp_path)]
    arguments = ["find"] if name == "zheng1" else command
    assert main([*arguments, "--data", str(tmp_path), "--json", str(image), "--force"]) == 1
    assert f"{image}: is an input, which a result never overwrites" in capsys.readouterr().err
    assert image.read_bytes() == b"a cell"


@pytest.mark.parametrize(
    ("content", "is_earlier"),
    [
        (f'{{"schema": "{REPORT}"}}'.encode(), has_mark(REPORT)),
        (f'{{"schema": "{MEASUREMENT}"}}'.encode(), has_mark(MEASUREMENT)),
        (b'{"part": "held", "figures": [], "absent": []}', is_json_of(Finding)),
        (SHIPPED_MODEL.read_bytes(), is_exported),
    ],
)
def test_an_earlier_result_is_known_and_half_of_it_is_not(tmp_path, content, is_earlier):
    path = tmp_path / "result"
    path.write_bytes(content)
    refuse_output(path, "export", is_earlier, inputs=[path])
    path.write_bytes(content[: len(content) // 2])
    assert not is_earlier(path)
