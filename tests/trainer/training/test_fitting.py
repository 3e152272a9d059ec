"""Which checkpoints a run's folder holds after one was written."""

from __future__ import annotations

import pytest

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

from trainer.training.checkpoints import WEIGHTS, last_checkpoint, save_checkpoint


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
