"""The same picture twice in a specimen counts once, by its content, and the other is named."""

from __future__ import annotations

import json
import logging
import shutil

import cv2
import numpy as np
import pytest
from samples import info, scripted

from edge.cameras.replay import ReplayCamera
from edge.cli import main
from edge.config import Config, MqttConfig, ReplayConfig, SpecimenConfig, StoreConfig
from edge.daemon.health import Progress
from edge.daemon.pipeline import Pipeline
from edge.mqtt.publisher import Publisher
from edge.store.fields import Store


@pytest.fixture
def slide(tmp_path):
    """Return a folder with two pictures and a copy of the first."""
    folder = tmp_path / "slide"
    folder.mkdir()
    for name, level in {"a.png": 90, "c.png": 140}.items():
        picture = np.full((60, 80, 3), level, np.uint8)
        picture[20:40, 20:40] = 30, 20, 120
        assert cv2.imwrite(str(folder / name), picture)
    shutil.copy(folder / "a.png", folder / "b.png")
    return folder


@pytest.fixture
def count(tmp_path):
    """Return what counts the first pictures of a folder, as a run that is interrupted; gives the stored."""

    def counted(folder, most=100):
        config = Config(
            ReplayConfig((str(folder),)),
            specimen=SpecimenConfig(id="S"),
            store=StoreConfig(str(tmp_path / "results.db")),
            mqtt=MqttConfig(port=1, drain_s=0),
        )
        progress = Progress()
        with Store.open(tmp_path / "results.db") as store:
            publisher = Publisher(
                config.mqtt, store=tmp_path / "results.db", info=info(), health=lambda _: None
            )
            counting = Pipeline(config, scripted(config), store, publisher, progress)
            camera = ReplayCamera(config.camera)
            for _ in range(most):
                frame = camera.read()
                if frame is None:
                    break
                counting.take(frame)
            publisher.close(0)
            return [field.source for field in store.fields("S")]

    return counted


def test_a_copy_counts_once_and_is_named(slide, count, caplog):
    with caplog.at_level(logging.WARNING):
        assert count(slide) == ["slide/a.png", "slide/c.png"]
    assert caplog.messages == ["slide/b.png: is the same picture as slide/a.png: its cells count once"]


@pytest.mark.parametrize("interrupted_after", [0, 1, 2, 3])
def test_a_run_that_was_interrupted_goes_on(slide, count, interrupted_after):
    count(slide, interrupted_after)
    assert count(slide) == ["slide/a.png", "slide/c.png"]
    assert count(slide) == ["slide/a.png", "slide/c.png"], "and a third time changes nothing"


def test_a_picture_that_is_renamed_between_two_runs_is_not_counted_again(slide, count, caplog):
    count(slide)
    (slide / "c.png").rename(slide / "z.png")
    assert count(slide) == ["slide/a.png", "slide/c.png"]
    assert "slide/z.png: is the same picture as slide/c.png: its cells count once" in caplog.messages


def test_a_picture_that_was_changed_is_another_one(slide, count):
    count(slide)
    cv2.imwrite(str(slide / "b.png"), np.full((60, 80, 3), 7, np.uint8))
    assert count(slide) == ["slide/a.png", "slide/c.png", "slide/b.png"]


def test_analyze_names_the_copy(slide, tmp_path, capsys):
    masks = tmp_path / "masks"
    assert main(["analyze", "--masks", str(masks), str(slide)]) == 0
    _, copy, _ = capsys.readouterr().out.splitlines()
    assert copy == f"{slide / 'b.png'}: the same picture as {slide / 'a.png'}: its cells count once"
    assert len(list(masks.iterdir())) == 3, "each file has its mask"
    assert main(["analyze", "--json", str(slide / "c.png"), str(slide)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"][-5:] for line in lines] == ["c.png", "a.png", "b.png"], "no file twice"
    assert [line.get("same_as") for line in lines] == [None, None, str(slide / "a.png")]
    assert lines[2]["cells"] == []
