"""The live picture is written while somebody looks, and only then; counting never fails by it."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

import cv2
import msgspec
import numpy as np
import pytest
from samples import cell, field

from edge.cameras import Frame
from edge.daemon.preview import Preview
from edge.messages.live import PICTURE, STATE, WANTED, LiveFrame


@pytest.fixture
def frame():
    rng = np.random.default_rng(1)
    pixels = rng.integers(80, 220, (960, 1280, 3), np.uint8)
    return Frame(pixels, "live", datetime.now(UTC), simulated=True)


def read(folder):
    return msgspec.json.decode((folder / STATE).read_bytes(), type=LiveFrame)


def test_nothing_is_written_while_nobody_looks(tmp_path, frame):
    preview = Preview(tmp_path)
    preview.show(frame)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / WANTED).touch()
    an_hour_ago = time.time() - 3600
    os.utime(tmp_path / WANTED, (an_hour_ago, an_hour_ago))
    preview.show(frame)
    assert [path.name for path in tmp_path.iterdir()] == [WANTED]


def test_what_is_seen_is_shown_with_what_was_found_in_it(tmp_path, frame):
    (tmp_path / WANTED).touch()
    found = field(7, cell("monocyte"), specimen_id="S-1", refused="out of focus")
    Preview(tmp_path).show(frame, found)
    shown = read(tmp_path)
    assert (shown.sequence, shown.specimen_id, shown.refused, shown.simulated) == (
        7,
        "S-1",
        "out of focus",
        True,
    )
    assert (shown.width, shown.height) == (1280, 960)
    picture = cv2.imdecode(np.frombuffer((tmp_path / PICTURE).read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (480, 640, 3)
    assert {path.name for path in tmp_path.iterdir()} == {WANTED, PICTURE, STATE}


def test_cells_are_outlined_with_the_model_s_name_and_its_doubt(tmp_path, frame):
    (tmp_path / WANTED).touch()
    found = field(7, cell("monocyte"), cell("basophil", rejected="uncertain"), specimen_id="S-1")
    Preview(tmp_path, lambda _: [(0, 0, 9, 9)]).show(frame, found)
    assert [(each.box, each.label, each.rejected) for each in read(tmp_path).cells] == [
        ((1, 2, 30, 40), "monocyte", None),
        ((1, 2, 30, 40), "basophil", "uncertain"),
    ]


@pytest.mark.parametrize("refused", [None, "too crowded"])
def test_cells_of_a_picture_that_is_not_counted_are_outlined_without_a_name(tmp_path, frame, refused):
    (tmp_path / WANTED).touch()
    counted = field(7, specimen_id="S-1", refused=refused) if refused else None
    Preview(tmp_path, lambda _: [(5, 6, 70, 70)]).show(frame, counted)
    assert [(each.box, each.label) for each in read(tmp_path).cells] == [((5, 6, 70, 70), "")]


@pytest.mark.parametrize("refused", ["out of focus", "motion", "blank"])
def test_a_picture_is_not_looked_through_while_a_person_turns_or_moves(tmp_path, frame, refused):
    (tmp_path / WANTED).touch()
    Preview(tmp_path, lambda _: pytest.fail("it would lag")).show(
        frame, field(7, specimen_id="S-1", refused=refused)
    )
    assert read(tmp_path).cells == ()


def test_a_frame_that_nobody_counts_can_be_brought_into_focus(tmp_path, frame):
    (tmp_path / WANTED).touch()
    Preview(tmp_path).show(frame)
    shown = read(tmp_path)
    assert shown.sequence is None
    assert shown.focus > 0


def test_at_most_five_a_second(tmp_path, frame):
    preview = Preview(tmp_path)
    (tmp_path / WANTED).touch()
    began = time.monotonic()
    numbers = set()
    while time.monotonic() < began + 1:
        (tmp_path / WANTED).touch()
        preview.show(frame)
        numbers.add(read(tmp_path).number)
    assert len(numbers) <= 6


@pytest.mark.parametrize("folder", [None, "missing", "readonly"])
def test_counting_goes_on_where_it_cannot_be_written(tmp_path, frame, folder):
    if folder == "readonly":
        (tmp_path / WANTED).touch()
        (tmp_path / f"{PICTURE}.new").mkdir()  # as root, a mode keeps nobody out
        Preview(tmp_path).show(frame)
        assert not (tmp_path / PICTURE).exists()
    else:
        Preview(folder and tmp_path / folder).show(frame)
        assert list(tmp_path.iterdir()) == []


def test_a_link_in_place_of_the_picture_is_not_followed(tmp_path, frame):
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    shared = tmp_path / "run"
    shared.mkdir()
    (shared / WANTED).touch()
    (shared / f"{PICTURE}.new").symlink_to(target)
    Preview(shared).show(frame)
    assert target.read_bytes() == b"mine"
