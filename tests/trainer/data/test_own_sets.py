"""A data set that is nobody's but the user's: a folder, or a few lines in the recipe."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_fields import write_image

from trainer.data.datasets import DATASETS, find_set, list_images
from trainer.data.images import DataError
from trainer.data.other_sets import on_other_sets
from trainer.data.own_sets import RECORD, changed_since_first_use, set_of_path
from trainer.recipe import ConfigError, OwnSet, changed, load_recipe

LINES = """
[data]
sets = ["ours"]
classes = ["neutrophil", "lymphocyte"]
[data.own.ours]
folder = "{folder}"
licence = "ours, not to be given on"
classes = {{ NEU = "neutrophil", Ly = "lymphocyte" }}
[network]
name = "compact"
[training]
epochs = 1
"""


@pytest.fixture
def slides(tmp_path):
    """Return a folder as people have it: classes in any case, a hidden folder, an empty one, a stray file."""
    folder = tmp_path / "slides"
    for name in ("Neutrophils", "LYMPHOCYTE"):
        for number in range(2):
            write_image(folder / name / f"{number}.jpg", size=(24, 24))
    write_image(folder / ".thumbnails" / "0.jpg", size=(24, 24))
    write_image(folder / "Neutrophils" / "._0.jpg", size=(24, 24))
    (folder / "notes").mkdir()
    (folder / "notes" / "read me.txt").write_text("from the old microscope", encoding="utf-8")
    return folder


def test_a_folder_with_a_folder_a_class_is_a_data_set(slides, tmp_path):
    (slides / "notes" / "read me.txt").unlink()
    (slides / "notes").rmdir()
    images = list_images(tmp_path, "slides")
    assert [(image.label, image.name) for image in images] == [
        ("lymphocyte", "slides/LYMPHOCYTE/0.jpg"),
        ("lymphocyte", "slides/LYMPHOCYTE/1.jpg"),
        ("neutrophil", "slides/Neutrophils/0.jpg"),
        ("neutrophil", "slides/Neutrophils/1.jpg"),
    ]


def test_a_set_is_read_as_the_device_reads_a_folder(slides, tmp_path):
    for name in ("@eaDir/0.jpg", "Neutrophils/@eaDir/0.jpg", "LYMPHOCYTE/.Trash-1000/files/9.jpg"):
        write_image(slides / name, size=(24, 24))
    write_image(slides / "Neutrophils" / "slide 2" / "7.jpg", size=(24, 24))
    write_image(tmp_path / "elsewhere" / "8.jpg", size=(24, 24))
    (slides / "LYMPHOCYTE" / "linked").symlink_to(tmp_path / "elsewhere")
    assert [image.name for image in list_images(tmp_path, "slides")] == [
        "slides/LYMPHOCYTE/0.jpg",
        "slides/LYMPHOCYTE/1.jpg",
        "slides/LYMPHOCYTE/linked/8.jpg",
        "slides/Neutrophils/0.jpg",
        "slides/Neutrophils/1.jpg",
        "slides/Neutrophils/slide 2/7.jpg",
    ]


@pytest.mark.parametrize("name", ["gone.jpg", "cell.gif"])
def test_what_would_be_a_picture_and_is_not_read_is_named(slides, tmp_path, name):
    path = slides / "Neutrophils" / name
    if name == "gone.jpg":
        path.symlink_to(tmp_path / "nowhere.jpg")
    else:
        path.write_bytes(b"GIF89a")
    with pytest.raises(DataError, match=name):
        list_images(tmp_path, "slides")


def test_a_name_that_is_no_utf_8_is_said_in_a_sentence(slides, tmp_path):
    try:
        (slides / "Neutrophils" / "1.jpg").rename(os.fsdecode(bytes(slides) + b"/Neutrophils/z\xe9lle.jpg"))
    except OSError:
        pytest.skip("this file system takes no such name")
    with pytest.raises(DataError, match=r"Neutrophils/z.*lle\.jpg: its name is not UTF-8; give it another"):
        list_images(tmp_path, "slides")


@pytest.mark.usefixtures("slides")
def test_folders_without_images_are_no_classes(tmp_path):
    assert {image.label for image in list_images(tmp_path, "slides")} == {"lymphocyte", "neutrophil"}


@pytest.mark.usefixtures("slides")
def test_a_path_on_the_command_line_is_known_by_its_last_name(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    name, own = set_of_path("./slides", tmp_path / "data", {})
    assert name == "slides"
    assert next(i.name for i in list_images(tmp_path / "data", name, own)) == "slides/LYMPHOCYTE/0.jpg"
    assert set_of_path("slides", tmp_path, {}) == ("slides", {})


@pytest.mark.usefixtures("slides")
def test_names_do_not_depend_on_how_the_data_directory_or_the_folder_is_spelt(tmp_path, monkeypatch):
    described = {"ours": OwnSet(str(tmp_path / "slides"))}
    monkeypatch.chdir(tmp_path)
    spelt = [(Path(), "ours", described), (tmp_path, "ours", described), (tmp_path.parent, "ours", described)]
    names = [[image.name for image in list_images(*one)] for one in spelt]
    assert names[0] == names[1] == names[2]
    assert names[0][0] == "ours/LYMPHOCYTE/0.jpg"
    assert list_images(tmp_path, "slides/")[0].name == "slides/LYMPHOCYTE/0.jpg"


def test_two_folders_of_one_last_name_are_two_sets(slides, tmp_path):
    other = tmp_path / "other disk" / "slides"
    shutil.copytree(slides, other)
    data = on_other_sets(load_recipe("clinic"), [str(slides), str(other)], tmp_path / "data").data
    assert data.sets == ("slides", "other disk/slides")
    assert [own.folder for own in data.own.values()] == [str(slides), str(other)]
    names = {image.name for name in data.sets for image in list_images(tmp_path, name, data.own)}
    assert len(names) == 8
    # One beside a folder of the data directory, too.
    assert set_of_path(str(other), tmp_path, {})[0] == "other disk/slides"
    assert on_other_sets(load_recipe("clinic"), ["slides", "slides/"], tmp_path).data.sets == ("slides",)


def test_two_folders_of_one_last_name_in_a_recipe_s_sets_are_refused(slides, tmp_path):
    pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")
    from trainer.data.samples import load_samples
    from trainer.training.run import progress_bar

    shutil.copytree(slides, tmp_path / "other disk" / "slides")
    sets = [str(slides), str(tmp_path / "other disk" / "slides")]
    kept = {"sets": sets, "classes": ["neutrophil", "lymphocyte"], "merged": {}, "leave_out": []}
    recipe = changed(load_recipe("clinic"), data=kept, training={})
    said = r"slides: has an image slides/LYMPHOCYTE/0\.jpg, and so has .*slides; give one of the two"
    with progress_bar() as progress, pytest.raises(DataError, match=said):
        load_samples(recipe, tmp_path, None, None, progress)


def test_a_path_to_a_registered_set_is_that_set_and_another_folder_of_its_name_is_not(slides, tmp_path):
    (tmp_path / "data" / "pbc").mkdir(parents=True)
    path = str(tmp_path / "data" / "pbc")
    assert set_of_path(path, tmp_path / "data", DATASETS) == ("pbc", {})
    slides.rename(tmp_path / "pbc")
    name, own = set_of_path(str(tmp_path / "pbc"), tmp_path / "data", DATASETS)
    assert name == f"{tmp_path.name}/pbc"
    assert len(list_images(tmp_path / "data", name, own)) == 4


def test_a_few_lines_of_the_recipe_describe_a_set(tmp_path):
    for name in ("NEU", "Ly"):
        write_image(tmp_path / "elsewhere" / name / "0.jpg", size=(24, 24))
    path = tmp_path / "mine.toml"
    path.write_text(LINES.format(folder=tmp_path / "elsewhere"), encoding="utf-8")
    own = load_recipe(str(path)).data.own
    images = list_images(tmp_path / "data", "ours", own)
    assert [(image.label, image.name) for image in images] == [
        ("lymphocyte", "ours/Ly/0.jpg"),
        ("neutrophil", "ours/NEU/0.jpg"),
    ]
    assert find_set("ours", own).licence == "ours, not to be given on"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('license = "MIT"', "license is no key of [data.own.NAME]: folder, layout, classes, licence"),
        ('layout = "yolo"', "data.own.NAME.layout: invalid enum value 'yolo'"),
    ],
)
def test_what_is_wrong_with_those_lines_is_said_with_what_may_stand_there(wrong, said, tmp_path):
    path = tmp_path / "mine.toml"
    lines = LINES.format(folder="slides").replace("[network]", f"{wrong}\n[network]")
    path.write_text(lines, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_recipe(str(path))
    assert said in str(error.value)


@pytest.mark.usefixtures("slides")
def test_an_unknown_name_is_one_sentence_with_the_folder_that_may_be_meant(tmp_path):
    with pytest.raises(DataError) as error:
        list_images(tmp_path, "slidez")
    assert str(error.value).startswith(
        f"slidez: is no data set and no folder in {tmp_path}; did you mean slides? Known: ankara, "
    )
    assert "\n" not in str(error.value)


def test_a_registered_name_cannot_be_described_again(tmp_path):
    with pytest.raises(DataError, match="pbc: is the name of a registered data set"):
        find_set("pbc", {"pbc": OwnSet("slides")}, tmp_path)


@pytest.mark.usefixtures("slides")
def test_counts_and_hash_are_recorded_on_first_use_and_a_change_is_said(tmp_path):
    images, out = list_images(tmp_path, "slides"), tmp_path / "run"
    holds, changed = changed_since_first_use(out, "slides", images, "a" * 64)
    assert holds == "slides: 4 images: 2 lymphocyte, 2 neutrophil; sha256 aaaaaaaaaaaa"
    assert changed is None
    recorded = json.loads((out / RECORD).read_bytes())
    assert recorded == {"slides": {"counts": {"lymphocyte": 2, "neutrophil": 2}, "sha256": "a" * 64}}
    assert changed_since_first_use(out, "slides", images, "a" * 64)[1] is None
    fewer = changed_since_first_use(out, "slides", images[1:], "b" * 64)[1]
    assert fewer == "slides: has changed since this run first used it: then 2 lymphocyte, 2 neutrophil"
    others = changed_since_first_use(out, "slides", images, "c" * 64)[1]
    assert others is not None
    assert "not the same ones" in others
    assert json.loads((out / RECORD).read_bytes()) == recorded


def test_a_recipe_on_a_folder_keeps_the_classes_that_it_has(slides, tmp_path, caplog):
    write_image(slides / "monocites" / "0.jpg", size=(24, 24))
    data = on_other_sets(load_recipe("clinic"), ["slides"], tmp_path).data
    assert (data.sets, data.classes, data.leave_out) == (("slides",), ("lymphocyte", "neutrophil"), ())
    said = "\n".join(caplog.messages)
    assert "monocite: is no class of recipe clinic, and is left out; did you mean monocyte?" in said
    assert "slides: has no eosinophil and no monocyte and no basophil and no other" in said


def test_a_set_that_a_recipe_describes_may_be_asked_for_by_its_name(tmp_path):
    for name in ("neutrophil/patient 1/0.jpg", "lymphocyte/patient 2/0.jpg"):
        write_image(tmp_path / "my slides" / name, size=(24, 24))
    path = tmp_path / "mine.toml"
    lines = '[data.own.ours]\nfolder = "my slides"\nlayout = "slide folders"\n'
    path.write_text(f'extends = "any-microscope"\n{lines}', encoding="utf-8")
    data = on_other_sets(load_recipe(str(path)), ["ours"], tmp_path).data
    assert (data.sets, data.classes, data.leave_out) == (("ours",), ("lymphocyte", "neutrophil"), ())
    images = list_images(tmp_path, "ours", data.own)
    assert [image.group for image in images] == ["ours/patient 2", "ours/patient 1"]


@pytest.mark.usefixtures("slides")
def test_a_recipe_that_expects_other_expects_none_of_a_folder_without(tmp_path):
    data = on_other_sets(load_recipe("any-microscope"), ["slides"], tmp_path).data
    assert (data.classes, data.other_share) == (("lymphocyte", "neutrophil"), 0)
    write_image(tmp_path / "slides" / "platelet" / "0.jpg", size=(24, 24))
    assert on_other_sets(load_recipe("any-microscope"), ["slides"], tmp_path).data.other_share == 0.1


def test_a_folder_of_one_class_trains_nothing(tmp_path):
    write_image(tmp_path / "slides" / "neutrophil" / "0.jpg", size=(24, 24))
    with pytest.raises(DataError, match="a model needs two classes"):
        on_other_sets(load_recipe("clinic"), ["slides"], tmp_path)


def test_the_same_picture_twice_is_one_photograph_and_in_two_classes_an_error(tmp_path):
    pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")
    from trainer.data.photographs_of_sets import photographs_of
    from trainer.training.run import progress_bar

    rng = np.random.default_rng(1)
    for name in ("neutrophil/a", "lymphocyte/b"):
        path = tmp_path / "slides" / f"{name}.png"
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), rng.integers(0, 255, (24, 24, 3)))
    copy = tmp_path / "slides" / "neutrophil" / "copy.png"
    copy.write_bytes((tmp_path / "slides" / "neutrophil" / "a.png").read_bytes())
    with progress_bar() as progress:
        photographs = photographs_of("slides", tmp_path, tmp_path, None, progress)
        assert photographs["slides/neutrophil/copy.png"] == "slides/neutrophil/a.png"
        copy.replace(tmp_path / "slides" / "lymphocyte" / "copy.png")
        with pytest.raises(
            DataError, match=r"is the same image as .*copy\.png, which is of class lymphocyte"
        ):
            photographs_of("slides", tmp_path, tmp_path, None, progress)


def test_a_slide_of_several_classes_is_on_one_side_and_its_cells_count_each(tmp_path):
    pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")
    from trainer.data.photographs_of_sets import photographs_of
    from trainer.training.run import progress_bar

    rng = np.random.default_rng(1)
    names = [f"{label}/slide {n}/{i}.png" for label in ("Neutrophil", "LYM") for n in "12" for i in range(3)]
    for name in names:
        (tmp_path / "slides" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "slides" / name), rng.integers(0, 255, (24, 24, 3)))
    own = {"ours": OwnSet("slides", "slide folders", {"Neutrophil": "neutrophil", "LYM": "lymphocyte"})}
    images = list_images(tmp_path, "ours", own)
    with progress_bar() as progress:
        photographs = photographs_of("ours", tmp_path, None, None, progress, described=own)
    assert set(photographs.values()) == {"ours/slide 1", "ours/slide 2"}
    assert photographs["slides/LYM/slide 2/0.png"] == photographs["slides/Neutrophil/slide 2/1.png"]
    assert len({image.cell for image in images}) == len(images) == 12
    (tmp_path / "slides" / names[0]).rename(tmp_path / "slides" / "Neutrophil" / "0.png")
    with pytest.raises(DataError, match=r"0\.png: lies in no folder of a slide; Neutrophil/SLIDE/0\.png"):
        list_images(tmp_path, "ours", own)


def test_a_class_that_is_a_link_to_nowhere_is_named(slides, tmp_path):
    (slides / "Monocyte").symlink_to(tmp_path / "other disk")
    with pytest.raises(DataError, match=r"Monocyte: is a link to .*other disk, which is not there"):
        list_images(tmp_path, "slides")
