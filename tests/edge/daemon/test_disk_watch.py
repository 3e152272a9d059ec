"""Little room on the disk is in the log once, and in every health message while it lasts."""

from __future__ import annotations

import logging
import shutil

import pytest

from edge.config import StoreConfig
from edge.daemon.disk_watch import DiskWatch
from edge.daemon.health import Machine, Progress


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """Return a function that looks at a disk with so many MB free, and gives what health says of it."""
    progress = Progress()
    watch = DiskWatch(progress)

    def with_free(megabytes: float, max_mb: float = 2000) -> str | None:
        room = shutil.disk_usage(tmp_path)._replace(free=megabytes * 1e6)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
        watch.look(StoreConfig(str(tmp_path / "results.db"), max_mb=max_mb))
        return progress.health("d", Machine(tmp_path), backlog=0).notices.get("disk")

    return with_free


def test_a_disk_with_room_is_no_word(watched, caplog):
    caplog.set_level(logging.INFO)
    assert watched(2500) is None
    assert watched(501, max_mb=0) is None, "a store without a limit may be on a small disk"
    assert caplog.messages == []


def test_little_room_is_logged_once_and_again_when_it_is_nearly_full(watched, caplog):
    caplog.set_level(logging.INFO)
    little = watched(1900)
    assert little.startswith("the disk has little room: 1.9 GB are free, and the store may take 2.0 GB more")
    assert "store.max_mb = 2000" in little
    assert watched(1400).startswith("the disk has little room: 1.4 GB")
    assert watched(400) == "the disk is nearly full: 400 MB are free; make room before counting stops"
    assert watched(300).startswith("the disk is nearly full: 300 MB")
    assert [(each.levelname, each.message[:20]) for each in caplog.records] == [
        ("WARNING", "the disk has little "),
        ("WARNING", "the disk is nearly f"),
    ]
    assert watched(9000) is None
    assert caplog.messages[2:] == ["the disk has room again: 9.0 GB are free"]


def test_room_that_goes_up_and_down_a_little_is_not_said_again(watched, caplog):
    for free in (495, 505, 495, 505):
        assert "nearly full" in watched(free)
    assert len(caplog.records) == 1
    assert watched(600, max_mb=0) is None


def test_a_folder_that_is_not_there_is_no_word_of_the_disk(tmp_path, caplog):
    DiskWatch(Progress()).look(StoreConfig(str(tmp_path / "none" / "results.db")))
    assert caplog.messages == []
