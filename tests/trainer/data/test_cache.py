"""What is costly is made once: crops and photographs serve the next run, and a run keeps its own groups."""

from __future__ import annotations

import json
import shutil

import msgspec
import pytest
from drawn_data import CLASSES, draw_data

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

from trainer.data import crops, photographs_of_sets, samples
from trainer.data.cache import cache_folder
from trainer.data.images import DataError
from trainer.recipe import Data, Recipe, Training
from trainer.training.run import fit_run, open_run, progress_bar

RECIPE = Recipe(
    name="tiny",
    data=Data(sets=("blood-cell-images/TRAIN",), classes=CLASSES, holdout=0.4),
    network={"name": "compact", "widths": [8, 8, 8, 8], "depth": 2},
    training=Training(epochs=1, images_per_epoch=8, batch=8, warmup_epochs=0),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return draw_data(tmp_path_factory.mktemp("data"), photographs=2, copies=2)


def load(data, out, photographs=None):
    out.mkdir()
    with progress_bar() as progress:
        return samples.load_samples(RECIPE, data, out, photographs, progress)


def test_the_next_run_cuts_and_recovers_nothing_again(data, tmp_path, monkeypatch):
    first = load(data, tmp_path / "first")

    def again(*_, **__):
        raise AssertionError("made a second time")

    monkeypatch.setattr(photographs_of_sets, "find_photographs", again)
    monkeypatch.setattr(crops, "cut_crops", again)
    second = load(data, tmp_path / "second")
    assert second.samples.photographs == first.samples.photographs
    assert (second.samples.pixels == first.samples.pixels).all()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("LEUKOSCOPE_CACHE", str(tmp_path / "elsewhere"))
    assert cache_folder() == tmp_path / "elsewhere"
    with pytest.raises(AssertionError, match="a second time"):
        load(data, tmp_path / "third")


def test_a_cache_that_cannot_be_written_is_named_with_the_way_out(data, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("LEUKOSCOPE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"crops-.*: cannot be written .*LEUKOSCOPE_CACHE"):
        load(data, tmp_path / "run")


def test_damaged_crops_are_cut_again(data, tmp_path):
    first = load(data, tmp_path / "first")
    for path in (cache_folder() / "crops").iterdir():
        path.write_bytes(path.read_bytes()[:-100])
    second = load(data, tmp_path / "second")
    assert (second.samples.pixels == first.samples.pixels).all()


def test_copies_in_two_sets_need_their_originals(data, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(data / "blood-cell-images" / "TRAIN", copy / "blood-cell-images" / "TRAIN")
    shutil.copytree(data / "blood-cell-images" / "TRAIN", copy / "blood-cell-images" / "TEST")
    both = msgspec.structs.replace(RECIPE.data, sets=("blood-cell-images/TRAIN", "blood-cell-images/TEST"))
    with (
        progress_bar() as progress,
        pytest.raises(DataError, match="show the same cell"),
    ):
        samples.load_samples(
            msgspec.structs.replace(RECIPE, data=both), copy, tmp_path / "out", None, progress
        )


def test_a_run_keeps_the_groups_that_it_was_given(data, tmp_path):
    loaded = load(data, tmp_path / "first")
    (groups,) = (tmp_path / "first").glob("*photographs.json")
    told = json.loads(groups.read_text(encoding="utf-8"))
    told["groups"] = {image: f"mine-{name}" for image, name in told["groups"].items()}
    given = tmp_path / "mine.json"
    given.write_text(json.dumps(told), encoding="utf-8")

    run = fit_run(RECIPE, data, tmp_path / "run", given)
    assert len(run.held_out) > 0
    assert all(name.startswith("mine-") for name in run.held_out)
    given.unlink()
    with progress_bar() as progress:
        opened = open_run(tmp_path / "run", data, progress)
    assert set(opened.held_out.photographs) == set(run.held_out)
    assert len(opened.seen.labels) + len(opened.held_out.labels) == len(loaded.samples.labels)
