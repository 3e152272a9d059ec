"""What data sets in their several layouts give, and what is said of one that is not as it should be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_data import draw_data
from real_data import DATA, real_images

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

from trainer.crops import cached_crops, cut_crops, whole_images
from trainer.datasets import (
    DATASETS,
    UNLABELLED,
    differs_from_release,
    fingerprint,
    list_annotated,
    list_images,
)
from trainer.fields import one_name_a_field
from trainer.images import AnnotatedImage, Box, DataError
from trainer.recipe import Data, Recipe, Training
from trainer.run import progress_bar
from trainer.samples import load_samples, photographs_of

PBC = {
    "basophil": "basophil",
    "eosinophil": "eosinophil",
    "erythroblast": "erythroblast",
    "ig": "immature granulocyte",
    "lymphocyte": "lymphocyte",
    "monocyte": "monocyte",
    "neutrophil": "neutrophil",
    "platelet": "platelet",
}
LEFT, RIGHT = (90, 80, 120, 120), (380, 260, 140, 140)
"""White-cell boxes, [x, y, width, height], on a field of 640x480."""


def white_cell(box):
    return Box("white cell", *box)


def write_image(path, cells=(), size=(640, 480)):
    """Write a pale field with a cell in each box: large dark nuclei on the left, small paler ones else."""
    picture = np.full((size[1], size[0], 3), 225, np.uint8)
    for x, y, width, height in cells:
        centre = (x + width // 2, y + height // 2)
        cv2.circle(picture, centre, width // 2, (215, 190, 215), cv2.FILLED)
        radius, green = (45, 60) if x < size[0] // 2 else (35, 90)
        cv2.circle(picture, centre, radius, (150, green, 110), cv2.FILLED)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)


def voc_object(kind, box):
    x, y, width, height = box
    return (
        f"<object><name>{kind}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin>"
        f"<xmax>{x + width}</xmax><ymax>{y + height}</ymax></bndbox></object>"
    )


def write_field(folder, number, cells, objects=""):
    name = f"BloodImage_{number:05d}"
    write_image(folder / "JPEGImages" / f"{name}.jpg", cells)
    annotations = folder / "Annotations"
    annotations.mkdir(exist_ok=True)
    text = "".join(voc_object("WBC", box) for box in cells) + objects
    (annotations / f"{name}.xml").write_text(f"<annotation>{text}</annotation>", encoding="utf-8")


def write_labels(folder, *categories):
    rows = [f'BloodImage_{k:05d}.jpg,"{category}"' for k, category in enumerate(categories)]
    (folder / "labels.csv").write_text("\r\n".join(["image,category", *rows]), encoding="utf-8")


@pytest.fixture
def bccd(tmp_path):
    """Two fields: 0 with a neutrophil on the left, 1 with two eosinophils; a red cell on each."""
    folder = tmp_path / "bccd"
    red = voc_object("RBC", (0, 400, 80, 80))
    write_field(folder, 0, [LEFT], red)
    write_field(folder, 1, [LEFT, RIGHT], red)
    write_labels(folder, "NEUTROPHIL", "EOSINOPHIL, Eosinophil")
    return tmp_path


def annotation(data):
    return data / "bccd" / "Annotations" / "BloodImage_00000.xml"


# Folders per class


def test_every_folder_of_pbc_is_a_class_under_its_full_name(tmp_path):
    for folder in PBC:
        write_image(tmp_path / "pbc" / folder / "a.jpg", size=(24, 24))
    images = list_images(tmp_path, "pbc")
    assert {Path(image.name).parent.name: image.label for image in images} == PBC
    assert all(image.box is None for image in images)


def test_an_unknown_set_is_refused_with_the_names_of_those_known(tmp_path):
    with pytest.raises(DataError, match="bcdc: no such data set; known: bccd, "):
        list_images(tmp_path, "bcdc")


# VOC


def test_a_white_cell_of_a_field_has_its_class_and_its_box(bccd):
    images = list_images(bccd, "bccd")
    assert [(image.label, image.box) for image in images] == [
        ("eosinophil", white_cell(LEFT)),
        ("eosinophil", white_cell(RIGHT)),
        ("neutrophil", white_cell(LEFT)),
    ]
    assert len({image.name for image in images}) == 3


@pytest.mark.parametrize(
    ("category", "labels"),
    [
        ("LYMPHOCYTE,LYMPHOCYTE", ["lymphocyte", "lymphocyte"]),
        ("LYMPHOCYTE", []),  # of which of the two?
        ("LYMPHOCYTE, MONOCYTE", []),
        ("", []),
    ],
)
def test_two_cells_are_labelled_only_where_the_table_leaves_no_doubt(bccd, category, labels):
    write_labels(bccd / "bccd", "NEUTROPHIL", category)
    assert [i.label for i in list_images(bccd, "bccd")] == [*labels, "neutrophil"]


def test_each_box_gives_its_own_cell_and_not_the_largest(bccd):
    crops = cut_crops(list_images(bccd, "bccd"), ("eosinophil", "neutrophil"))
    assert crops.labels.tolist() == [0, 0, 1]
    assert crops.pixels[:, 60, 60, 1] == pytest.approx([63, 94, 63], abs=8)


def test_a_box_without_a_cell_in_it_is_missed_whatever_lies_beside_it(bccd):
    write_field(bccd / "bccd", 0, [LEFT], "")
    x, y, width, height = LEFT
    beside = (x + width - 5, y + height - 5, 100, 100)
    annotation(bccd).write_text(f"<annotation>{voc_object('WBC', beside)}</annotation>", encoding="utf-8")
    images = [image for image in list_images(bccd, "bccd") if image.label == "neutrophil"]
    crops = cut_crops(images, ("neutrophil",))
    assert crops.missed == ("bccd/JPEGImages/BloodImage_00000.jpg",)
    pixels, _ = whole_images(images, ("neutrophil",), 1.0)
    assert pixels[:, 30:].min() > 180  # the box alone: the nucleus beside it is not in the picture


def test_a_field_is_known_by_the_name_that_its_copies_have_for_it(bccd):
    with progress_bar() as progress:
        photographs = photographs_of("bccd", bccd, bccd, None, progress)
    assert set(one_name_a_field(photographs).values()) == {"BloodImage_00000", "BloodImage_00001"}


def test_annotated_fields_have_every_kind_of_box_and_their_nucleus_masks(bccd):
    masks = bccd / "bccd" / "NucleusMasks"
    write_image(masks / "BloodImage_00000.png")
    with pytest.raises(DataError, match=r"BloodImage_00001\.png: there is no such mask"):
        list_annotated(bccd, "bccd/fields")
    write_image(masks / "BloodImage_00001.png")
    fields = list_annotated(bccd, "bccd/fields")
    assert fields[1].boxes == (white_cell(LEFT), white_cell(RIGHT), Box("red cell", 0, 400, 80, 80))
    assert [field.mask.name for field in fields] == ["BloodImage_00000.png", "BloodImage_00001.png"]
    write_image(masks / "BloodImage_00001.png", size=(320, 240))
    with pytest.raises(DataError, match=r"BloodImage_00001\.png: is 320x240, but .* is 640x480"):
        list_annotated(bccd, "bccd/fields")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<annotation><object>", "is not XML"),
        (voc_object("WBC", (600, 10, 50, 20)), "object 1 .* is no box inside the image, 640x480"),
        (voc_object("WBC", (60, 10, -5, 20)), "object 1 .* is no box inside"),
        (voc_object("WBC", (float("nan"), 1, 2, 2)), "object 1 has no box of four numbers"),
        ("<object><name>WBC</name></object>", "object 1 has no box of four numbers"),
        (voc_object("WBC", LEFT) + voc_object("cat", LEFT), "object 2 is 'cat', which is none of WBC, RBC"),
        ("<size><width>320</width><height>240</height></size>", "is for an image of 320x240, but it is 640"),
        (
            '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>',
            "declares a document type or an entity",
        ),
    ],
)
def test_a_wrong_annotation_is_named_with_what_is_wrong(bccd, text, sentence):
    whole = text if text.startswith(("<a", "<!")) else f"<annotation>{text}</annotation>"
    annotation(bccd).write_text(whole, encoding="utf-8")
    with pytest.raises(DataError, match=rf"BloodImage_00000\.xml: .*{sentence}"):
        list_images(bccd, "bccd")


def test_an_empty_box_marks_nothing(bccd):
    """BCCD holds two of them, each of a red cell."""
    write_field(bccd / "bccd", 0, [LEFT], voc_object("WBC", (504, 337, 0, 0)))
    assert [i.box for i in list_images(bccd, "bccd") if i.label == "neutrophil"] == [white_cell(LEFT)]


def test_what_is_missing_from_a_voc_set_is_named(bccd):
    labels = bccd / "bccd" / "labels.csv"
    labels.write_text("image,category\nBloodImage_00000.jpg,NEUTROPHYL\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"labels\.csv: line 2 names NEUTROPHYL, which is none of"):
        list_images(bccd, "bccd")
    labels.write_text("image,category\nBloodImage_00000.jpg,NEUTROPHIL,MONOCYTE\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"labels\.csv: line 2 has more columns than the first line"):
        list_images(bccd, "bccd")
    labels.write_text("file,class\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"labels\.csv: has no columns image and category"):
        list_images(bccd, "bccd")
    labels.unlink()
    with pytest.raises(DataError, match=r"labels\.csv: there is no such"):
        list_images(bccd, "bccd")
    write_labels(bccd / "bccd", "", "")
    with pytest.raises(DataError, match="bccd: holds no white cell whose class is known"):
        list_images(bccd, "bccd")
    annotation(bccd).unlink()
    with pytest.raises(DataError, match=r"BloodImage_00000\.xml: there is no such"):
        list_images(bccd, "bccd")


def test_a_cut_off_field_is_named(bccd):
    field = bccd / "bccd" / "JPEGImages" / "BloodImage_00000.jpg"
    field.write_bytes(field.read_bytes()[:400])
    with pytest.raises(DataError, match=r"BloodImage_00000\.jpg: is not an image that can be read"):
        list_images(bccd, "bccd")


# YOLO and masks


def test_yolo_shares_become_pixels(tmp_path):
    write_image(tmp_path / "fields-416" / "images" / "a.jpg", size=(416, 400))
    labels = tmp_path / "fields-416" / "labels" / "a.txt"
    labels.parent.mkdir()
    labels.write_text("0 0.5 0.5 0.25 0.5\n2 0.9375 0.875 0.125005 0.25\n", encoding="utf-8")
    (field,) = list_annotated(tmp_path, "fields-416")
    assert field.boxes == (white_cell((156, 100, 104, 200)), Box("platelet", 364, 300, 52, 100))
    with pytest.raises(
        DataError, match="fields-416: its cells have no class; data sets with classes: bccd, "
    ):
        list_images(tmp_path, "fields-416")
    for line, sentence in (
        ("0 0.9 0.5 0.4 0.5", "line 1 .* is no box inside the image, 416x400"),
        ("7 0.5 0.5 0.1 0.1", "line 1 is '7', which is none of 0, 1, 2"),
        ("0 0.5 0.5 0.1", "line 1 has no box of four numbers"),
        ("0 nan 0.5 0.1 0.1", "line 1 has no box of four numbers"),
    ):
        labels.write_text(line, encoding="utf-8")
        with pytest.raises(DataError, match=rf"a\.txt: {sentence}"):
            list_annotated(tmp_path, "fields-416")
    labels.unlink()
    with pytest.raises(DataError, match=r"a\.txt: there is no such"):
        list_annotated(tmp_path, "fields-416")


def test_a_segmented_cell_comes_with_its_mask(tmp_path):
    image, mask = (tmp_path / "zheng1" / part / "001.png" for part in ("images", "masks"))
    write_image(image, size=(24, 24))
    write_image(mask, size=(24, 24))
    assert list_annotated(tmp_path, "zheng1") == [AnnotatedImage(image, "zheng1/images/001.png", (), mask)]
    mask.unlink()
    with pytest.raises(DataError, match=r"001\.png: there is no such mask"):
        list_annotated(tmp_path, "zheng1")


# Recipes


def a_recipe(classes, *sets):
    return Recipe("tiny", Data(sets, classes), {"name": "compact"}, Training())


def load(recipe, data, out):
    with progress_bar() as progress:
        return load_samples(recipe, data, out, None, progress)


def test_images_of_classes_that_a_recipe_does_not_name_are_skipped(bccd, tmp_path, capsys):
    drawn = draw_data(tmp_path / "drawn", photographs=1, copies=1)
    simple = "blood-cell-images/TEST_SIMPLE"
    (bccd / "blood-cell-images").mkdir()
    (drawn / "blood-cell-images" / "TRAIN").rename(bccd / simple)
    groups = {image.name: f"p{i}" for i, image in enumerate(list_images(bccd, simple))}
    (tmp_path / "out").mkdir()
    own = tmp_path / "out" / "blood-cell-images-TEST_SIMPLE-photographs.json"
    own.write_text(json.dumps({"schema": "leukoscope.photographs/1", "groups": groups}), encoding="utf-8")
    loaded = load(a_recipe(("neutrophil", "monocyte"), "bccd", simple), bccd, tmp_path / "out")
    assert loaded.samples.labels.tolist() == [0, 1, 0]
    assert loaded.samples.photographs[0] == "BloodImage_00000"
    assert loaded.left_out == 0
    # Of the whole set, so that what a model says it was trained on is the set by its known name.
    assert loaded.hashes["bccd"] == fingerprint(list_images(bccd, "bccd"))
    told = capsys.readouterr().out
    assert "bccd: 3 images, the known release has 354 (basophil 0 instead of 2, " in told
    assert f"{simple}: 4 images, the known release has 71" in told


def test_a_class_that_no_set_of_the_recipe_has_is_an_error(bccd, tmp_path):
    with pytest.raises(DataError, match="recipe tiny: the class basophil has no image in bccd"):
        load(a_recipe(("neutrophil", "basophil"), "bccd"), bccd, tmp_path / "out")


def test_crops_from_the_cache_are_those_that_were_cut(bccd, tmp_path):
    images = list_images(bccd, "bccd")
    done: list[int] = []
    first, second = (
        cached_crops(tmp_path, images, ("eosinophil",), recipe="adaptive", context=1.3, progress=done.append)
        for _ in range(2)
    )
    assert first[1] == second[1]
    assert first[0].names == second[0].names == tuple(image.name for image in images[:2])
    assert np.array_equal(first[0].pixels, second[0].pixels)
    assert done[-1] == 2


# The known releases


def test_another_box_is_other_data(bccd):
    images = list_images(bccd, "bccd")
    moved = [*images[:-1], replace(images[-1], box=white_cell((0, 0, 9, 9)))]
    assert fingerprint(moved) != fingerprint(images)


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_the_known_release_is_what_the_registry_says(name):
    real_images(DATASETS[name].folder)
    known = DATASETS[name]
    listing = list_annotated if UNLABELLED in known.counts else list_images
    images = listing(DATA, name)
    sha256 = fingerprint(images)
    assert differs_from_release(name, images, sha256) is None
    assert "sha256 0000 instead of" in str(differs_from_release(name, images, "0000"))
    assert f"{name}: {len(images) - 1:,} images" in str(differs_from_release(name, images[1:], sha256))


def test_the_cells_of_real_fields_are_where_their_boxes_are():
    real_images("bccd")
    classes = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")
    images = list_images(DATA, "bccd")[::4]
    crops = cut_crops(images, classes)
    assert len(crops.missed) <= 0.02 * len(images)
