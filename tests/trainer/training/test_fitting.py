"""Which checkpoints a run's folder holds after one was written, and that one of no numbers never is."""

from __future__ import annotations

import pytest

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

import numpy as np

from trainer.data.arrays import Samples
from trainer.recipe import Data, Recipe, Training
from trainer.training import fitting
from trainer.training.checkpoints import WEIGHTS, TrainingError, last_checkpoint, save_checkpoint

DIVERGED = r"the loss or a weight is no number any more: training has diverged; lower training\.learning_rate"


class Network:
    """As much of a network as a checkpoint needs."""

    def save(self, path):
        path.write_bytes(b"weights")


def save(out, epochs):
    save_checkpoint(Network(), Network(), [{}] * epochs, out)


def test_only_earlier_checkpoints_are_removed(tmp_path):
    for epochs in (1, 2, 9):
        folder = tmp_path / f"epoch-{epochs:04d}"
        folder.mkdir()
        (folder / WEIGHTS).write_bytes(b"former")
    save(tmp_path, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-0003", "epoch-0009"]
    assert (tmp_path / "epoch-0009" / WEIGHTS).read_bytes() == b"former"
    save(tmp_path, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-0010"]
    assert last_checkpoint(tmp_path) == tmp_path / "epoch-0010"


def test_the_ten_thousandth_checkpoint_is_no_earlier_one(tmp_path):
    (tmp_path / "epoch-10000").mkdir()
    save(tmp_path, 9999)
    assert (tmp_path / "epoch-10000").is_dir()
    save(tmp_path, 10001)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-10001"]


def test_what_is_only_called_like_a_checkpoint_is_none(tmp_path):
    save(tmp_path, 3)
    (tmp_path / "epoch-notes.txt").write_text("looked better before", encoding="utf-8")
    (tmp_path / "epoch-9999").write_text("", encoding="utf-8")
    (tmp_path / "epoch-best").mkdir()
    assert last_checkpoint(tmp_path) == tmp_path / "epoch-0003"
    (tmp_path / "epoch-10000").mkdir()
    assert last_checkpoint(tmp_path) == tmp_path / "epoch-10000", "by number, not by letters"


def test_what_killed_runs_left_half_written_is_removed_and_no_other_file(tmp_path):
    for epochs in (2, 7):
        leftover = tmp_path / f"partial-epoch-{epochs:04d}"
        leftover.mkdir()
        (leftover / WEIGHTS).write_bytes(b"half")
    # An evaluation that is about to put its file in place.
    (tmp_path / "partial-123-evaluation.json").write_text("{}", encoding="utf-8")
    save(tmp_path, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-0003", "partial-123-evaluation.json"]


def tiny(**training):
    return Recipe(
        "tiny",
        Data(("pbc",), ("monocyte", "neutrophil")),
        {"name": "compact", "widths": [8, 8, 16, 16], "depth": 1},
        Training(epochs=2, images_per_epoch=0, batch=4, warmup_epochs=0, average=0.5, **training),
    )


def crops():
    pixels = np.random.default_rng(1).integers(0, 256, (8, 120, 120, 3), np.uint8)
    return Samples(pixels, np.arange(8) % 2, tuple("abcdefgh"))


def test_an_epoch_that_diverges_ends_the_training_and_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    batches = fitting.batches_of

    def spoilt(recipe, training, epoch, steps, seed):
        found = batches(recipe, training, epoch, steps, seed)
        return found.map(lambda image, target: (image * float("nan"), target)) if epoch == 1 else found

    nothing = crops().chosen(np.zeros(8, np.bool_))
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "batches_of", spoilt)
        with pytest.raises(TrainingError, match=f"in epoch 2 {DIVERGED}"):
            fitting.fit(tiny(), crops(), nothing, tmp_path)
    assert [path.name for path in tmp_path.glob("*epoch-*")] == ["epoch-0001"]
    average = fitting.fit(tiny(), crops(), nothing, tmp_path)
    assert all(np.isfinite(one).all() for one in average.get_weights())
    assert last_checkpoint(tmp_path) == tmp_path / "epoch-0002"


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_weights_that_only_the_last_step_of_an_epoch_spoils_are_not_kept(tmp_path):
    told = []
    recipe = tiny(weight_decay=1e300)
    one_step = crops().chosen(np.arange(8) < 4)
    with pytest.raises(TrainingError, match=f"in epoch 1 {DIVERGED}"):
        fitting.fit(recipe, one_step, one_step, tmp_path, lambda *args: told.append(args))
    ((_, _, logs),) = told
    assert np.isfinite(logs["loss"])
    assert last_checkpoint(tmp_path) is None
