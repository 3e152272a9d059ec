"""The registered data sets: a folder a class, their names, and how the known releases are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from drawn_fields import white_cell, write_image
from real_data import DATA, real_images

from trainer.data.datasets import (
    DATASETS,
    UNLABELLED,
    differs_from_release,
    fingerprint,
    list_annotated,
    list_images,
)
from trainer.data.images import DataError

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


def test_every_folder_of_pbc_is_a_class_under_its_full_name(tmp_path):
    for folder in PBC:
        write_image(tmp_path / "pbc" / folder / "a.jpg", size=(24, 24))
    images = list_images(tmp_path, "pbc")
    assert {Path(image.name).parent.name: image.label for image in images} == PBC
    assert all(image.box is None for image in images)


def test_an_unknown_set_is_refused_with_the_names_of_those_known(tmp_path):
    with pytest.raises(DataError, match=r"bcdc: is no data set .*; did you mean bccd\? Known: ankara, "):
        list_images(tmp_path, "bcdc")


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
