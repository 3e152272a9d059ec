"""EfficientNet-Lite0: its published weights, read without running what their file says; its way to int8."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

import keras

from edge.errors import ConfigError
from trainer.networks import efficientnet_lite
from trainer.networks.baselines import DRAWN
from trainer.networks.efficientnet_lite import NAME, cell_window, weights_file
from trainer.networks.predicting import predict
from trainer.networks.registry import build, first_weights, has_maps, with_maps
from trainer.quantization.gates import check_operators
from trainer.quantization.int8 import int8_outputs, quantize, run_int8
from trainer.quantization.rounding import rounded, with_rounded_weights

PUBLISHED = 4_652_008  # parameters of the whole network, as Keras and PyTorch count them


@pytest.fixture(scope="module")
def crops():
    """Blotches of every size: uint8 (24, 120, 120, 3)."""
    rng = np.random.default_rng(5)
    return np.kron(rng.integers(0, 256, (24, 6, 6, 3), dtype=np.uint8), np.ones((1, 20, 20, 1), np.uint8))


@pytest.fixture(scope="module")
def taught():
    return build(NAME, 4, {"stages": 3})


def test_it_has_as_many_weights_as_were_published_for_these_stages():
    models = [build(NAME, 4, {"stages": n, "weights": "none"}) for n in (1, 4, 7)]
    counts = [sum(int(np.prod(one.shape)) for one in model.trainable_weights) for model in models]
    # The published network has a layer of 320 x 1280 and one of 1280 x 1000 behind the seventh stage.
    head = 320 * 1280 + 2 * 1280 + 1281 * 1000
    assert counts[2] - (320 + 1) * 4 == PUBLISHED - head
    assert counts == sorted(counts)


def test_what_lies_beside_the_cell_is_no_evidence(crops):
    """Its window is kept in the file, on the device as well, and the maps still add up to the logit."""
    window = cell_window(8, 16)[0, :, :, 0]
    assert window.mean() == pytest.approx(1)
    np.testing.assert_array_equal(window, window[::-1, ::-1])
    assert (window[0, [0, 1, 2, 5, 6, 7]] == 0).all()
    assert (window[3:5, 1:7] == window.max()).all()
    assert (window[3, [0, 7]] < window.max() / 2).all()
    model = build(NAME, 4, {"stages": 3, "window": True})
    again = keras.models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(predict(again, crops), predict(model, crops), atol=1e-4)
    maps, logits = (
        np.asarray(one) for one in keras.Model(model.inputs, with_maps(model).outputs[1::-1])(crops / 255)
    )
    assert (maps[:, cell_window(15, 8)[0, :, :, 0] == 0] == 0).all()
    bias = model.get_layer("logits").get_weights()[1]
    np.testing.assert_allclose(maps.mean(axis=(1, 2)) + bias, logits, rtol=1e-3, atol=1e-3)
    quantized = quantize(model, crops)
    found = int8_outputs(quantized, crops, ("maps", "logits"))
    assert (found["maps"].reshape(maps.shape)[maps == 0] == 0).all()
    before = predict(model, crops)
    assert np.abs(found["logits"].reshape(before.shape) - before).mean() < 0.05 * np.ptp(before)


def test_its_first_weights_are_the_published_ones(taught):
    assert weights_file()[1].startswith("ImageNet, efficientnet-lite0-57934424.pth, sha256 5793442")
    assert first_weights({"name": NAME}) == weights_file()[1]
    # As PyTorch reads the same file.
    (wide,) = taught.get_layer("blocks.1.expand_conv").get_weights()
    assert wide[0, 0, :3, 5] == pytest.approx([0.7702299, 0.0592896, -0.7534840])
    (depthwise,) = taught.get_layer("blocks.1.depthwise_conv").get_weights()
    assert depthwise[1, :, 7, 0] == pytest.approx([-0.7130187, -0.1065799, 0.8363149])
    gamma = np.asarray(taught.get_layer("blocks.3.bn2").gamma)
    assert (float(gamma.mean()), float(gamma.std())) == pytest.approx((6.7455773, 0.9953596))


def test_a_grey_picture_is_nothing_to_the_published_stem(taught):
    """They expect inputs around 0; what is between 0 and 1 is turned into that by the first layer itself."""
    stem = keras.Model(taught.inputs, taught.get_layer("bn0").output)
    grey = np.asarray(stem(np.full((1, 120, 120, 3), 127 / 255, np.float32)))[0, 1:-1, 1:-1]
    norm = taught.get_layer("bn0")
    gamma, beta, mean, variance = norm.get_weights()
    kernel = taught.get_layer("conv_stem").get_weights()[0]
    published = mean - kernel.sum(axis=(0, 1, 2)) * 127 / 255
    np.testing.assert_allclose(grey[30, 30], beta - gamma * published / np.sqrt(variance + 1e-3), atol=1e-3)


def test_a_file_that_is_not_the_known_one_is_refused(tmp_path):
    other = tmp_path / "weights.pth"
    other.write_bytes(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.")
    with pytest.raises(ConfigError, match="its sha256 is another"):
        build(NAME, 4, {"weights": str(other)})
    with pytest.raises(ConfigError, match="cannot be read"):
        build(NAME, 4, {"weights": str(tmp_path / "none.pth")})


def test_without_the_package_the_weights_are_drawn_and_that_is_said(monkeypatch):
    monkeypatch.setattr(efficientnet_lite, "PACKAGE", "there_is_no_such_package")
    path, said = weights_file()
    assert path is None
    assert said == f"{DRAWN}, for the package there-is-no-such-package is not installed"


@pytest.mark.parametrize("stages", [0, 8])
def test_stages_that_it_has_not_are_refused(stages):
    with pytest.raises(ConfigError, match=f"network.stages is {stages}; efficientnet-lite0 has 1 to 7"):
        build(NAME, 4, {"stages": stages})


def test_its_int8_answers_as_it_does_and_explains_its_calls(taught, crops):
    quantized = quantize(taught, crops)
    check_operators(quantized.model)
    before, after = predict(taught, crops), run_int8(quantized, crops)
    assert np.ptp(before) > 1
    assert np.abs(after - before).mean() < 0.05 * np.ptp(before)
    assert has_maps(taught)


def test_rounding_leaves_the_channels_means_and_takes_only_values_that_int8_has(taught, crops):
    result = with_rounded_weights(taught, crops)
    kernel = result.get_layer("blocks.1.expand_conv").get_weights()[0]
    np.testing.assert_array_equal(kernel, rounded(kernel, depthwise=False))
    steps = kernel[0, 0, :, 0] / (np.abs(kernel[0, 0, :, 0]).max() / 127)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    before, after = predict(taught, crops), predict(result, crops)
    off = np.abs(after - before)
    assert 0 < off.mean() < 0.02 * np.ptp(before)
    # Without what is taken back, each channel is off by about the same everywhere.
    plain = keras.models.clone_model(taught)
    plain.set_weights(taught.get_weights())
    for layer in plain.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            own = isinstance(layer, keras.layers.DepthwiseConv2D)
            layer.set_weights([rounded(layer.get_weights()[0], depthwise=own)])
    assert np.abs(predict(plain, crops) - before).mean() > 1.5 * off.mean()
