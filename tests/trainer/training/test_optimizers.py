"""The learning rate over a run: warmup, cosines, restarts, and what a stopped run goes on with."""

from __future__ import annotations

import keras
import msgspec
import pytest

from trainer.recipe import load_recipe
from trainer.training.optimizers import RestartedCosine, optimizer

STEPS = 10


def test_the_rate_warms_up_falls_and_begins_again_from_half():
    rate = RestartedCosine(0.1, [STEPS, 5 * STEPS], 9 * STEPS)
    assert float(rate(0)) == pytest.approx(0.001)
    assert float(rate(STEPS)) == pytest.approx(0.1)
    assert float(rate(3 * STEPS)) == pytest.approx(0.05)
    assert float(rate(5 * STEPS - 1)) < 0.001
    assert float(rate(5 * STEPS)) == pytest.approx(0.05)
    assert float(rate(9 * STEPS)) == float(rate(99 * STEPS)) == pytest.approx(0, abs=1e-9)


def test_a_shortened_run_ends_at_zero_and_knows_no_later_restart():
    settings = msgspec.structs.replace(load_recipe("study-tuned").training, epochs=10)
    rate = optimizer(settings, STEPS)._learning_rate  # noqa: SLF001
    assert float(rate(10 * STEPS)) == pytest.approx(0, abs=1e-9)
    assert float(rate(9 * STEPS)) < 0.1 * settings.learning_rate


def test_a_saved_network_keeps_its_schedule_and_its_step(tmp_path):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    made = optimizer(load_recipe("study-tuned").training, STEPS)
    model.compile(made, "mse")
    made.build(model.trainable_variables)
    made.iterations.assign(61 * STEPS)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert int(loaded.iterations) == 61 * STEPS
    assert float(loaded.learning_rate) == pytest.approx(float(made.learning_rate))
    assert 0.00045 < float(loaded.learning_rate) < 0.0005
