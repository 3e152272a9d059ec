"""What a finder's run refuses: names that nothing has, traces of another run, a loss that is no number."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from drawn_fields import write_image
from finder_fields import field

from edge.errors import ConfigError
from trainer.cli import main
from trainer.data.cache import cache_folder
from trainer.data.images import LabelledImage
from trainer.finder import loading, training
from trainer.finder.loading import boxed, load_fields
from trainer.finder.recipe import FinderData, FinderRecipe, FinderTraining
from trainer.finder.run import read_record
from trainer.finder.training import UNSURE, _looked_at_again, fit_finder
from trainer.training.checkpoints import TrainingError, last_checkpoint

RECIPE = FinderRecipe(
    "tiny",
    FinderData(()),
    network={"widths": [8, 8, 16, 16], "depth": [1, 1, 1], "head": 1},
    training=FinderTraining(epochs=1, canvases_per_epoch=2, batch=2),
)


@pytest.fixture
def eager():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def ankara(tmp_path):
    for name in ("one", "two"):
        write_image(tmp_path / "ankara" / "images" / f"{name}.png", [(90, 80, 120, 120)])
    (tmp_path / "ankara" / "boxes.csv").write_text(
        "image,x,y,width,height,kind,label,group\n"
        "one.png,90,80,120,120,white cell,,\ntwo.png,90,80,120,120,white cell,,",
        encoding="utf-8",
    )
    return tmp_path


def test_a_picture_to_be_kept_from_training_that_is_misspelt_is_named_and_not_trained_on(ankara):
    def recipe(*unseen):
        return FinderRecipe("tiny", FinderData(("ankara",), unseen=unseen))

    assert len(load_fields(recipe("two"), ankara)[0]) == 1
    with pytest.raises(ConfigError, match=r"recipe tiny: data\.unseen names two\.png, and no picture"):
        load_fields(recipe("two.png"), ankara)


def test_a_misspelt_set_is_named_before_the_one_before_it_is_read(tmp_path):
    with pytest.raises(ConfigError, match=r"anakra: is no data set that a finder .*; did you mean ankara"):
        load_fields(FinderRecipe("tiny", FinderData(("chula/fields", "anakra"))), tmp_path)


def test_an_incomplete_set_that_is_misspelt_is_named(tmp_path, capsys):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text('[data]\nfields = ["chula/fields"]\nincomplete = ["chula"]', encoding="utf-8")
    arguments = ["fit-finder", "--recipe", str(recipe), "--data", str(tmp_path), "--out"]
    assert main([*arguments, str(tmp_path / "run")]) == ConfigError.exit_status
    assert "data.incomplete names chula, which is not among data.fields" in capsys.readouterr().err


@pytest.mark.usefixtures("eager")
def test_a_run_from_the_start_looks_again_for_itself_whatever_an_earlier_one_saw(tmp_path):
    fields = [replace(field(), incomplete=True)]
    np.savez(tmp_path / UNSURE, rows=np.array([(0, 200, 150, 72)], np.float32))
    fit_finder(RECIPE, fields, tmp_path)
    assert not (tmp_path / UNSURE).exists()


def test_a_damaged_look_is_said_in_a_sentence(tmp_path):
    (tmp_path / UNSURE).write_bytes(b"")
    with pytest.raises(TrainingError, match=r"unsure\.npz: cannot be read .*; give another --out"):
        _looked_at_again([replace(field(), incomplete=True)], None, tmp_path / UNSURE)


def test_a_look_that_cannot_be_kept_names_its_file_and_no_cache(tmp_path):
    with pytest.raises(TrainingError, match=r"unsure\.npz: cannot be written \(No such file") as raised:
        _looked_at_again([field()], None, tmp_path / "gone" / UNSURE)
    assert "LEUKOSCOPE_CACHE" not in str(raised.value)


@pytest.mark.usefixtures("eager")
def test_a_training_that_diverges_ends_in_a_sentence_and_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "finder_loss", lambda _, maps: np.nan * tf.reduce_sum(maps, (1, 2, 3)))
    with pytest.raises(TrainingError, match="in epoch 1 the loss or a weight is no number any more"):
        fit_finder(RECIPE, [field()], tmp_path)
    assert last_checkpoint(tmp_path) is None


def test_damaged_boxes_are_looked_for_again(tmp_path, monkeypatch):
    monkeypatch.setenv("LEUKOSCOPE_CACHE", str(tmp_path))
    looked = []
    monkeypatch.setattr(loading, "_middle_box", lambda cell: looked.append(cell) or (1, 2, 3, 4))
    cells = [LabelledImage(tmp_path / "a.png", "neutrophil", "a")]
    (one,) = boxed(cells, "hash")
    (path,) = cache_folder().glob("boxes-*.json")
    assert boxed(cells, "hash") == [one]
    assert len(looked) == 1
    path.write_bytes(b"")
    assert boxed(cells, "hash") == [one]
    assert msgspec.json.decode(path.read_bytes()) == {"a": [1, 2, 3, 4]}


@pytest.mark.parametrize("content", ["[]", "{}", "null"])
def test_a_record_that_says_nothing_of_its_finder_is_refused(content, tmp_path):
    (tmp_path / "finder.json").write_text(content, encoding="utf-8")
    (tmp_path / "finder.tflite").write_bytes(b"a finder")
    with pytest.raises(ConfigError, match=r"is not the file that finder\.json describes"):
        read_record(tmp_path)
