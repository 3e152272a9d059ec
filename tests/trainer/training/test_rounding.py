"""Rounded as int8 rounds it, a network answers nearly as before, and goes on learning."""

import keras
import msgspec
import numpy as np
import pytest
import tensorflow as tf

from edge.errors import ConfigError
from trainer.networks.registry import build
from trainer.recipe import Training, load_recipe
from trainer.training import rounding
from trainer.training.fitting import check_network
from trainer.training.rounding import fit_rounded, rounded


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(7)
    return build("compact", 3, {"widths": (6, 6, 8, 8), "depth": 2})


@pytest.fixture(scope="module")
def crops():
    """Return crops of three classes, each bright in another channel: float32 (48, 120, 120, 3), one-hot."""
    rng = np.random.default_rng(2)
    labels = np.arange(48) % 3
    crops = rng.uniform(0, 0.4, (48, 120, 120, 3)).astype(np.float32)
    crops[np.arange(48), :, :, labels] += 0.5
    return crops, np.eye(3, dtype=np.float32)[labels]


def test_rounding_changes_the_answers_a_little_and_not_much(network, crops):
    plain = np.asarray(network(crops[0], training=False))
    other = np.asarray(rounded(network, tf.constant(crops[0]), training=False))
    apart = np.abs(other - plain).max()
    assert 0 < apart < 0.1 * np.ptp(plain)


def test_a_rounded_network_learns_and_the_same_again_from_the_same_weights(network, crops, monkeypatch):
    monkeypatch.setattr(rounding, "RATE", 0.02)  # of a few steps from drawn weights, not from trained ones
    settings = Training(batch=16)
    before = network.get_weights()
    losses = []
    for _ in range(2):
        network.set_weights(before)
        for layer in network.layers:
            if hasattr(layer, "seed_generator"):
                layer.seed_generator.state.assign([1, 1])
        batches = tf.data.Dataset.from_tensor_slices(crops).batch(16).repeat(8)
        seen = []
        fit_rounded(network, batches, settings, 0, 24, lambda _, logs, seen=seen: seen.append(logs["loss"]))
        losses.append(seen)
    assert len(losses[0]) == 24
    assert losses[0][-1] < losses[0][0]  # the mean of all so far falls
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_another_network_cannot_be_rounded():
    recipe = load_recipe("study")
    training = msgspec.structs.replace(recipe.training, rounded_epochs=1)
    with pytest.raises(ConfigError, match="rounded_epochs is for the network compact; leave it out"):
        check_network(msgspec.structs.replace(recipe, training=training))
