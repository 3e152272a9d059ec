"""`leukoscope-train explain` on a tiny run: the page, its figures, and a limit that is kept and said."""

from __future__ import annotations

import json
import os
import re

import cv2
import msgspec
import numpy as np
import pytest
from drawn_data import CLASSES

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # compiling takes ten times what it saves here
pytest.importorskip("shap", reason="explaining needs shap")
pytest.importorskip("lime", reason="explaining needs lime")

from found_cells import find_cells

from edge.cameras.image_files import read_image
from edge.config import SHIPPED_MODEL
from edge.errors import ConfigError
from edge.masking import FoundCell
from edge.models.runtime import installed
from trainer.cli import main
from trainer.data.images import AnnotatedImage
from trainer.explanations import run as explaining
from trainer.explanations.baselines import BASELINES
from trainer.explanations.measures import area
from trainer.explanations.records import Explanation
from trainer.explanations.run import explain_run
from trainer.explanations.subjects import held_out, in_crop
from trainer.quantization.int8 import Quantized, quantize
from trainer.training.run import progress_bar, read_run

RECIPE = """
[data]
sets = ["blood-cell-images/TRAIN"]
classes = ["eosinophil", "lymphocyte", "monocyte", "neutrophil"]
holdout = 0.3
[network]
name = "compact"
widths = [4, 4, 8, 8]
depth = 2
[training]
epochs = 1
images_per_epoch = 16
batch = 8
warmup_epochs = 0
"""
DRAWN = {"photographs": 3, "copies": 2}


@pytest.fixture(scope="module", autouse=True)
def _quantized_once():
    """Quantizing takes the longest; these tests are of what comes after it."""
    made: dict[str, Quantized] = {}

    def once(opened, _progress):
        if "int8" not in made:
            made["int8"] = quantize(opened.model, opened.seen.pixels[:4])
        return made["int8"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explaining, "quantized_run", once)
        yield


@pytest.fixture(scope="module")
def explained(finished, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "explained"
    arguments = ["explain", "--run", str(finished), "--data", str(data), "--out", str(out), "--images", "6"]
    assert main([*arguments, "--time-limit", "300"]) == 0
    return out


def test_the_page_needs_nothing_from_elsewhere(explained):
    page = (explained / "explanation.html").read_text(encoding="utf-8")
    references = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?([^\"')\s>]+)", page)
    assert references
    assert all(one.startswith(("data:image/png;base64,", "#")) for one in references)
    assert "@import" not in page
    assert "<script" not in page
    for name in (*CLASSES, "SHAP", "LIME", "Grad-CAM++", *BASELINES):
        assert name in page


def test_the_figures_are_those_of_the_page(explained):
    found = msgspec.json.decode((explained / "explanation.json").read_bytes(), type=Explanation)
    assert found.unreached == ()
    assert found.images == 6
    assert {row.method for row in found.rows} >= {"Grad-CAM", "LIME", "SHAP", *BASELINES}
    assert all(1 <= row.images <= 6 for row in found.rows)
    assert [one.runtime.split()[0] for one in found.fidelity] == list(installed(in_new_process=True))
    assert [picture.file for picture in found.pictures][-2:] == ["shap.png", "lime.png"]
    for picture in found.pictures:
        assert (explained / picture.file).read_bytes().startswith(b"\x89PNG")
    page = (explained / "explanation.html").read_text(encoding="utf-8")
    for row in found.rows:
        assert f"{row.value.value:.3f} ({row.value.low:.3f} to {row.value.high:.3f})" in page


def test_curves_start_with_the_whole_cell_and_end_without_it(explained):
    found = msgspec.json.decode((explained / "explanation.json").read_bytes(), type=Explanation)
    assert {one.method for one in found.curves} >= {"Grad-CAM", "LIME", *BASELINES}
    whole = {one.deletion[0] for one in found.curves if one.images == 6}
    assert len(whole) == 1, "before anything is deleted the call is the same, whatever the map"
    for one in found.curves:
        assert len(one.deletion) == len(one.insertion) == 21
        if one.images == 6:
            assert one.insertion[-1] == pytest.approx(one.deletion[0], abs=1e-4)
    areas = {row.method: row.value.value for row in found.rows if row.figure == "deletion AUC"}
    for one in found.curves:
        assert area(np.array(one.deletion)) == pytest.approx(areas[one.method], abs=1e-3)


def test_int8_maps_are_like_float_grad_cam(explained):
    found = json.loads((explained / "explanation.json").read_bytes())
    for one in found["fidelity"]:
        assert one["images"] == 6
        assert one["median"]["value"] > 0.8


def test_the_limit_is_kept_and_what_it_cut_is_said(finished, data, tmp_path):
    ticks = [0.0]

    def clock():
        ticks[0] += 1.0
        return ticks[0]

    found = explain_run(finished, data, tmp_path, images=6, time_limit=1.5, clock=clock)
    cut = {one.what: (one.done, one.wanted) for one in found.unreached}
    assert cut["cells"] == (0, 6)
    assert cut["fidelity: cells"] == (0, 6)
    assert found.rows == ()
    page = (tmp_path / "explanation.html").read_text(encoding="utf-8")
    assert "not reached in time: fidelity: cells: 0 of 6" in page
    assert "All that was asked for" not in page


def test_a_runtime_that_fails_or_is_late_is_said_and_the_others_count(finished, data, tmp_path, monkeypatch):
    from trainer.explanations import device, parts

    whole = device.answer
    # One crop is always answered, and what is not there fails in its own process.
    monkeypatch.setattr(parts, "answer", lambda int8, pixels, _seconds: whole(int8, pixels, 0.0))
    monkeypatch.setattr(device, "installed", lambda **_: {"ai-edge-litert": "2", "no-such-runtime": "1"})
    monkeypatch.setattr(parts, "randomise", lambda *_: (None, ()))
    found = explain_run(finished, data, tmp_path, images=4, time_limit=300, methods=("device",))
    assert [(one.runtime, one.images) for one in found.fidelity] == [("ai-edge-litert 2", 1)]
    assert any("no-such-runtime" in note for note in found.notes)
    cut = {one.what: (one.done, one.wanted) for one in found.unreached}
    assert cut == {"fidelity on ai-edge-litert: cells": (1, 4)}


def test_a_scrap_of_a_drawn_cell_is_not_explained(tmp_path):
    from trainer.explanations.subjects import _true_masks

    mask = np.zeros((200, 200), np.uint8)
    mask[50:150, 50:150] = 128
    mask[80:120, 80:120] = 255
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), mask)
    image = AnnotatedImage(path, "drawn", mask=path)
    most = FoundCell((50, 50, 100, 100), (80, 80, 40, 40), (40, 40, 90, 90), 1600, True)
    nucleus, whole = _true_masks(image, most, ("nucleus", "cell"))
    assert (whole.sum(), nucleus.sum()) == pytest.approx((120**2 * 64 / 81, 120**2 * 16 / 81), rel=0.05)
    scrap = FoundCell((50, 50, 60, 60), (80, 80, 40, 40), (50, 50, 60, 60), 1600, True)
    assert _true_masks(image, scrap, ("nucleus", "cell")) is None


