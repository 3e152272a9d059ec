"""A model that is installed, or gone back to, while the daemon counts answers from the next field on."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from bundles import rewritten
from mqtt_partners import wait_for
from samples import LABELS, ScriptedAnalyzer

from edge.cameras import Frame
from edge.config import Config, MqttConfig, SimulatedConfig, SpecimenConfig, StoreConfig
from edge.daemon.model import Model
from edge.daemon.process import Daemon
from edge.errors import BundleError, UnreadableFrameError
from edge.messages import ModelReference
from edge.models.bundle import read_bundle
from edge.store.fields import Store
from edge.updates.choice import answering
from edge.updates.model_store import SHIPPED, Installed, ModelStore
from edge.updates.probation import load_chosen

OLD = "0" * 64  # as which the model that ships is known here


class Bench:
    """A daemon over pictures between which models come and go: each step comes before its picture."""

    def __init__(self, config: Config, *steps) -> None:
        self.config = config
        self.models = ModelStore(config.models)
        self.steps = list(steps)
        self.broken: set[str] = set()
        self.loaded: list[str] = []
        self.daemon = Daemon(config, load=self.load, camera=lambda _: self)

    def install(self, path: Path) -> str:
        sha256 = read_bundle(path).sha256
        with self.models.incoming(path.read_bytes()) as incoming:
            self.models.adopt(incoming, sha256, Installed("new", "this device", "2026-11-28T20:00:00Z"))
        return sha256

    def load(self, config: Config) -> Model:
        def load(path: Path) -> Model:
            sha256 = answering(config).sha256 or OLD
            if sha256 in self.broken:
                raise BundleError(f"{path}: answers golden input 1 wrongly")
            self.loaded.append(sha256)
            return Model(ScriptedAnalyzer(), LABELS, ModelReference("m", sha256), "x")

        model, first_start = load_chosen(config, load)
        return model._replace(first_start=first_start)

    def read(self) -> Frame | None:
        if not self.steps:
            return None
        self.steps.pop(0)(self)
        pixels = np.full((40, 60, 3), 90 + len(self.steps), np.uint8)
        cv2.circle(pixels, (20, 20), 2 + len(self.steps), (20, 30, 40), -1)
        name = str(len(self.steps))
        return Frame(pixels, name, datetime.now(UTC), source_id=name)

    def close(self) -> None:
        pass

    def answered(self) -> list[str]:
        with Store.open(Path(self.config.store.path)) as store:
            return [field.model.sha256 for field in store.fields("S")]


@pytest.fixture
def config(tmp_path, broker):
    return Config(
        SimulatedConfig(),
        device_id="test-1",
        specimen=SpecimenConfig("S"),
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(host=broker.host, port=broker.port),
    )


def nothing(_bench) -> None:
    pass


def test_the_next_field_is_called_by_the_new_model_and_after_a_rollback_by_the_old_one(
    config, broker, listen, tmp_path
):
    listener = listen(broker)
    new = rewritten(tmp_path / "new.tflite", temperature=1.5)
    sha256 = read_bundle(new).sha256
    bench = Bench(
        config,
        *(
            nothing,
            lambda b: b.install(new),
            nothing,
            nothing,
            lambda b: b.models.roll_back(),
            nothing,
            nothing,
        ),
    )
    assert bench.daemon.run() == 0
    # The frame that is being read when a model is installed is still of the one before.
    assert bench.answered() == [OLD, OLD, sha256, sha256, sha256, OLD, OLD]
    assert bench.loaded == [OLD, sha256, OLD], "each is loaded once, whatever the trial notes"
    assert bench.models.state().trial is None, "a field that it analysed has ended its trial"
    wait_for(lambda: listener.of("info") and listener.state("status") == "offline", "the farewell")
    assert listener.of("info")[-1].model.sha256 == OLD
    assert "another model" in listener.of("result/differential")[-1].correction.reason


def test_a_model_that_comes_back_before_a_frame_came_is_told_what_the_specimen_s_fields_say(
    config, tmp_path, monkeypatch
):
    told, analysed = [], []
    monkeypatch.setattr(ScriptedAnalyzer, "restore", lambda analyzer, *_: told.append(analyzer))
    analyze = ScriptedAnalyzer.analyze

    def noted(analyzer, *given):
        analysed.append(analyzer)
        return analyze(analyzer, *given)

    monkeypatch.setattr(ScriptedAnalyzer, "analyze", noted)
    new = rewritten(tmp_path / "new.tflite", temperature=1.5)

    def change(bench, what):
        what(bench)
        raise UnreadableFrameError("no frame comes meanwhile")

    steps = [lambda b: b.install(new), lambda b: b.models.roll_back()]
    bench = Bench(config, nothing, *(partial(change, what=step) for step in steps), nothing)
    bench.daemon.run()
    assert len(bench.loaded) == 3
    assert bench.answered() == [OLD, OLD]
    assert len({id(each) for each in analysed}) == 2, "it was loaded again"
    assert [id(each) for each in told] == [id(each) for each in analysed]


def test_a_model_that_cannot_be_loaded_is_gone_back_from_while_counting_goes_on(config, tmp_path):
    new = rewritten(tmp_path / "new.tflite", temperature=1.5)
    bench = Bench(config, nothing, lambda b: b.broken.add(b.install(new)), nothing, nothing)
    assert bench.daemon.run() == 0
    assert bench.answered() == [OLD] * 4
    assert bench.models.state().current == SHIPPED
    assert "golden input 1 wrongly" in bench.models.state().fallen.reason


def test_a_model_that_the_configuration_names_stays_whatever_is_installed(config, tmp_path):
    new = rewritten(tmp_path / "new.tflite", temperature=1.5)
    named = msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, path=str(new)))
    bench = Bench(named, nothing, lambda b: b.install(new), nothing, nothing)
    assert bench.daemon.run() == 0
    assert len(bench.loaded) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_while_a_new_model_loads_it_ends_in_order_and_the_model_stays_on_trial(
    config, tmp_path, number
):
    new = rewritten(tmp_path / "new.tflite", temperature=1.5)
    bench = Bench(config)
    sha256 = bench.install(new)

    def load(config: Config) -> Model:
        model = bench.load(config)
        os.kill(os.getpid(), number)
        return model

    assert Daemon(config, load=load, camera=lambda _: bench).run() == 0
    again = Bench(config, nothing)
    assert again.daemon.run() == 0
    assert again.loaded == [sha256], "it is not taken for one that has failed"
    assert again.answered() == [sha256]
    assert again.models.state().fallen is None
