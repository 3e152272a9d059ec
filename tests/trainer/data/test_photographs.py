"""Copies find their photograph, strangers find none, in drawn images."""

from __future__ import annotations

import json
from collections import defaultdict

import cv2
import numpy as np
import pytest

from trainer.data.photographs import (
    CLUSTER,
    MINIMUM_INLIERS,
    UNKNOWN,
    Match,
    PhotographError,
    SharedPhotograph,
    _Features,
    _fit,
    find_photographs,
    read_groups,
    shared_photographs,
    write_groups,
)


def draw_photograph(seed, dust=12):
    """Draw a field, uint8 (480, 640, 3): blotched cells on a light ground, and dust where it always lies."""
    rng = np.random.default_rng(seed)
    field = np.full((480, 640, 3), (200, 215, 210), np.uint8)
    for _ in range(45):
        centre = tuple(int(v) for v in rng.uniform((0, 0), (640, 480)))
        axes = tuple(int(v) for v in rng.uniform(15, 45, 2))
        colour = tuple(int(v) for v in rng.uniform((100, 90, 130), (200, 180, 220)))
        cv2.ellipse(field, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    blotches = cv2.GaussianBlur(rng.normal(0, 60, (480, 640)).astype(np.float32), (0, 0), 3)
    field = np.clip(field + 2 * blotches[..., None], 40, 255).astype(np.uint8)
    specks = np.random.default_rng(99)
    for _ in range(dust):
        centre = tuple(int(v) for v in specks.uniform((20, 20), (620, 460)))
        cv2.circle(field, centre, 5, (90, 100, 90), 2, cv2.LINE_AA)
    return field


def augment(field, seed):
    """Rotate, shear, shift and every second time mirror; uint8 (240, 320, 3) with black wedges."""
    rng = np.random.default_rng(seed)
    small = cv2.resize(field, (320, 240), interpolation=cv2.INTER_AREA)
    if seed % 2:
        small = np.ascontiguousarray(small[:, ::-1])
    affine = cv2.getRotationMatrix2D((160, 120), float(rng.uniform(-25, 25)), 1.0)
    affine[0, 1] += rng.uniform(-0.1, 0.1)
    affine[:, 2] += rng.uniform(-15, 15, 2)
    return cv2.warpAffine(small, affine, (320, 240))


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Make five originals with four copies each, two copies of a sixth photograph, one of a seventh."""
    root = tmp_path_factory.mktemp("drawn")
    fields = [draw_photograph(seed) for seed in range(7)]
    originals = [write(root / "originals" / f"field_{i}.png", fields[i]) for i in range(5)]
    copies = {
        write(root / "set" / f"{i}_{k}.jpeg", augment(fields[i], 10 * i + k)): i
        for i, many in enumerate((4, 4, 4, 4, 4, 2, 1))
        for k in range(many)
    }
    return root, originals, copies


def partition(names):
    sets = defaultdict(set)
    for key, name in names.items():
        sets[name].add(key)
    return {frozenset(members) for members in sets.values()}


def test_copies_are_assigned_to_their_originals(drawn):
    _, originals, copies = drawn
    matches = find_photographs(list(copies), originals)
    assert list(matches) == list(copies)
    for image, field in copies.items():
        if field < 5:
            assert matches[image].photograph == f"field_{field}", image
            assert matches[image].inliers >= MINIMUM_INLIERS


def test_copies_of_a_missing_original_are_grouped_and_a_stranger_stays_unknown(drawn):
    _, originals, copies = drawn
    matches = find_photographs(list(copies), originals)
    missing = {matches[image].photograph for image, field in copies.items() if field == 5}
    assert len(missing) == 1
    assert missing.pop().startswith(CLUSTER)
    (stranger,) = (matches[image] for image, field in copies.items() if field == 6)
    assert stranger.photograph is None
    assert stranger.inliers < MINIMUM_INLIERS


def test_dust_alone_joins_nothing(tmp_path):
    originals = [write(tmp_path / "a.png", draw_photograph(1, dust=40))]
    image = write(tmp_path / "copy.png", augment(draw_photograph(2, dust=40), 4))
    assert find_photographs([image], originals)[image].photograph is None


def test_a_place_photographed_twice_stays_two_photographs(tmp_path):
    first = draw_photograph(3)
    again = np.roll(first, (70, -101), axis=(0, 1))
    again = cv2.GaussianBlur(again, (0, 0), 1)  # another focus
    originals = [write(tmp_path / "first.png", first), write(tmp_path / "again.png", again)]
    copies = {
        write(tmp_path / f"copy_{name}_{seed}.jpeg", augment(field, seed)): name
        for name, field in (("first", first), ("again", again))
        for seed in range(6)
    }
    matches = find_photographs(list(copies), originals)
    assert {image: match.photograph for image, match in matches.items()} == copies
    (one,) = {match.photograph for match in find_photographs(originals, None).values()}
    assert one is not None


def test_a_photograph_squeezed_into_a_speck_fits_nothing():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 240, (100, 2)).astype(np.float32)
    field = _Features(points, rng.integers(0, 256, (100, 32), dtype=np.uint8))
    for scale, expected in ((1.0, 100), (0.8, 100), (0.1, 0), (10.0, 0)):
        assert _fit(field, _Features(points * np.float32(scale), field.descriptors))[0] == expected


def test_an_image_named_twice_is_no_copy_of_itself(drawn):
    _, originals, copies = drawn
    stranger = next(image for image, field in copies.items() if field == 6)
    assert find_photographs([stranger, stranger], originals)[stranger].photograph is None
    assert find_photographs([stranger, stranger], None)[stranger].photograph is None


def test_copies_are_clustered_without_originals(drawn):
    _, _, copies = drawn
    matches = find_photographs(list(copies), None)
    groups = {image: match.photograph or str(image) for image, match in matches.items()}
    assert partition(groups) == partition(copies)
    assert [image for image, field in copies.items() if field == 6] == [
        image for image, match in matches.items() if match.photograph is None
    ]


def test_cluster_names_do_not_depend_on_what_else_is_searched(drawn):
    _, _, copies = drawn
    some = [image for image, field in copies.items() if field in {1, 5}]
    alone, among = find_photographs(some, None), find_photographs(list(copies), None)
    assert {i: alone[i].photograph for i in some} == {i: among[i].photograph for i in some}


@pytest.mark.parametrize("level", [0, 255])
def test_an_image_without_a_keypoint_is_unknown(tmp_path, drawn, level):
    _, originals, _ = drawn
    blank = write(tmp_path / "blank.png", np.full((240, 320, 3), level, np.uint8))
    assert find_photographs([blank], originals) == {blank: Match(None, 0)}
    assert find_photographs([blank], [blank]) == {blank: Match(None, 0)}
    assert find_photographs([blank], None) == {blank: Match(None, 0)}


def test_no_images_give_no_matches(drawn):
    _, originals, _ = drawn
    assert find_photographs([], originals) == {}
    assert find_photographs([], None) == {}


@pytest.mark.parametrize("make", [lambda p: p.write_bytes(b"\xff\xd8 not a picture"), lambda _: None])
def test_an_unreadable_image_is_named(tmp_path, drawn, make):
    _, originals, copies = drawn
    broken = tmp_path / "broken.jpeg"
    make(broken)
    for images, photographs in (([broken], originals), (list(copies), [broken]), ([broken], None)):
        with pytest.raises(PhotographError, match=r"broken\.jpeg"):
            find_photographs(images, photographs)


def test_originals_that_cannot_be_told_apart_are_refused(tmp_path):
    twins = [write(tmp_path / folder / "same.png", draw_photograph(1)) for folder in "ab"]
    with pytest.raises(PhotographError, match="same"):
        find_photographs(twins, twins)
    with pytest.raises(PhotographError, match="no originals"):
        find_photographs(twins, [])


def test_progress_ends_complete_and_opencv_keeps_its_threads(drawn, monkeypatch):
    _, originals, copies = drawn
    known = [image for image, field in copies.items() if field < 5]
    monkeypatch.setattr(cv2, "setNumThreads", lambda n, real=cv2.setNumThreads: threads.append(n) or real(n))
    threads = [cv2.getNumThreads()]
    for photographs, total in ((originals, len(originals) + len(known)), (None, 2 * len(known))):
        seen = []
        find_photographs(known, photographs, lambda done, of, seen=seen: seen.append((done, of)))
        assert seen == [(done, total) for done in range(1, total + 1)]
    assert threads == [threads[0], 1, threads[0], 1, threads[0]]


def test_groups_survive_the_file(tmp_path):
    root = tmp_path / "set"
    matches = {
        root / "TRAIN" / "b.jpeg": Match("field_1", 90),
        root / "TEST" / "a.jpeg": Match(None, 4),
    }
    path = tmp_path / "groups.json"
    write_groups(path, matches, root)
    assert read_groups(path) == {"TEST/a.jpeg": UNKNOWN + "TEST/a.jpeg", "TRAIN/b.jpeg": "field_1"}
    with pytest.raises(ValueError, match=r"a\.jpeg"):
        write_groups(path, matches, root / "TRAIN")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps({"schema": "leukoscope.photographs/2", "groups": {}}),
        json.dumps({"schema": "leukoscope.photographs/1"}),
        json.dumps({"schema": "leukoscope.photographs/1", "groups": {"a.jpeg": 3}}),
    ],
)
def test_a_file_that_holds_no_groups_is_named(tmp_path, text):
    path = tmp_path / "groups.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PhotographError, match=r"groups\.json"):
        read_groups(path)


def test_shared_photographs_are_listed_with_their_images():
    train = {"TRAIN/2": "x", "TRAIN/1": "x", "TRAIN/3": "y", "TRAIN/4": UNKNOWN + "TRAIN/4"}
    test = {"TEST/1": "x", "TEST/2": "z", "TEST/4": UNKNOWN + "TEST/4"}
    assert shared_photographs(train, test) == [SharedPhotograph("x", ("TRAIN/1", "TRAIN/2"), ("TEST/1",))]
    assert shared_photographs(test, {}) == []
