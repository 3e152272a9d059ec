"""With its values bounded a network answers nearly as before, learns on, and is one with its int8 file."""

import keras
import msgspec
import numpy as np
import pytest

from edge.errors import ConfigError
from trainer.networks.bounded import Bound, bounded
from trainer.networks.registry import build
from trainer.quantization.equalizing import equalized
from trainer.quantization.gates import check_operators
from trainer.quantization.int8 import float_twin, quantize, run_int8
from trainer.recipe import load_recipe
from trainer.training.fitting import check_network, predict


@pytest.fixture(scope="module")
def crops():
    """Return crops most of which are alike; in the last ones a few pixels are far brighter or darker."""
    rng = np.random.default_rng(3)
    crops = rng.integers(110, 146, (24, 120, 120, 3)).astype(np.uint8)
    crops[20:, 40:44, 40:44] = rng.choice([0, 255], (4, 4, 4, 3))
    return crops


@pytest.fixture(scope="module")
def plain():
    keras.utils.set_random_seed(5)
    return build("compact", 4, {"widths": (6, 8, 10, 12), "depth": 3})


@pytest.fixture(scope="module")
def changed(plain, crops):
    return bounded(plain, crops)


def test_ordinary_crops_are_answered_as_before(plain, changed, crops):
    before, after = predict(plain, crops[:20]), predict(changed, crops[:20])
    np.testing.assert_allclose(after, before, atol=0.02 * np.ptp(before))
    assert np.abs(after - before).max() > 0  # or nothing was bounded


def test_every_value_between_two_convolutions_is_bounded(changed, crops):
    bounds = [layer.output for layer in changed.layers if isinstance(layer, Bound)]
    assert len(bounds) == 6  # one for each separable convolution
    black = np.zeros((1, 120, 120, 3), np.float32)
    for values in (crops / np.float32(255), black):
        for tensor in keras.Model(changed.inputs, bounds)(values):
            assert np.abs(tensor).max() <= 1
    found = keras.Model(changed.inputs, bounds[-1])(crops[:20] / np.float32(255))
    assert np.asarray(found).std() == pytest.approx(1 / 4, rel=0.3)


def test_equalizing_changes_no_answer_of_a_bounded_network(changed, crops):
    before = predict(changed, crops)
    np.testing.assert_allclose(predict(equalized(changed, crops), crops), before, atol=1e-4 * np.ptp(before))


def test_its_file_has_no_operator_more_and_int8_answers_as_float(changed, crops):
    quantized = quantize(changed, crops)
    assert check_operators(quantized.model)
    for content in (quantized.model, float_twin(quantized)):
        assert b"MINIMUM" not in content
    before = predict(changed, crops)
    np.testing.assert_allclose(run_int8(quantized, crops), before, atol=0.1 * np.ptp(before))


def test_another_network_cannot_be_bounded():
    recipe = load_recipe("study")
    training = msgspec.structs.replace(recipe.training, bounded_epochs=1)
    with pytest.raises(ConfigError, match="bounded_epochs is for the network compact; leave it out"):
        check_network(msgspec.structs.replace(recipe, training=training))
