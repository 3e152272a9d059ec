"""The study's baselines: their size, their head, their first weights, and their way to int8."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from drawn_data import draw_data

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

import keras

from edge.errors import ConfigError
from trainer.cli import main
from trainer.networks.baselines import BASELINES, weights_file, without_lone_scales
from trainer.networks.predicting import predict
from trainer.networks.registry import build, first_weights, has_maps
from trainer.quantization.int8 import quantize, run_int8
from trainer.recipe import load_recipe
from trainer.training import run as runs
from trainer.training.checkpoints import HISTORY, last_checkpoint

TINY = """
extends = "RECIPE"
[data]
sets = ["blood-cell-images/TRAIN"]
test_sets = []
split = "photographs"
[training]
epochs = 1
images_per_epoch = 8
batch = 4
"""
# Name -> weights without the top as Keras documents them, last features, side of the last grid, the mode of
# Keras' preprocess_input, and the size that the study reports.
KNOWN = {
    "inception-v3": (21_802_784, 2048, 2, "tf", 85.2),
    "mobilenet-v2": (2_257_984, 1280, 4, "tf", 9.9),
    "densenet201": (18_321_984, 1920, 3, "torch", 71.8),
}


@pytest.fixture(scope="module")
def crops():
    """Blotches of every size: uint8 (10, 120, 120, 3)."""
    rng = np.random.default_rng(5)
    return np.kron(rng.integers(0, 256, (10, 6, 6, 3), dtype=np.uint8), np.ones((1, 20, 20, 1), np.uint8))


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    """Return MobileNetV2 without its top, as Keras makes it, and a file of its weights."""
    keras.utils.set_random_seed(7)
    model = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(96, 96, 3))
    path = tmp_path_factory.mktemp("weights") / "body.weights.h5"
    model.save_weights(path)
    return model, path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Return the models' folder of an empty cache of Keras, whatever the user has in theirs."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    folder = tmp_path / "keras" / "models"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("name", KNOWN)
def test_a_baseline_has_its_published_body_the_inputs_of_its_imagenet_weights_and_maps(name, crops):
    keras.backend.clear_session()  # auto-names start anew, of which Inception V3 takes one that is ours
    weights, features, side, mode, reported = KNOWN[name]
    model = build(name, 4, {"weights": "none"})
    assert model.input_shape == (None, 120, 120, 3)
    assert model.output_shape == (None, 4)
    assert model.count_params() == weights + 4 * features + 4
    assert has_maps(model)
    assert model.get_layer("activation").output.shape == (None, side, side, features)
    assert model.get_layer("features").output.shape == (None, features)
    (rescaling,) = [layer for layer in model.layers if isinstance(layer, keras.layers.Rescaling)]
    theirs = keras.applications.imagenet_utils.preprocess_input(crops.astype(np.float32), mode=mode)
    np.testing.assert_allclose(rescaling(crops.astype(np.float32) / 255), theirs, atol=1e-5)
    # The study's sizes are those with a hidden dense layer of 256 in the head, in units of 2^20 bytes.
    with_hidden = weights + (features + 1) * 256 + 257 * 4
    assert 4 * with_hidden / 2**20 == pytest.approx(reported, abs=0.05)


@pytest.mark.parametrize("name", KNOWN)
def test_a_recipe_of_a_baseline_differs_from_the_tuned_study_in_its_network_alone(name):
    ours, study = load_recipe(name), load_recipe("study-tuned")
    assert ours.network == {"name": name}
    assert (ours.data, ours.training, ours.augmentation) == (study.data, study.training, study.augmentation)


@pytest.fixture
def settled(crops):
    """Make a MobileNetV2 whose BatchNorm has seen these crops: before that, it answers the same to all."""
    keras.utils.set_random_seed(3)
    model = build("mobilenet-v2", 4, {"weights": "none"})
    normal = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in normal:
        layer.momentum = 0
    model(crops.astype(np.float32) / 255, training=True)
    return model


def test_int8_follows_float_as_far_as_fresh_weights_let_it(settled, crops):
    quantized = quantize(settled, crops[:8])
    assert quantized.outputs.keys() == {"logits", "maps", "features"}
    floats, int8 = predict(settled, crops), run_int8(quantized, crops)
    assert np.corrcoef(floats.ravel(), int8.ravel())[0, 1] > 0.7


def test_lone_scales_become_convolutions_and_the_answers_stay(crops):
    inputs = keras.Input((120, 120, 3))
    x = keras.layers.Rescaling([1.0, 2.0, 3.0], [-1.0, 0.0, 1.0])(inputs)
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, strides=8)(x))
    x = keras.layers.Concatenate()([x, keras.layers.ReLU()(x)])
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="lone")(x))
    model = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x)))
    rng = np.random.default_rng(1)
    model.get_layer("lone").set_weights(list(rng.uniform(0.5, 2, (4, 8)).astype(np.float32)))
    plain = without_lone_scales(model)
    kinds = [type(layer).__name__ for layer in plain.layers]
    assert (kinds.count("DepthwiseConv2D"), kinds.count("BatchNormalization")) == (2, 1)
    assert "Rescaling" not in kinds
    np.testing.assert_allclose(predict(plain, crops), predict(model, crops), atol=1e-4)
    assert without_lone_scales(compact := build("compact", 4, {})) is compact


def test_weights_come_from_a_file_or_are_drawn_and_it_is_said(body, cache):
    model, path = body
    ours = build("mobilenet-v2", 4, {"weights": str(path)})
    for a, b in zip(model.get_weights(), ours.get_weights()[:-2], strict=True):
        np.testing.assert_array_equal(a, b)
    said = first_weights({"name": "mobilenet-v2", "weights": str(path)})
    assert said.startswith("body.weights.h5, sha256 ")
    assert first_weights({"name": "mobilenet-v2", "weights": "none"}) == "drawn by seed"
    assert first_weights({"name": "compact"}) == first_weights({"name": "study"}) == "drawn by seed"
    said = first_weights({"name": "mobilenet-v2"})
    assert said.startswith(f"drawn by seed, for there are no ImageNet weights at {cache}")


def test_imagenet_weights_are_taken_from_keras_cache_if_they_are_keras_own(body, cache):
    model, _ = body
    mobilenet = cache / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    model.save(mobilenet)
    assert first_weights({"name": "mobilenet-v2"}).startswith(f"ImageNet, {mobilenet.name}, sha256 ")
    ours = build("mobilenet-v2", 4, {})
    np.testing.assert_array_equal(ours.get_weights()[0], model.get_weights()[0])
    other = cache / "densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5"
    other.write_bytes(b"a page of a proxy")
    assert "is not the file that Keras published" in first_weights({"name": "densenet201"})
    assert weights_file("densenet201")[0] is None


def small_body(*, include_top, weights, input_tensor=None, input_shape=None):
    assert include_top is False
    assert weights is None
    inputs = keras.Input(input_shape) if input_tensor is None else input_tensor
    outputs = keras.layers.Conv2D(4, 3, strides=8, activation="relu")(inputs)
    return keras.Model(keras.utils.get_source_inputs(inputs), outputs)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Let MobileNetV2 have a body of one layer; return a file of its weights."""
    monkeypatch.setitem(BASELINES, "mobilenet-v2", replace(BASELINES["mobilenet-v2"], body=small_body))
    file = tmp_path / "given.weights.h5"
    small_body(include_top=False, weights=None, input_shape=(120, 120, 3)).save_weights(file)
    return file


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("missing.h5", None, r"missing\.h5: weights cannot be read from it \(No such file"),
        ("page.h5", b"<html>", r"page\.h5: holds no weights of mobilenet-v2 without its top, or is damaged"),
        ("cut.weights.h5", "half", r"cut\.weights\.h5: holds no weights of mobilenet-v2"),
        ("other.weights.h5", "other", r"other\.weights\.h5: holds no weights of mobilenet-v2"),
    ],
)
def test_a_file_that_holds_no_such_weights_is_refused_by_name(tmp_path, small, name, content, sentence):
    path = tmp_path / name
    whole = small.read_bytes()
    if content == "other":
        build("compact", 4, {}).save_weights(path)
    elif content is not None:
        path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    with pytest.raises(ConfigError, match=sentence):
        build("mobilenet-v2", 4, {"weights": str(path)})


def test_a_run_records_its_first_weights_and_goes_on_without_their_file(tmp_path, small, capsys):
    data = draw_data(tmp_path / "data", photographs=2, copies=1)
    file = small
    recipe = tmp_path / "tiny.toml"
    network = f'[network]\nweights = "{file.as_posix()}"\n'
    recipe.write_text(TINY.replace("RECIPE", "mobilenet-v2") + network, encoding="utf-8")
    out = tmp_path / "run"
    arguments = ["fit", "--recipe", str(recipe), "--data", str(data), "--out", str(out)]
    assert main(arguments) == 0
    said = json.loads((out / runs.RUN).read_text(encoding="utf-8"))["first_weights"]
    assert said.startswith("given.weights.h5, sha256 ")
    assert "first weights: given.weights.h5" in capsys.readouterr().out
    file.unlink()
    assert main(arguments) == 0
    assert "first weights: given.weights.h5" in capsys.readouterr().out
    assert len(json.loads((last_checkpoint(out) / HISTORY).read_text(encoding="utf-8"))) == 1
    assert main([*arguments[:-1], str(tmp_path / "another")]) == ConfigError.exit_status
    assert "weights cannot be read from it" in capsys.readouterr().err
