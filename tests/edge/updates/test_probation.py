"""A new model's first start: it proves itself, or the device goes back to the one before and says so."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from bundles import rewritten

from edge.config import SHIPPED_MODEL, from_plain
from edge.daemon.model_loading import load_model
from edge.errors import BundleError, CameraError, NoRuntimeError, StoreError
from edge.models.bundle import read_bundle
from edge.updates.model_store import SHIPPED, Installed, ModelStore, Trial
from edge.updates.probation import load_chosen

ABOUT = Installed("new", "maker", "2026-01-01T00:00:00+00:00")


class Installation:
    """A configuration, and models that are installed without being asked for their signature."""

    def __init__(self, folder):
        self.folder = folder
        self.config = from_plain({"camera": {"kind": "simulated", "cells": 2}}, origin="", folder=folder)
        self.store = ModelStore(self.config.models)

    def add(self, temperature):
        content = rewritten(self.folder / "new.tflite", temperature=temperature).read_bytes()
        with self.store.incoming(content) as incoming:
            sha256 = read_bundle(incoming).sha256
            assert self.store.adopt(incoming, sha256, ABOUT)
        return sha256

    def start(self, load=lambda path: path):
        return load_chosen(self.config, load)

    def proved(self, temperature):
        sha256 = self.add(temperature)
        self.start()[1].passed()
        return sha256

    def restarted_by_the_mains_plug(self):
        state = self.store.state()
        text = (self.store.folder / "state.json").read_text(encoding="utf-8")
        assert state.trial.boot_id
        text = text.replace(state.trial.boot_id, "another boot")
        (self.store.folder / "state.json").write_text(text, encoding="utf-8")


@pytest.fixture
def installation(tmp_path):
    return Installation(tmp_path)


def crash(path):
    raise RuntimeError(f"{path}: cannot be invoked")


def test_without_an_installation_nothing_is_written_and_the_shipped_model_answers(installation):
    loaded, first_start = installation.start()
    assert loaded == SHIPPED_MODEL
    assert first_start.notice is None
    assert not installation.store.folder.exists()


def test_after_its_first_field_a_model_stays(installation):
    sha256 = installation.add(2.0)
    loaded, first_start = installation.start()
    assert loaded == installation.store.path(sha256)
    assert first_start.notice is None
    with first_start:
        first_start.passed()
        first_start.passed()
    assert installation.store.state().trial is None
    with pytest.raises(ZeroDivisionError), installation.start()[1]:
        raise ZeroDivisionError  # whatever happens later is not its first start's fault
    assert installation.start()[0] == loaded


def test_a_process_that_dies_on_a_new_model_comes_back_with_the_former_one(installation):
    former = installation.proved(2.0)
    new = installation.add(3.0)
    code = (
        "import os, sys, json; from pathlib import Path; from edge.config import from_plain; "
        "from edge.updates.probation import load_chosen; "
        "config = from_plain(json.loads(sys.argv[1]), origin='', folder=Path(sys.argv[2])); "
        "load_chosen(config, lambda _: os.abort())"
    )
    plain = json.dumps({"camera": {"kind": "simulated"}})
    done = subprocess.run(
        [sys.executable, "-c", code, plain, installation.folder], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == -6, done.stderr
    loaded, first_start = installation.start()
    assert loaded == installation.store.path(former)
    assert f"model {new} was gone back from" in first_start.notice
    assert "came to no good end" in first_start.notice
    assert installation.start()[0] == loaded  # and stays there


def test_a_pipeline_that_crashes_before_its_first_field_is_a_failed_start(installation):
    new = installation.add(2.0)
    with pytest.raises(ZeroDivisionError), installation.start()[1]:
        raise ZeroDivisionError
    loaded, first_start = installation.start()
    assert loaded == SHIPPED_MODEL
    assert new in first_start.notice


@pytest.mark.parametrize("error", [None, CameraError("no camera"), KeyboardInterrupt()])
def test_an_end_in_order_before_the_first_field_says_nothing_of_the_model(installation, error):
    new = installation.add(2.0)
    for _ in range(5):
        loaded, first_start = installation.start()
        assert loaded == installation.store.path(new)
        if error is None:
            with first_start:
                pass
        else:
            with pytest.raises(type(error)), first_start:
                raise error
    assert installation.store.state().trial == Trial()


def test_the_mains_plug_is_not_the_models_fault_but_three_times_is_enough(installation):
    new = installation.add(2.0)
    for _ in range(3):
        assert installation.start()[0] == installation.store.path(new)
        installation.restarted_by_the_mains_plug()
    assert installation.start()[0] == SHIPPED_MODEL


@pytest.mark.parametrize("fail", [crash, lambda path: read_bundle(path.with_name("none"))])
def test_a_model_that_cannot_be_loaded_gives_way_at_once(installation, fail):
    former = installation.proved(2.0)
    new = installation.add(3.0)
    loaded, first_start = installation.start(lambda path: fail(path) if path.stem == new else path)
    assert loaded == installation.store.path(former)
    assert new in first_start.notice
    assert "\n" not in first_start.notice


def test_one_that_was_gone_back_from_untried_is_on_trial_when_it_comes_back(installation):
    former = installation.proved(2.0)
    new = installation.add(3.0)
    assert installation.store.roll_back().current == former
    assert installation.store.state().trial is None
    again = installation.store.roll_back()
    assert (again.current, again.trial) == (new, Trial())
    with pytest.raises(ZeroDivisionError), installation.start()[1]:
        raise ZeroDivisionError
    assert installation.start()[0] == installation.store.path(former)


def test_one_that_is_fallen_back_to_untried_is_on_trial_as_well(installation):
    former = installation.proved(2.0)
    new = installation.add(3.0)
    installation.store.roll_back()
    installation.store.path(former).unlink()
    assert installation.start()[0] == installation.store.path(new)
    assert installation.store.state().trial == Trial()
    installation.store.fail(new, "it crashed")
    assert installation.start()[0] == SHIPPED_MODEL


def test_the_former_model_installed_again_is_not_its_own_former_one(installation):
    former = installation.proved(2.0)
    new = installation.add(3.0)
    assert installation.add(2.0) == former
    assert installation.store.state().former == new
    assert installation.store.roll_back().current == new


def test_a_missing_runtime_is_not_the_models_fault(installation):
    installation.add(2.0)

    def none(_path):
        raise NoRuntimeError("none")

    with pytest.raises(NoRuntimeError):
        installation.start(none)
    assert installation.store.state().trial == Trial()


def test_when_the_shipped_model_fails_there_is_nothing_to_go_back_to(installation):
    def none(_path):
        raise BundleError("none")

    installation.add(2.0)
    with pytest.raises(BundleError):
        installation.start(none)


def test_rot_on_the_card_is_noticed_even_in_a_model_that_had_proved_itself(installation):
    first, second = installation.proved(2.0), installation.proved(3.0)
    for name, expected in ((second, installation.store.path(first)), (first, SHIPPED_MODEL)):
        content = bytearray(installation.store.path(name).read_bytes())
        content[1000] ^= 1
        installation.store.path(name).write_bytes(content)
        loaded, first_start = installation.start()
        assert loaded == expected
        assert "missing or damaged" in first_start.notice


@pytest.mark.parametrize(
    "text", [b"", b"{}x", b"\xff", b'{"current": "../../x"}', b'{"current": 1}', b"[" * 100_000]
)
def test_a_damaged_state_leaves_the_shipped_model_and_an_installation_mends_it(installation, text):
    installation.proved(2.0)
    (installation.store.folder / "state.json").write_bytes(text)
    loaded, first_start = installation.start()
    assert loaded == SHIPPED_MODEL
    assert "is damaged" in first_start.notice
    with pytest.raises(StoreError, match="is damaged"):
        installation.store.roll_back()
    new = installation.add(3.0)
    assert installation.start()[0] == installation.store.path(new)


def test_what_a_power_cut_left_of_an_installation_is_cleared_away(installation):
    installation.store.folder.mkdir()
    left = installation.store.folder / "incoming-x.tflite"
    left.write_bytes(b"half")
    (installation.store.folder / "state.json.partial").write_bytes(b"half")
    new = installation.add(2.0)
    assert not left.exists()
    assert installation.start()[0] == installation.store.path(new)


def test_two_installations_at_once_leave_each_others_file(installation):
    with installation.store.incoming(b"one") as one:
        with installation.store.incoming(b"another") as another:
            assert (one.read_bytes(), another.read_bytes()) == (b"one", b"another")
        assert one.exists()
        assert not another.exists()
    assert [path.name for path in installation.store.folder.iterdir()] == ["lock"]


def test_a_folder_that_cannot_be_written_leaves_the_shipped_model(installation):
    installation.add(2.0)
    lock = installation.store.folder / "lock"
    lock.unlink()
    lock.mkdir()
    loaded, first_start = installation.start()
    assert loaded == SHIPPED_MODEL
    assert "cannot be written" in first_start.notice


def test_the_daemon_runs_the_installed_model_and_tells_when_it_went_back(tmp_path, broker, listen):
    installation = Installation(tmp_path)
    new = installation.add(2.0)
    config = tmp_path / "leukoscope.toml"
    config.write_text(
        f'device_id = "d"\n[camera]\nkind = "simulated"\ncells = 2\n[mqtt]\nport = {broker.port}\n',
        encoding="utf-8",
    )
    listener = listen(broker)

    def run():
        command = [sys.executable, "-m", "edge.cli", "run", "--config", config]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return listener.of("info")[-1], done.stderr

    info, log = run()
    assert (info.model.sha256, info.model_notice) == (new, None)
    assert "has proved itself" in log
    installation.store.path(new).write_bytes(b"rubbish")
    info, log = run()
    assert info.model.sha256 == read_bundle(SHIPPED_MODEL).sha256
    assert new in info.model_notice
    assert info.model_notice in log


def test_the_daemons_loader_takes_the_installed_model(installation):
    new = installation.add(2.0)
    model = load_model(installation.config)
    assert model.reference.sha256 == new
    model.first_start.passed()
    assert installation.store.state().current == new
    assert installation.store.state().former == SHIPPED
