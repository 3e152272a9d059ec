"""Figures of known answers, and a tiny run of the study's recipe from its images to its evaluation."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from drawn_data import CLASSES, draw_data

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

import keras
from tiny_runs import fit_with_a_stop, history

from edge.cli import main as device
from edge.errors import ConfigError, NoRuntimeError
from edge.models.bundle import read_bundle
from edge.models.runtime import Runtime, installed
from trainer.cli import main
from trainer.data.splits import deal_as_the_study
from trainer.evaluation import evaluate as evaluations
from trainer.evaluation.metrics import measure
from trainer.networks.predicting import predict
from trainer.networks.registry import for_device
from trainer.networks.study import folded, study
from trainer.quantization.int8 import quantize, run_int8
from trainer.recipe import RECIPES, load_recipe
from trainer.training import run as runs

RECIPE = """
[data]
sets = ["blood-cell-images/TRAIN"]
classes = ["eosinophil", "lymphocyte", "monocyte", "neutrophil"]
masking = "study"
split = "study"
missed = "whole"
[network]
name = "study"
filters = [4, 4, 8, 8, 8, 16]
[training]
epochs = 2
images_per_epoch = 0
batch = 16
optimizer = "nadam"
schedule = "constant"
learning_rate = 0.001
warmup_epochs = 0
weight_decay = 0
label_smoothing = 0
average = 0
"""
DRAWN = {"photographs": 2, "copies": 7}


@pytest.fixture(scope="module")
def crops():
    """Blotches of every size, so that the network's answers differ: uint8 (64, 120, 120, 3)."""
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (64, 6, 6, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((1, 20, 20, 1), np.uint8))


@pytest.fixture(scope="module")
def lively(crops):
    """Make a small network of the study's kind whose BatchNorm fits these crops; some scales are negative."""
    keras.utils.set_random_seed(3)
    model = study(4, filters=(4, 8, 8, 8, 8, 16))
    rng = np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            entering = predict(keras.Model(model.inputs, layer.input), crops)
            count = entering.shape[-1]
            gamma = rng.uniform(0.5, 2, count) * rng.choice([1, 1, 1, -1], count)
            gamma[0] = 0
            mean, variance = entering.mean(axis=(0, 1, 2)), entering.var(axis=(0, 1, 2))
            layer.set_weights([gamma, rng.normal(0, 0.3, count), mean, variance])
    return model


def test_folding_batchnorm_through_relu_is_exact(lively, crops):
    plain = folded(lively)
    assert not [layer for layer in plain.layers if isinstance(layer, keras.layers.BatchNormalization)]
    np.testing.assert_allclose(predict(plain, crops), predict(lively, crops), atol=1e-4)


def test_a_batchnorm_that_follows_no_relu_is_kept_whole_in_its_place(crops):
    inputs = keras.Input((120, 120, 3))
    x = keras.layers.Conv2D(4, 3, strides=8, activation="tanh")(inputs)
    x = keras.layers.BatchNormalization()(x)
    model = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Flatten()(x)))
    rows = np.array([[2, -1, 0.5, 1], [1, 0, 2, 0], [0.1, 0.2, 0, 0], [0.5, 1, 2, 1]])
    model.layers[2].set_weights(list(rows))
    np.testing.assert_allclose(predict(folded(model), crops), predict(model, crops), atol=1e-4)


