"""Several trainings from the same first weights, of whose weights the mean is kept."""

from __future__ import annotations

import pytest

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

import keras
import numpy as np
from tiny_runs import history

from edge.errors import ConfigError
from trainer.cli import main
from trainer.training import fitting
from trainer.training.checkpoints import WEIGHTS, last_checkpoint, member_folder
from trainer.training.run import RUN

RECIPE = """
[data]
sets = ["blood-cell-images/TRAIN"]
classes = ["eosinophil", "lymphocyte", "monocyte", "neutrophil"]
context = 1.3
holdout = 0.3
[network]
name = "compact"
widths = [8, 8, 16, 16]
depth = 2
[augmentation]
noise = 3.0
[training]
epochs = 2
members = 2
images_per_epoch = 32
batch = 8
warmup_epochs = 0
average = 0.9
"""
DRAWN = {"photographs": 3, "copies": 2}


def weights(folder) -> list[np.ndarray]:
    return keras.models.load_model(last_checkpoint(folder) / WEIGHTS).get_weights()


def test_what_is_kept_is_the_mean_of_the_members_and_each_has_drawn_other_pictures(finished):
    first, second = (weights(member_folder(finished, member)) for member in (0, 1))
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(first, second, strict=True))
    for kept, a, b in zip(weights(finished), first, second, strict=True):
        np.testing.assert_allclose(kept, (a + b) / 2, atol=1e-6)
    told = history(finished)
    assert len(told) == 4
    assert "val_macro_recall" in told[-1]


def test_stopped_in_any_member_it_goes_on_to_the_same_weights(finished, data, recipe, tmp_path, monkeypatch):
    out = tmp_path / "stopped"
    arguments = ["fit", "--recipe", recipe, "--data", str(data), "--out", str(out)]
    save = fitting.save_checkpoint

    def save_then_stop(model, average, log, folder):
        save(model, average, log, folder)
        raise KeyboardInterrupt

    stops = 0
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "save_checkpoint", save_then_stop)
        while last_checkpoint(out) is None:
            assert main(arguments) == 130
            stops += 1
    assert stops == 5, "after each epoch of each, and after the mean"
    assert main(arguments) == 0
    for again, whole in zip(weights(out), weights(finished), strict=True):
        np.testing.assert_allclose(again, whole, atol=1e-4)


def test_a_folder_with_one_members_checkpoint_is_not_overwritten_by_another_run(
    finished, data, recipe, tmp_path, capsys
):
    out = tmp_path / "begun"
    member_folder(out, 0).mkdir(parents=True)
    (out / RUN).write_bytes((finished / RUN).read_bytes())
    (member_folder(out, 0) / "epoch-0001").mkdir()
    arguments = ["fit", "--recipe", recipe, "--data", str(data), "--out", str(out), "--seed", "9"]
    assert main(arguments) == ConfigError.exit_status
    assert "holds a run of another recipe" in capsys.readouterr().err
