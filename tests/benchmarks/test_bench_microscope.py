"""A drawn microscope is counted by a real daemon, its cells are matched and named, and the table says so."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from benchmarks.cli import main
from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import SimulatedConfig
from trainer.data.datasets import DATASETS

FIELDS = 12


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Return a folder with a drawn `chula`, and no other set registered."""
    for name in set(DATASETS) - {"chula"}:
        monkeypatch.delitem(DATASETS, name)
    folder = tmp_path / "data"
    (folder / "chula" / "images").mkdir(parents=True)
    rows = ["image,x,y,width,height,kind,label,group"]
    camera = SimulatedCamera(SimulatedConfig(seed=77, cells=60))
    written = 0
    while written < FIELDS and (frame := camera.read()):
        cells = [cell for cell in camera.truth(frame.name) if cell.complete]
        if not cells:
            continue
        name = f"L-{written}_0001.jpg"
        written += 1
        pixels = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / "chula" / "images" / name), pixels, [cv2.IMWRITE_JPEG_QUALITY, 97])
        for cell in cells:
            place = ",".join(str(round(v)) for v in cell.box)
            rows.append(f"{name},{place},white cell,{cell.label},L")
    (folder / "chula" / "boxes.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


def test_fields_are_counted_and_named_and_the_device_says_why_it_does_not_adapt_to_so_few(
    data, tmp_path, capsys
):
    pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")
    result = tmp_path / "microscope.json"
    arguments = ["microscope", "--data", str(data), "--set", "chula", "--fields", "6", "--named", "1"]
    assert main([*arguments, "--json", str(result)]) == 0
    run = json.loads(result.read_text(encoding="utf-8"))
    before = run["before"]
    assert run["fields"] == 6
    assert before["cells"] >= 6
    assert before["found"] >= 0.9
    assert before["recall"] >= 0.6
    assert before["wrong"] <= 0.3
    assert run["named"], "no cell was found where one was drawn"
    assert set(run["named"].values()) == {1}
    assert run["after"] is None
    printed = capsys.readouterr().out
    assert f"not adapted: {run['note']}" in printed
    assert "| before |" in printed


def test_a_set_without_boxes_is_refused_in_a_sentence(tmp_path, capsys):
    classes = DATASETS["pbc"].reader.classes
    for name in classes:
        (tmp_path / "pbc" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "pbc" / name / "1.jpg"), np.zeros((8, 8, 3), np.uint8))
    assert main(["microscope", "--data", str(tmp_path), "--set", "pbc"]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("leukoscope-bench: pbc: has no boxes that say where")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["microscope", "--set", "pbc", "--model", "no-such.tflite"], "no-such.tflite: "),
        (["--fields", "1", "--labelled", "no-such"], "--labelled: no-such: there is no such folder"),
        (["microscope", "--set", "pbc", "--fields", "few"], "'few': give a whole number of 1 or more"),
        (["soak", "--minutes", "few"], "'few': is no number"),
    ],
)
def test_what_is_not_there_is_said_before_anything_is_measured(capsys, arguments, said):
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = ended.code
    assert status
    assert said in capsys.readouterr().err


def test_a_set_without_fields_is_named(data, capsys):
    assert main(["microscope", "--data", str(data), "--set", "no-such-set"]) != 0
    assert "no-such-set" in capsys.readouterr().err


def test_a_set_of_one_field_which_cannot_be_counted_and_named_in_is_refused(data, capsys):
    boxes = data / "chula" / "boxes.csv"
    rows = boxes.read_text(encoding="utf-8").splitlines()
    boxes.write_text("\n".join(row for row in rows if row.startswith(("image,", "L-0_"))), encoding="utf-8")
    assert main(["microscope", "--data", str(data), "--set", "chula"]) == 1
    assert capsys.readouterr().err.startswith("leukoscope-bench: chula: has too few fields")
