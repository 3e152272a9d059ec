"""What several cosines end with is averaged, also where a run was stopped between them."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

import keras

from trainer.data.arrays import Samples
from trainer.recipe import Data, Recipe, Training
from trainer.training.checkpoints import WEIGHTS, TrainingError, last_checkpoint
from trainer.training.fitting import fit

RECIPE = Recipe(
    name="tiny",
    data=Data(sets=("drawn",), classes=("dark", "bright")),
    network={"name": "compact", "widths": [8, 8, 8, 8], "depth": 2},
    training=Training(
        epochs=5,
        restarts=(2, 4, 9),
        mean_of_cosines=True,
        images_per_epoch=0,
        batch=8,
        learning_rate=0.01,
        warmup_epochs=0,
        average=0.5,
    ),
)
SAMPLES = Samples(
    np.random.default_rng(1).integers(0, 255, (16, 120, 120, 3)).astype(np.uint8),
    np.arange(16) % 2,
    tuple(f"p{i}" for i in range(16)),
)


def to(epochs):
    return msgspec.structs.replace(RECIPE, training=msgspec.structs.replace(RECIPE.training, epochs=epochs))


class StoppedError(Exception):
    """The run was stopped."""


def test_the_mean_of_what_each_cosine_ended_with_is_kept_also_after_a_stop(tmp_path):
    def stop(epoch, step, _logs):
        if (epoch, step) == (2, 0):
            raise StoppedError

    whole = fit(RECIPE, SAMPLES, SAMPLES, tmp_path / "whole")
    with pytest.raises(StoppedError):
        fit(RECIPE, SAMPLES, SAMPLES, tmp_path / "stopped", stop)
    stopped = fit(RECIPE, SAMPLES, SAMPLES, tmp_path / "stopped")
    last = msgspec.structs.replace(
        RECIPE, training=msgspec.structs.replace(RECIPE.training, mean_of_cosines=False)
    )
    single = fit(last, SAMPLES, SAMPLES, tmp_path / "single")
    ends = [keras.models.load_model(tmp_path / "whole" / f"cosine-000{n}.keras") for n in (2, 4)]
    means = [sum(same) / 3 for same in zip(*(m.get_weights() for m in (*ends, single)), strict=True)]
    kept = keras.models.load_model(last_checkpoint(tmp_path / "whole") / WEIGHTS)
    for mean, one, other, on_disk in zip(
        means, whole.get_weights(), stopped.get_weights(), kept.get_weights(), strict=True
    ):
        assert one == pytest.approx(mean, abs=1e-4)
        assert other == pytest.approx(mean, abs=1e-4)
        assert (one == on_disk).all()
    assert any(
        np.abs(one - other).max() > 1e-3
        for one, other in zip(whole.get_weights(), single.get_weights(), strict=True)
    )


def test_what_a_cosine_ended_with_is_missed_and_named(tmp_path):
    fit(to(3), SAMPLES, SAMPLES, tmp_path)
    (tmp_path / "cosine-0002.keras").unlink()
    with pytest.raises(TrainingError, match=r"cosine-0002\.keras: .* cannot be read"):
        fit(to(5), SAMPLES, SAMPLES, tmp_path)
