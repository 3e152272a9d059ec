"""Grad-CAM of the study's head: exact in closed form, alike in the file, and readable on the device."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

import keras
import tensorflow as tf

from trainer.networks.gradient import with_gradient
from trainer.networks.registry import for_device, has_maps
from trainer.networks.study import study
from trainer.quantization import gates
from trainer.quantization.int8 import int8_outputs, quantize
from trainer.quantization.splicing import spliced

SMALL = (4, 8, 8, 8, 8, 16)


@pytest.fixture(scope="module")
def crops():
    """Blotches of every size: uint8 (48, 120, 120, 3)."""
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (48, 6, 6, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((1, 20, 20, 1), np.uint8))


@pytest.fixture(scope="module")
def model():
    """Make a small network of the study's kind whose BatchNorms have scales of both signs, and one of 0."""
    keras.utils.set_random_seed(3)
    made = study(4, filters=SMALL)
    rng = np.random.default_rng(3)
    for layer in made.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.gamma.shape[0]
            gamma = rng.uniform(0.5, 2, count) * rng.choice([1, 1, 1, -1], count)
            gamma[0] = 0
            mean, variance = rng.uniform(0, 0.1, count), rng.uniform(0.01, 0.05, count)
            layer.set_weights([gamma, rng.normal(0, 0.3, count), mean, variance])
    return made


def by_tape(model, crops):
    """Return each class's Grad-CAM, not rectified: float32 (n, h, w, classes)."""
    last = [layer for layer in model.layers if isinstance(layer, keras.layers.SeparableConv2D)][-1]
    both = keras.Model(model.inputs, [last.output, model.outputs[0]])
    with tf.GradientTape(persistent=True) as tape:
        activation, logits = both(crops.astype(np.float32) / 255, training=False)
        scores = tf.unstack(logits, axis=1)
    weights = [tf.reduce_mean(tape.gradient(score, activation), axis=(1, 2)) for score in scores]
    return np.stack([tf.einsum("nhwk,nk->nhw", activation, one).numpy() for one in weights], axis=-1)


def test_the_closed_form_is_the_gradient_tapes_for_every_class(model, crops):
    expected = by_tape(model, crops)
    found = for_device(model)(crops.astype(np.float32) / 255, training=False)
    np.testing.assert_allclose(found["maps"], expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(
        found["logits"], model(crops.astype(np.float32) / 255, training=False), atol=1e-4
    )
    assert has_maps(model)


def test_the_exported_file_has_the_same_maps_and_one_of_each_class(model, crops):
    quantized = quantize(model, crops)
    assert quantized.outputs.keys() == {"logits", "maps"}
    gates.check_operators(quantized.model)
    gates.check_ranges(quantized, crops[:10])
    outputs = int8_outputs(quantized, crops, ("logits", "maps"))
    expected = by_tape(model, crops)
    n, called = np.arange(len(crops)), outputs["logits"].argmax(axis=1)
    for classes in (called, (called + 1) % 4):
        pairs = zip(outputs["maps"][n, :, :, classes], expected[n, :, :, classes], strict=True)
        alike = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairs]
        assert np.median(alike) > 0.95
    assert (
        np.abs(outputs["maps"][n, :, :, called] - outputs["maps"][n, :, :, (called + 1) % 4]).min(0).max() > 0
    )


def test_a_network_with_another_end_has_no_maps():
    inputs = keras.Input((120, 120, 3))
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, strides=8)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Dense(8, activation="relu")(x)))
    assert not has_maps(model)
    assert for_device(model).output.keys() == {"logits"}
    with pytest.raises(ValueError, match="does not end in a flattened head"):
        with_gradient(model)


def test_files_that_do_not_fit_are_not_joined(crops):
    quantized = quantize(study(4, filters=SMALL), crops[:4])
    with pytest.raises(ValueError, match="do not fit"):
        spliced(quantized.model, quantized.model, {"image": "logits", "more": "maps"})
    with pytest.raises(ValueError, match="of another type or shape"):
        spliced(quantized.model, quantized.model, {"image": "logits"})
