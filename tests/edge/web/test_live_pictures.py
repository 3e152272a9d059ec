"""The live picture goes with what is said of it: else outlines lie beside the cells of a slide that moves."""

from __future__ import annotations

import asyncio
import os
import time

import msgspec
import pytest

from edge.config import Config, StoreConfig, UsbConfig, WebConfig
from edge.messages.live import PICTURE, STATE, LiveFrame
from edge.web import live as live_module
from edge.web.live import Live


@pytest.fixture
def live(tmp_path, monkeypatch):
    monkeypatch.setattr(live_module, "_LOOK_S", 0.0)
    store = StoreConfig(str(tmp_path / "results.db"))
    return Live(Config(UsbConfig(), store=store, web=WebConfig(preview_dir=str(tmp_path))), lambda: None)


def write(folder, name, content, at):
    """Put a file in place as the daemon does, at a time."""
    new = folder / f"{name}.new"
    new.write_bytes(content)
    os.utime(new, (at, at))
    new.replace(folder / name)


def say(folder, number, at):
    state = LiveFrame(
        run_id="r",
        number=number,
        sequence=None,
        specimen_id=None,
        width=640,
        height=480,
        cells=(),
        refused=None,
        focus=1.0,
        simulated=False,
    )
    write(folder, STATE, msgspec.json.encode(state), at)


def number_seen(live):
    return asyncio.run(live.now())[1].number


def test_a_picture_is_given_by_the_number_of_its_state_also_when_the_next_is_there(live, tmp_path):
    began = time.time() - 1
    write(tmp_path, PICTURE, b"first", began)
    say(tmp_path, 1, began)
    assert number_seen(live) == 1
    write(tmp_path, PICTURE, b"second", began + 0.2)
    assert live.picture(1) == b"first"
    assert live.picture() == b"second"
    say(tmp_path, 2, began + 0.2)
    assert number_seen(live) == 2
    assert (live.picture(1), live.picture(2)) == (b"first", b"second")


def test_a_picture_of_the_next_state_is_not_taken_for_this_one_s(live, tmp_path):
    began = time.time() - 1
    say(tmp_path, 1, began)
    write(tmp_path, PICTURE, b"second", began + 0.2)
    assert number_seen(live) == 1
    say(tmp_path, 2, began + 0.2)
    assert number_seen(live) == 2
    assert live.picture(2) == b"second"


def test_pictures_of_an_earlier_run_and_those_long_gone_are_not_kept(live, tmp_path):
    began = time.time() - 3
    for number in (*range(100, 110), 1):
        began += 0.2
        write(tmp_path, PICTURE, b"picture %d" % number, began)
        say(tmp_path, number, began)
        number_seen(live)
        assert live.picture(number) == b"picture %d" % number
        assert live.picture(100) == (b"picture 100" if 100 <= number < 108 else b"picture %d" % number)