def test_an_int8_file_without_maps_is_said_to_have_none(finished, data, tmp_path, monkeypatch):
    whole = explaining.quantized_run

    def without_maps(opened, progress):
        made = whole(opened, progress)
        return Quantized(made.model, {"logits": made.outputs["logits"]}, made.exported)

    monkeypatch.setattr(explaining, "quantized_run", without_maps)
    found = explain_run(finished, data, tmp_path, images=4, time_limit=300, methods=("gradcam", "device"))
    assert any(note.startswith("no maps in the int8 file") for note in found.notes)
    assert found.fidelity == ()
    assert {row.method for row in found.rows} == {"Grad-CAM", *BASELINES}


def test_cells_are_held_out_and_their_masks_fit_their_crops(finished, data):
    run = read_run(finished)
    with progress_bar() as progress:
        cells = list(held_out(run, finished, data, progress))
    assert {cell.photograph for cell in cells} == set(run.held_out)
    assert [cell.label for cell in cells[:4]] == [0, 1, 2, 3]
    for cell in cells:
        assert cell.pixels.shape == (120, 120, 3)
        assert (cell.cell | ~cell.nucleus).all(), "the nucleus lies in its cell"
        # Nuclei are dark: were the mask shifted or scaled against the crop, it would not be.
        grey = cell.pixels.mean(axis=2)
        assert grey[cell.nucleus].mean() < grey[~cell.cell].mean() - 30


def test_a_mask_is_cut_as_the_crop_is_also_beyond_the_edge(data):
    image = next((data / "blood-cell-images" / "TRAIN" / "MONOCYTE").iterdir())
    masks = find_cells(read_image(image))
    cell = masks.cells[0]
    _, y, side, _ = cell.crop
    everything = np.ones(masks.frame_size, np.bool_)
    shifted = type(cell)(cell.box, cell.nucleus_box, (-side // 2, y, side, side), cell.nucleus_area, True)
    beyond = in_crop(everything, shifted)
    assert not beyond[:, :58].any()
    assert beyond[60, 62:].all()


def test_a_run_that_held_nothing_out_is_refused(finished, data, tmp_path, monkeypatch):
    opened = explaining.open_run

    def without(folder, data, progress):
        found = opened(folder, data, progress)
        return type(found)(
            msgspec.structs.replace(found.run, held_out=()),
            found.model,
            found.seen,
            found.held_out,
            found.tested,
        )

    monkeypatch.setattr(explaining, "open_run", without)
    with pytest.raises(ConfigError, match="nothing was held out"):
        explain_run(finished, data, tmp_path, images=4)


def test_a_bundle_of_another_run_is_refused(finished, data, tmp_path):
    with pytest.raises(ConfigError, match="was not exported from this run"):
        explain_run(finished, data, tmp_path, images=4, model=SHIPPED_MODEL)


def test_a_folder_that_is_no_run_is_named_in_one_sentence(tmp_path, data, capsys):
    assert main(["explain", "--run", str(tmp_path), "--data", str(data), "--out", str(tmp_path / "o")]) == 2
    said = capsys.readouterr().err
    assert "run.json" in said
    assert said.count("\n") == 1