def test_int8_agrees_with_float_on_the_folded_network(lively, crops):
    quantized = quantize(lively, crops)
    assert quantized.outputs.keys() == {"logits", "maps"} == for_device(lively).output.keys()
    floats, int8 = predict(lively, crops), run_int8(quantized, crops)
    # Fresh weights decide nothing clearly, so that the answers themselves are compared, not the calls alone.
    assert np.sqrt(np.mean((floats - int8) ** 2)) < 0.06 * np.ptp(floats)
    assert np.corrcoef(floats.ravel(), int8.ravel())[0, 1] > 0.98
    ranked = np.sort(floats, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > 0.1 * np.ptp(floats)
    assert clear.sum() >= 10
    assert (floats.argmax(1) == int8.argmax(1))[clear].mean() > 0.9


def test_the_network_has_the_studys_size():
    assert 4 * study(4).count_params() == pytest.approx(14.33e6, rel=0.03)


def test_the_study_deals_its_own_counts():
    labels = np.repeat(np.arange(4), (3120, 3103, 3098, 3123))
    parts = deal_as_the_study(labels, 1)
    assert [int(p.sum()) for p in parts] == [8714, 1865, 1865]
    assert (np.sum(parts, axis=0) == 1).all()
    assert [int(parts[2][labels == c].sum()) for c in range(4)] == [468, 465, 464, 468]
    assert (parts[2] == deal_as_the_study(labels, 1)[2]).all()
    assert (parts[2] != deal_as_the_study(labels, 2)[2]).any()


def test_the_shipped_study_recipes_differ_in_nothing_but_the_training():
    stated, tuned = load_recipe("study"), load_recipe("study-tuned")
    assert (stated.data, stated.network, stated.augmentation) == (tuned.data, tuned.network, None)
    assert (stated.training.optimizer, stated.training.learning_rate) == ("nadam", 0.00001)
    assert (stated.training.epochs, stated.training.batch) == (30, 64)
    assert tuned.training.optimizer == "nadam"
    assert {path.stem for path in RECIPES.glob("*.toml")} >= {"clinic", "study", "study-tuned"}


def test_the_study_run_counts_every_image_and_keeps_its_parts_apart(finished):
    record = json.loads((finished / runs.RUN).read_text(encoding="utf-8"))
    assert record["photographs"] == 14 * len(CLASSES)
    assert record["left_out"] == 0
    assert len(record["held_out"]) == len(record["tested"]) == 2 * len(CLASSES)
    assert not set(record["held_out"]) & set(record["tested"])
    assert len(history(finished)) == 2


def test_an_image_without_a_cell_is_used_whole(data, recipe, tmp_path):
    import shutil

    import cv2

    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    blank = copy / "blood-cell-images/TRAIN/MONOCYTE/blank.png"
    cv2.imwrite(str(blank), np.full((240, 320, 3), 250, np.uint8))
    out = tmp_path / "run"
    arguments = ["--data", str(copy), "--out", str(out), "--epochs", "1"]
    assert main(["fit", "--recipe", recipe, *arguments]) == 0
    record = json.loads((out / runs.RUN).read_text(encoding="utf-8"))
    assert record["uncut"] >= 1
    assert record["photographs"] == 14 * len(CLASSES) + 1


def test_a_stopped_nadam_run_goes_on_as_if_it_had_not_been_stopped(finished, data, recipe, tmp_path):
    out = tmp_path / "stopped"
    fit_with_a_stop(recipe, data, out)
    for stopped, whole in zip(history(out), history(finished), strict=True):
        assert stopped["loss"] == pytest.approx(whole["loss"], abs=1e-4)


def test_evaluate_measures_float_and_int8_on_the_test_part(finished, data, capsys):
    arguments = ["evaluate", "--run", str(finished), "--data", str(data)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "float and int8 agree on" in shown
    found = json.loads((finished / evaluations.file_name()).read_text(encoding="utf-8"))
    assert found["part"] == "test part of the study's random split"
    assert found["images"] == 2 * len(CLASSES)
    assert found["photographs"] <= 2 * len(CLASSES)  # of which there are eight, for sixteen images
    assert np.sum(found["int8"]["confusion"]) == found["images"]
    assert found["int8_bytes"] == (finished / evaluations.INT8).stat().st_size
    assert found["runtime"].startswith("ai-edge-litert")
    assert found["int8_ms"] > 0
    kept = evaluations.read_answers(finished)
    assert len(set(kept.photographs)) == found["photographs"]
    for logits, figures in ((kept.float32, found["float32"]), (kept.int8, found["int8"])):
        again = measure(logits, kept.labels, kept.photographs, CLASSES)
        assert json.loads(msgspec.json.encode(again)) == figures
    assert main([*arguments, "--runtime", "float"]) == 0
    alone = json.loads((finished / evaluations.file_name()).read_text(encoding="utf-8"))
    assert alone["int8"] is alone["agreement"] is alone["runtime"] is None
    assert alone["float32"] == found["float32"]
    assert evaluations.read_answers(finished).int8 is None


def test_a_network_that_diverged_is_not_measured(finished, data, monkeypatch, capsys):
    monkeypatch.setattr(evaluations, "predict", lambda _, pixels, _turns: np.full((len(pixels), 4), np.nan))
    arguments = ["evaluate", "--run", str(finished), "--data", str(data), "--runtime", "float"]
    assert main(arguments) == ConfigError.exit_status
    assert "its training diverged" in capsys.readouterr().err


def test_evaluate_on_another_set_leaves_out_the_photographs_of_the_run(finished, data, tmp_path, capsys):
    import shutil

    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    test = copy / "blood-cell-images/TEST"
    shutil.copytree(copy / "blood-cell-images/TRAIN", test)
    arguments = ["evaluate", "--run", str(finished), "--data", str(copy), "--runtime", "float"]
    # The same photographs by another name measure nothing.
    assert main([*arguments, "--on", "blood-cell-images/TEST"]) == ConfigError.exit_status
    assert "was made from the same photographs" in capsys.readouterr().err
    others = draw_data(tmp_path / "others", photographs=1, copies=3, first=900)
    shutil.copytree(others / "blood-cell-images/TRAIN", test, dirs_exist_ok=True)
    shutil.copytree(others / "bccd", copy / "bccd", dirs_exist_ok=True)
    assert main([*arguments, "--on", "blood-cell-images/TEST"]) == 0
    found = json.loads(
        (finished / evaluations.file_name("blood-cell-images/TEST")).read_text(encoding="utf-8")
    )
    assert found["part"] == "blood-cell-images/TEST"
    assert found["photographs"] == len(CLASSES)
    assert 0 < found["images"] <= 3 * len(CLASSES)
    assert found["images"] + found["left_out"] == (14 + 3) * len(CLASSES)
    assert main([*arguments, "--on", "blood-cell-images/TRAIN"]) == ConfigError.exit_status
    assert "was made from it" in capsys.readouterr().err


def test_the_former_runtime_measures_as_well_or_is_named_as_missing(finished, data, capsys):
    arguments = ["evaluate", "--run", str(finished), "--data", str(data), "--runtime", "tflite-runtime"]
    if "tflite-runtime" in installed(in_new_process=True):
        assert main(arguments) == 0
        assert "tflite-runtime 2.14" in " ".join(capsys.readouterr().out.split())
    else:
        assert main(arguments) == NoRuntimeError.exit_status
        assert "tflite-runtime is not usable here" in capsys.readouterr().err


@pytest.mark.parametrize("turns", [1, 4])
def test_a_process_without_tensorflow_answers_the_same(lively, crops, tmp_path, turns):
    from trainer.evaluation.answers import main as answer

    quantized = replace(quantize(lively, crops), turns=turns)
    (tmp_path / "m.tflite").write_bytes(quantized.model)
    np.save(tmp_path / "crops.npy", crops[:5])
    files = [str(tmp_path / name) for name in ("m.tflite", "crops.npy", "answers.npy")]
    answer(files[0], quantized.outputs["logits"], "ai-edge-litert", *files[1:], str(turns))
    np.testing.assert_array_equal(np.load(files[2]), run_int8(quantized, crops[:5]))


def test_the_studys_run_becomes_a_bundle_that_analyses_with_its_masking(
    finished, data, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(
        "trainer.export.bundle_writer.MAX_ACCURACY_DROP", 1
    )  # two epochs decide nothing clearly
    monkeypatch.setattr("trainer.export.bundle_writer.MIN_AGREEMENT", 0)
    out = tmp_path / "study.tflite"
    assert main(["export", "--run", str(finished), "--data", str(data), "--out", str(out)]) == 0
    about = read_bundle(out).description
    assert about.outputs.keys() == {"logits", "maps"}
    assert "copies of photographs it was trained on" in about.limits
    assert next(iter(about.measured)).startswith("held-out copies of photographs trained on")
    image = next((data / "blood-cell-images/TRAIN/NEUTROPHIL").iterdir())
    capsys.readouterr()
    arguments = ["--json", "--recipe", "study", "--model", str(out), str(image)]
    assert device(["analyze", *arguments]) == 0
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    assert cell["label"] in CLASSES
    assert cell["heatmap"]["shape"] == [4, 4]
    assert cell["confidence"] == cell["probability"]


def test_export_of_a_head_without_maps_writes_a_plain_file(finished, data, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "trainer.export.bundle_writer.MAX_ACCURACY_DROP", 1
    )  # two epochs decide nothing clearly
    monkeypatch.setattr("trainer.export.bundle_writer.MIN_AGREEMENT", 0)
    for place in (
        "trainer.networks.registry",
        "trainer.export.bundling",
    ):  # as if its head were of another kind
        monkeypatch.setattr(f"{place}.has_maps", lambda _: False)
    monkeypatch.setattr("trainer.networks.registry.has_tanh_head", lambda _: False)
    out = tmp_path / "plain.tflite"
    assert main(["export", "--run", str(finished), "--data", str(data), "--out", str(out)]) == 0
    interpreter = Runtime(out.read_bytes(), {})
    assert interpreter.run(np.zeros((120, 120, 3), np.uint8)) == {}
