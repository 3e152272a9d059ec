"""The cells that are cut out of fields, each by its box."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_fields import LEFT, voc_object, write_field
from real_data import DATA, real_images

from trainer.data import crops, shipped_finder
from trainer.data.crops import cached_crops, cut_crops, whole_images
from trainer.data.datasets import list_images


def test_each_box_gives_its_own_cell_and_not_the_largest(bccd):
    crops = cut_crops(list_images(bccd, "bccd"), ("eosinophil", "neutrophil"))
    assert crops.labels.tolist() == [0, 0, 1]
    left, right, alone = crops.pixels[:, 50:70, 50:70, 1].mean(axis=(1, 2))  # those on the right are paler
    assert right > left + 20
    assert alone == pytest.approx(left, abs=8)


def test_a_box_is_cut_where_people_drew_it_whatever_lies_beside_it(bccd):
    write_field(bccd / "bccd", 0, [LEFT], "")
    x, y, width, height = LEFT
    beside = (x + width - 5, y + height - 5, 100, 100)
    annotation = bccd / "bccd" / "Annotations" / "BloodImage_00000.xml"
    annotation.write_text(f"<annotation>{voc_object('WBC', beside)}</annotation>", encoding="utf-8")
    images = [image for image in list_images(bccd, "bccd") if image.label == "neutrophil"]
    cut = cut_crops(images, ("neutrophil",))
    assert cut.missed == ()
    assert cut.pixels[:, 50:70, 50:70].min() > 180  # glass, and not the cell beside it
    pixels, _ = whole_images(images, ("neutrophil",), 1.0)
    assert pixels[:, 30:].min() > 180  # the box alone: the nucleus beside it is not in the picture


def test_crops_from_the_cache_are_those_that_were_cut(bccd, tmp_path):
    images = list_images(bccd, "bccd")
    done: list[int] = []
    first, second = (
        cached_crops(tmp_path, images, ("eosinophil",), recipe="found", context=1.3, progress=done.append)
        for _ in range(2)
    )
    assert first[1] == second[1]
    assert first[0].names == second[0].names == tuple(image.name for image in images[:2])
    assert np.array_equal(first[0].pixels, second[0].pixels)
    assert done[-1] == 2


def test_crops_of_another_rule_of_scale_are_not_taken_for_todays(bccd, tmp_path, monkeypatch):
    images = list_images(bccd, "bccd")
    how = {"recipe": "found", "context": 1.3}
    cached_crops(tmp_path, images, ("eosinophil",), **how)
    monkeypatch.setattr(shipped_finder, "SCALE_RULE", 99)
    shipped_finder.finder_version.cache_clear()
    cut = []
    monkeypatch.setattr(
        crops, "cut_crops", lambda *_, **__: cut.append(1) or cut_crops(images, ("eosinophil",))
    )
    cached_crops(tmp_path, images, ("eosinophil",), **how)
    shipped_finder.finder_version.cache_clear()
    assert cut == [1]


def test_the_cells_of_real_fields_are_where_their_boxes_are():
    real_images("bccd")
    classes = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")
    images = list_images(DATA, "bccd")[::4]
    cut = cut_crops(images, classes)
    assert len(cut.missed) <= 0.02 * len(images)


def test_a_found_crop_is_cut_by_the_box_or_else_by_the_cell_in_the_middle_or_the_largest(bccd):
    (first, *_) = list_images(bccd, "bccd")
    boxed = cut_crops([first], (first.label,), recipe="found")
    unboxed = cut_crops([replace(first, box=None)], (first.label,), recipe="found")
    assert len(boxed.pixels) == len(unboxed.pixels) == 1
    for crop in (boxed.pixels[0], unboxed.pixels[0]):
        middle, corner = crop[50:70, 50:70], crop[:8, :8]
        assert middle.mean() < 0.75 * corner.mean(), "the cell is in the middle, glass around it"
