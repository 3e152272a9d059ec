"""Equalizing changes no answer of the network, and brings its channels closer together."""

import keras
import numpy as np
import pytest

from trainer.networks.registry import build
from trainer.quantization.equalizing import equalized


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(3).integers(0, 256, (12, 120, 120, 3), np.uint8)


@pytest.fixture(scope="module")
def uneven():
    """Return a network whose channels differ by up to a hundred times, as trained ones do."""
    keras.utils.set_random_seed(5)
    model = build("compact", 4, {"widths": (6, 8, 10, 12), "depth": 3})
    rng = np.random.default_rng(4)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            layer.gamma.assign(np.exp(rng.uniform(-2, 2, size)))
            layer.beta.assign(rng.normal(0, 0.3, size))
            layer.moving_mean.assign(rng.normal(0, 0.1, size))
    return model


def test_the_network_answers_as_before(uneven, crops):
    before = np.asarray(uneven(crops / np.float32(255), training=False))
    after = np.asarray(equalized(uneven, crops)(crops / np.float32(255), training=False))
    assert np.ptp(before) > 0.1
    np.testing.assert_allclose(after, before, atol=1e-4 * np.abs(before).max())


def test_channels_are_closer_together_and_nowhere_further_apart(uneven, crops):
    before, after = _ranges(uneven, crops), _ranges(equalized(uneven, crops), crops)
    assert len(before) == 10  # of seven ReLUs and three sums
    for one, other in zip(before, after, strict=True):
        assert _spread(other) < 1.05 * _spread(one)
    # Tensors that are added to each other share their factors: of those, the last sum is the widest.
    for number in (0, 1, 4, 9):
        assert _spread(after[number]) < 0.7 * _spread(before[number])


def _ranges(model, crops):
    tensors = [
        layer.output for layer in model.layers if isinstance(layer, keras.layers.ReLU | keras.layers.Add)
    ]
    found = keras.Model(model.inputs, tensors)(crops / np.float32(255), training=False)
    return [np.asarray(one).max(axis=(0, 1, 2)) for one in found]


def _spread(ranges):
    used = ranges[ranges > 0]
    return np.log(used).std()
