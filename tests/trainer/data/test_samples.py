"""What a recipe gets of its data sets: which images, by which class, of which photograph."""

from __future__ import annotations

import json
import shutil

import pytest
from drawn_data import draw_data
from drawn_fields import LEFT, write_field, write_labels

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

from trainer.data.datasets import fingerprint, list_images
from trainer.data.fields import one_name_a_field
from trainer.data.images import DataError
from trainer.data.photographs_of_sets import photographs_of
from trainer.data.samples import load_samples
from trainer.recipe import Data, OwnSet, Recipe, Training, changed
from trainer.training.run import progress_bar


def a_recipe(classes, *sets):
    return Recipe("tiny", Data(sets, classes), {"name": "compact"}, Training())


def load(recipe, data, out):
    with progress_bar() as progress:
        return load_samples(recipe, data, out, None, progress)


@pytest.fixture
def simple(bccd, tmp_path):
    """Another set beside bccd, with one image of each of the four classes; gives its name."""
    drawn = draw_data(tmp_path / "drawn", photographs=1, copies=1)
    name = "blood-cell-images/TEST_SIMPLE"
    (bccd / "blood-cell-images").mkdir()
    (drawn / "blood-cell-images" / "TRAIN").rename(bccd / name)
    groups = {image.name: f"p{i}" for i, image in enumerate(list_images(bccd, name))}
    (tmp_path / "out").mkdir()
    own = tmp_path / "out" / "blood-cell-images-TEST_SIMPLE-photographs.json"
    own.write_text(json.dumps({"schema": "leukoscope.photographs/1", "groups": groups}), encoding="utf-8")
    return name


def test_images_of_classes_that_a_recipe_does_not_name_are_skipped(bccd, simple, tmp_path, capsys):
    loaded = load(a_recipe(("neutrophil", "monocyte"), "bccd", simple), bccd, tmp_path / "out")
    assert loaded.samples.labels.tolist() == [0, 1, 0]
    assert loaded.samples.photographs[0] == "BloodImage_00000"
    assert loaded.left_out == 0
    # Of the whole set, so that what a model says it was trained on is the set by its known name.
    assert loaded.hashes["bccd"] == fingerprint(list_images(bccd, "bccd"))
    told = capsys.readouterr().out
    assert "bccd: 3 images, the known release has 354 (basophil 0 instead of 2, " in told
    assert f"{simple}: 4 images, the known release has 71" in told


def test_a_class_may_stand_for_several_of_the_data_and_each_image_knows_its_set(bccd, simple, tmp_path):
    merged = {"other": ("eosinophil", "lymphocyte", "monocyte")}
    plain = a_recipe(("neutrophil", "other"), simple, "bccd")
    recipe = changed(plain, data={"merged": merged}, training={})
    loaded = load(recipe, bccd, tmp_path / "out")
    assert sorted(loaded.samples.labels[loaded.samples.sets == 0]) == [0, 1, 1, 1]
    assert sorted(loaded.samples.labels[loaded.samples.sets == 1]) == [0, 1, 1]
    assert loaded.left_out == 0


def test_a_class_that_no_set_of_the_recipe_has_is_an_error(bccd, tmp_path):
    with pytest.raises(DataError, match="recipe tiny: the class basophil has no image in bccd"):
        load(a_recipe(("neutrophil", "basophil"), "bccd"), bccd, tmp_path / "out")


def test_a_field_is_known_by_the_name_that_its_copies_have_for_it(bccd):
    with progress_bar() as progress:
        photographs = photographs_of("bccd", bccd, bccd, None, progress)
    assert set(one_name_a_field(photographs).values()) == {"BloodImage_00000", "BloodImage_00001"}


def test_photographs_to_leave_out_are_left_out_and_one_that_is_none_of_the_sets_is_an_error(bccd, tmp_path):
    write_field(bccd / "bccd", 2, [LEFT])
    write_labels(bccd / "bccd", "NEUTROPHIL", "EOSINOPHIL, EOSINOPHIL", "")  # of no class, but a photograph

    def leaving_out(*photographs):
        recipe = a_recipe(("eosinophil", "neutrophil"), "bccd")
        recipe = changed(recipe, data={"leave_out": photographs}, training={})
        return load(recipe, bccd, tmp_path / "out")

    loaded = leaving_out("BloodImage_00001", "BloodImage_00002")
    assert loaded.samples.photographs == ("BloodImage_00000",)
    assert loaded.left_out == 2
    with pytest.raises(DataError, match="leave_out names BloodImage_0001, which is no photograph of bccd"):
        leaving_out("BloodImage_00002", "BloodImage_0001", "BloodImage_0002")


def copied(bccd, name, **described):
    """Copy both fields of bccd into a folder of one's own, by class; return its name and description."""
    for label, number in (("neutrophil", 0), ("eosinophil", 1)):
        target = bccd / "copied" / label / name
        target.parent.mkdir(parents=True)
        shutil.copy(bccd / "bccd" / "JPEGImages" / f"BloodImage_0000{number}.jpg", target)
    return {"ours": OwnSet("copied", **described)}


@pytest.mark.parametrize("sets", [("ours", "bccd"), ("bccd", "ours")])
def test_a_registered_picture_in_a_folder_of_ones_own_is_the_same_photograph(bccd, tmp_path, sets):
    # By name alone they were two, and a split could part them.
    own = copied(bccd, "my picture.jpg")
    recipe = a_recipe(("eosinophil", "neutrophil"), *sets)
    recipe = changed(recipe, data={"own": own, "missed": "whole"}, training={})
    samples = load(recipe, bccd, tmp_path / "out").samples
    assert len(samples.labels) == 5
    assert set(samples.photographs) == {"BloodImage_00000", "BloodImage_00001"}


def test_the_same_file_twice_on_a_slide_is_one_cell(bccd, tmp_path):
    own = copied(bccd, "slide 1/a.jpg", layout="slide folders")
    shutil.copy(bccd / "copied/neutrophil/slide 1/a.jpg", bccd / "copied/neutrophil/slide 1/again.jpg")
    recipe = a_recipe(("eosinophil", "neutrophil"), "ours")
    recipe = changed(recipe, data={"own": own, "missed": "whole"}, training={})
    samples = load(recipe, bccd, tmp_path / "out").samples
    assert samples.photographs == ("ours/slide 1",) * 3
    assert len(set(samples.shown())) == 2
