"""A frame's way through the pipeline: each stage once, the disk before the count, and who watches sees it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from samples import LABELS, MODEL, ScriptedAnalyzer

from edge import identity
from edge.cameras import Frame
from edge.config import Config, SimulatedConfig, SpecimenConfig, StoreConfig
from edge.daemon.health import Progress
from edge.daemon.housekeeping import Housekeeping
from edge.daemon.model import Model
from edge.daemon.pipeline import Pipeline
from edge.store.fields import Store


class Order:
    """What happened, in its order: the analyzer, the listener and the watcher of a pipeline note it."""

    def __init__(self, path) -> None:
        self.path = path
        self.noted = []

    def learn(self, _logits: object) -> None:
        pass

    def restore(self, _scales, _remembered, _logits) -> None:
        pass

    def analyze(self, pixels, reference=None):
        self.noted.append("analysed")
        return ScriptedAnalyzer().analyze(pixels, reference)

    def publish_differential(self, differential, _event, *, news=False) -> None:
        del news
        with Store.open(self.path) as store:  # as a reader that hears of the count would
            on_disk = len(list(store.fields("S")))
        self.noted.append(f"counted {differential.counted}, on the disk {on_disk}")

    def notify(self) -> None:
        self.noted.append("owed")

    def watch(self, frame, field) -> None:
        self.noted.append(f"shown {frame.name}: {len(field.cells)} cell, {field.specimen_id}")


@pytest.fixture
def frame():
    def made(name, level):
        picture = np.full((48, 64, 3), level, np.uint8)
        return Frame(picture, name, identity.now(), source_id=f"{name}:{level}", content=str(level))

    return made


@pytest.fixture
def order(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.specimens.reporting._RUNNING_S", 0.0)  # each field's count is told
    return Order(tmp_path / "results.db")


@pytest.fixture
def pipeline(order):
    config = Config(
        SimulatedConfig(), specimen=SpecimenConfig(id="S"), store=StoreConfig(str(order.path)), device_id="d"
    )
    with Store.open(order.path) as store:
        model = Model(order, LABELS, MODEL, "scripted")
        yield Pipeline(config, model, store, order, Progress(), watch=order.watch)


def test_a_frame_is_analysed_then_stored_then_counted_then_shown(pipeline, order, frame):
    order.noted.clear()
    pipeline.take(frame("a", 90))
    assert order.noted == ["analysed", "counted 1, on the disk 1", "shown a: 1 cell, S"]


def test_the_clock_may_be_set_between_a_picture_and_its_analysis_also_after_the_others_were_set_right(
    pipeline, order, frame, monkeypatch
):
    behind_s = [-5e8]
    monkeypatch.setattr(identity, "clock_synced", lambda: not behind_s[0])
    monkeypatch.setattr(identity, "clock_offset_s", lambda: time.time() - time.monotonic() + behind_s[0])
    monkeypatch.setattr(identity, "now", lambda: datetime.now(UTC) + timedelta(seconds=behind_s[0]))
    monkeypatch.setattr("edge.daemon.housekeeping._LOOK_S", 0.0)
    frames = [frame(name, 60 + ord(name)) for name in "ab"]
    behind_s[0] = 0.0
    with Store.open(order.path) as store:
        keeping = Housekeeping(StoreConfig(str(order.path)), store)
        for one in frames:
            pipeline.take(one)
            keeping.tidy()
        stored = list(store.fields("S"))
    assert [each.clock_synced for each in stored] == [True, True]
    for each in stored:
        assert abs((datetime.now(UTC) - each.captured_at).total_seconds()) < 60


def test_after_a_restart_each_field_that_is_read_again_shows_that_the_daemon_is_alive(pipeline, order, frame):
    with pipeline.ahead():
        for level in range(60, 100):
            pipeline.take(frame(f"picture {level}", level))
    said = []
    config = Config(SimulatedConfig(), specimen=SpecimenConfig(id="S"), store=StoreConfig(str(order.path)))
    with Store.open(order.path) as store:
        Pipeline(config, Model(order, LABELS, MODEL, "scripted"), store, order, Progress(), alive=said.append)
    assert len(said) >= 80, "twice for each of them"


def test_a_frame_that_is_known_goes_no_further_than_the_intake(pipeline, order, frame):
    pipeline.take(frame("a", 90))
    order.noted.clear()
    pipeline.take(frame("a", 90))
    pipeline.take(frame("copy of a", 90))
    assert order.noted == []


def test_ahead_of_the_disk_a_known_frame_is_known_before_it_is_stored(pipeline, order, frame):
    with pipeline.ahead():
        for name in "abcab":
            pipeline.take(frame(name, 60 + ord(name)))
    assert order.noted.count("analysed") == 3
    assert order.noted[-1] == "counted 3, on the disk 3"
