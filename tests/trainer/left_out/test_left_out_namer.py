"""The namer with a microscope left out: which sets, and a tiny one from data to table, and once more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast
from unittest.mock import MagicMock

import cv2
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import SimulatedConfig
from edge.errors import ConfigError
from trainer.cli import main
from trainer.data.arrays import Samples
from trainer.data.datasets import DATASETS
from trainer.data.samples import Loaded
from trainer.left_out import namer
from trainer.left_out.in_turn import MICROSCOPES, RESULTS
from trainer.left_out.namer import NamerHalf
from trainer.recipe import load_recipe

if TYPE_CHECKING:
    from trainer.data.readers import ClassFolders

RECIPE = """
[data]
sets = ["pbc", "chula"]
classes = ["eosinophil", "lymphocyte", "monocyte", "neutrophil", "other"]
context = 1.3
holdout = 0.3
[data.merged]
other = ["immature granulocyte", "erythroblast", "platelet", "blast"]
[network]
name = "compact"
widths = [8, 8, 16, 16]
depth = 2
[augmentation]
noise = 3.0
[training]
epochs = 1
images_per_epoch = 64
batch = 8
warmup_epochs = 0
average = 0.9
"""


@pytest.mark.parametrize("microscope", MICROSCOPES)
def test_the_recipe_that_ships_is_put_on_the_other_microscopes(microscope):
    half = NamerHalf(load_recipe("any-microscope"))
    recipe = half.without(microscope)
    microscopes = {DATASETS[name].microscope for name in recipe.data.sets}
    assert microscopes == {*MICROSCOPES, "ankara"} - {microscope}
    assert half.measured_on(microscope) == (microscope,)
    others = set(recipe.data.merged["other"])
    assert {"immature granulocyte", "erythroblast"} <= others
    assert ("blast" in others) == (microscope != "munich"), "no other microscope has blasts to train on"
    assert recipe.network == half.recipe.network
    # Photographs of TEST: neither trained on, nor sizes chosen by them.
    assert set(recipe.data.leave_out) == (set() if microscope == "bccd" else set(half.recipe.data.leave_out))
    assert set(half.on("bccd").data.leave_out) == set(half.recipe.data.leave_out)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Return a folder with a drawn `pbc` and `chula`, and no other set registered."""
    for name in set(DATASETS) - {"pbc", "chula"}:
        monkeypatch.delitem(DATASETS, name)
    folders = cast("ClassFolders", DATASETS["pbc"].reader).classes
    wanted = [(folder, number) for number in range(4) for folder in folders]
    rows = ["image,x,y,width,height,kind,label,group"]
    (tmp_path / "chula" / "images").mkdir(parents=True)
    camera = SimulatedCamera(SimulatedConfig(seed=77, cells=200))
    while (wanted or len(rows) < 9) and (frame := camera.read()):
        pixels = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR)
        for cell in camera.truth(frame.name):
            if not cell.complete:
                continue
            if wanted:
                folder, number = wanted.pop(0)
                x, y = (max(120, round(v)) for v in cell.center)
                (tmp_path / "pbc" / folder).mkdir(parents=True, exist_ok=True)
                path = tmp_path / "pbc" / folder / f"{number}.jpg"
                cv2.imwrite(str(path), pixels[y - 120 : y + 120, x - 120 : x + 120])
            else:
                name = f"L-{len(rows)}_0001.jpg"
                cv2.imwrite(str(tmp_path / "chula" / "images" / name), pixels)
                x, y = (round(v) - 50 for v in cell.center)
                rows.append(f"{name},{max(0, x)},{max(0, y)},100,100,white cell,{cell.label},L")
                break
    assert len(rows) >= 9, "the slide has too few cells"
    (tmp_path / "chula" / "boxes.csv").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path


def test_a_recipe_with_a_set_of_ones_own_leaves_no_microscope_out(tmp_path, capsys):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(RECIPE.replace('["pbc", "chula"]', '["pbc", "mine"]'), encoding="utf-8")
    arguments = ["microscopes", "--data", str(tmp_path), "--left-out", str(tmp_path / "out")]
    assert main([*arguments, "--half", "namer", "--namer", str(recipe)]) == ConfigError.exit_status
    (said,) = capsys.readouterr().err.splitlines()
    assert "mine: is no registered data set, so nobody can tell whether it is of bccd" in said


@pytest.mark.parametrize("what", ["a label trained on", "a label measured on", "the finder that cuts"])
def test_what_the_result_rests_on_is_in_its_hash(data, tmp_path, monkeypatch, what):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    half = NamerHalf(load_recipe(str(recipe)))
    measured = "chula" if what == "a label measured on" else "pbc"
    before = half.made_from(measured, data)
    assert half.made_from(measured, data) == before
    if what == "the finder that cuts":
        monkeypatch.setattr(namer, "finder_version", lambda: "another")
    else:
        boxes = data / "chula" / "boxes.csv"
        rows = boxes.read_text(encoding="utf-8").splitlines()
        label = rows[1].split(",")[6]
        other = "monocyte" if label != "monocyte" else "neutrophil"
        rows[1] = rows[1].replace(label, other)
        boxes.write_text("\n".join(rows), encoding="utf-8")
    assert half.made_from(measured, data) != before


def test_where_no_counted_cell_could_be_cut_it_is_said(data, tmp_path, monkeypatch):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    other = Samples(np.zeros((3, 120, 120, 3), np.uint8), np.full(3, 4), ("a", "b", "c"))
    loaded = Loaded(other, np.zeros(3, np.bool_), {}, 0, 0, {})
    for name in ("fit_run", "export_run", "open_run"):
        monkeypatch.setattr(namer, name, MagicMock())
    monkeypatch.setattr(namer, "load_samples", lambda *_, **__: loaded)
    monkeypatch.setattr(namer, "predict", lambda *_: np.eye(5)[[0, 4, 4]])
    with pytest.raises(ConfigError, match="chula: no cell could be cut of a class that the recipe counts"):
        NamerHalf(load_recipe(str(recipe))).measure("chula", data, tmp_path / "out")


def test_a_microscope_is_left_out_from_data_to_table(data, tmp_path, capsys):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    out = tmp_path / "out"
    arguments = ["microscopes", "--data", str(data), "--left-out", str(out), "--namer", str(recipe)]
    arguments += ["--microscope", "chula", "--half", "namer"]
    assert main(arguments) == 0
    assert "macro recall" in capsys.readouterr().out
    (step,) = json.loads((out / RESULTS).read_text(encoding="utf-8"))["steps"]
    measured = step["measured"]
    assert (measured["trained_on"], measured["measured_on"]) == (["pbc"], ["chula"])
    assert measured["counts"]["cells"] + measured["counts"]["not used"] >= 8
    assert 0 <= measured["figures"]["float macro recall"]["value"] <= 1
    # Either int8 was measured, or it is said why not.
    assert ("called" in measured["figures"]) != bool(measured["notes"])
    if "called" in measured["figures"]:
        # What the device calls: the rule's own threshold, on the curve of all thresholds, or below it.
        figures, curve = measured["figures"], measured["trust"]
        assert len(curve) in {0, 100}
        assert bool(curve) == ("called, aligned" in figures), "both need to know where known cells lie"
        assert not curve or figures["called, aligned"]["value"] <= curve[0]["called"] + 1e-3
    before = (out / RESULTS).stat().st_mtime_ns
    assert main(arguments) == 0
    assert "namer without chula: measured before" in capsys.readouterr().out
    assert (out / RESULTS).stat().st_mtime_ns >= before
