"""The photographs behind the real set's copies, beside what its originals and their labels tell."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from real_data import DATA, real_images

from trainer.data.photographs import find_photographs, read_groups, shared_photographs, write_groups


@pytest.fixture(scope="module")
def real():
    """Assign every 80th image of TRAIN and every 10th of TEST, and all of TEST_SIMPLE, to a photograph."""
    folder = real_images("blood-cell-images")
    real_images("bccd")
    images = [
        image
        for part, every in (("TRAIN", 80), ("TEST", 10), ("TEST_SIMPLE", 1))
        for image in sorted((folder / part).glob("*/*.jp*g"))[::every]
    ]
    originals = sorted((DATA / "bccd" / "JPEGImages").glob("*.jpg"))
    return folder, originals, find_photographs(images, originals)


def test_real_copies_are_of_a_photograph_of_their_class(real):
    _, _, matches = real
    with (DATA / "bccd" / "labels.csv").open(newline="", encoding="utf-8") as lines:
        labels = {Path(row["image"]).stem: row["category"] for row in csv.DictReader(lines)}
    found = {image: match.photograph for image, match in matches.items() if match.photograph in labels}
    assert len(found) >= 0.98 * len(matches)
    assert [image for image, photograph in found.items() if image.parent.name not in labels[photograph]] == []


def test_real_train_and_test_share_no_photograph(real, tmp_path):
    folder, _, matches = real
    write_groups(tmp_path / "groups.json", matches, folder)
    groups = read_groups(tmp_path / "groups.json")
    train, test, simple = (
        {image: photograph for image, photograph in groups.items() if image.startswith(part)}
        for part in ("TRAIN/", "TEST/", "TEST_SIMPLE/")
    )
    assert shared_photographs(train, test) == []
    assert shared_photographs(train, simple) == []
    # 71 images of 69 photographs: two files of the set are there twice, byte for byte.
    assert len(simple) == 71
    assert len(set(simple.values())) == 69


@pytest.fixture(scope="module")
def place(real):
    """Name the place on the slide that each original shows: some were photographed twice."""
    _, originals, _ = real
    return {
        path.stem: match.photograph or path.stem for path, match in find_photographs(originals, None).items()
    }


def test_real_places_photographed_twice_are_told(place):
    # One white cell each, in TRAIN and in TEST.
    assert place["BloodImage_00230"] == place["BloodImage_00257"]
    assert place["BloodImage_00204"] == place["BloodImage_00277"]
    assert max(Counter(place.values()).values()) <= 3


def test_real_copies_cluster_as_their_originals_tell(real, place):
    _, _, matches = real
    images = [image for image in matches if "/TEST/" in image.as_posix()]
    places = defaultdict(set)
    for image, match in find_photographs(images, None).items():
        places[match.photograph or str(image)].add(place[matches[image].photograph])
    assert [found for found in places.values() if len(found) > 1] == []
    assert len(places) <= 75  # of 71 photographs; a lone shear may stay apart
