"""What the layouts with boxes or masks give, and what is said of one that is not as it should be."""

from __future__ import annotations

import pytest
from drawn_fields import LEFT, RIGHT, voc_object, white_cell, write_field, write_image, write_labels

from trainer.data.datasets import list_annotated, list_images
from trainer.data.images import AnnotatedImage, Box, DataError


def annotation(data):
    return data / "bccd" / "Annotations" / "BloodImage_00000.xml"


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
        DataError, match=r"fields-416: its cells have no class; data sets with classes: .*bccd, .*pbc, "
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
