"""What `config check` calls right can start; else it says, by line and key, what a start would fail at."""

from __future__ import annotations

import sqlite3

import msgspec
import pytest
from bundles import rewritten

from edge.cli import main
from edge.config import SHIPPED_MODEL
from edge.models.bundle import read_bundle

SIMULATED = '[camera]\nkind = "simulated"\n'


@pytest.fixture
def folder(tmp_path):
    """Return a folder with what configurations may name: a picture, another program's database."""
    (tmp_path / "slides [2024]").mkdir()
    (tmp_path / "slides [2024]" / "a.jpg").touch()
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("PRAGMA application_id = 7")
        other.execute("CREATE TABLE t (x)")
    other.close()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[camera]\nkind = "replay"\npaths = ["slides*/*.jpg", "none/*.jpg"]\n',
            "line 3: camera.paths: {}/none/*.jpg: ",
        ),
        (
            '[camera]\nkind = "replay"\npaths = ["none"]\n',
            "line 3: camera.paths: {}/none: there is no such file",
        ),
        ('[camera]\nkind = "video"\npath = "a.mp4"\n', "line 3: camera.path: {}/a.mp4 is not there"),
        (
            '[camera]\nkind = "usb"\ndevice = "device.toml"\n',
            "line 3: camera.device: {}/device.toml is a file and no",
        ),
        (
            '[camera]\nkind = "usb"\ndevice = "slides [2024]"\n',
            "line 3: camera.device: {}/slides [2024] is a folder and no camera; for its images write",
        ),
        (
            '[camera]\nkind = "video"\npath = "slides [2024]"\n',
            "line 3: camera.path: {}/slides [2024] is a folder and no video; for its images write",
        ),
        (
            SIMULATED + '[web]\ncertificate_file = "page.crt"\n',
            "line 4: web.certificate_file: {}/page.crt is not there",
        ),
        (
            SIMULATED + '[web]\ncertificate_file = "other.db"\nkey_file = "slides [2024]"\n',
            "line 5: web.key_file: {}/slides [2024] is a folder; write the name of a file",
        ),
        (
            SIMULATED + '[model]\ntrusted_keys = "keys"\n',
            "line 4: model.trusted_keys: {}/keys is not there; make this folder, and copy",
        ),
        (
            SIMULATED + '[model]\ntrusted_keys = "other.db"\n',
            "line 4: model.trusted_keys: {}/other.db is a file; write the name of a folder",
        ),
        (
            SIMULATED + '[web]\npreview_dir = "other.db"\n',
            "line 4: web.preview_dir: {}/other.db is a file; write the name of a folder",
        ),
        (
            SIMULATED + '[web]\npreview_dir = "other.db/live"\n',
            "line 4: web.preview_dir: {0}/other.db/live cannot be a folder, since {0}/other.db is a file",
        ),
        (
            '[camera]\nkind = "picamera2"\n',
            "line 2: camera.kind: picamera2 is not installed here; apt install",
        ),
        (
            SIMULATED + '[store]\npath = "slides [2024]"\n',
            "line 4: store.path: {}/slides [2024] is a folder; write",
        ),
        (
            SIMULATED + '[store]\npath = "other.db"\n',
            "line 4: store.path: {}/other.db is the database of another",
        ),
        (
            SIMULATED + '[store]\npath = "other.db/x/y.db"\n',
            "line 4: store.path: {0}/other.db/x/y.db cannot be made, since {0}/other.db is no folder",
        ),
        (SIMULATED + '[model]\npath = "none.tflite"\n', "line 4: model.path: {}/none.tflite is not there"),
        (SIMULATED + '[model]\npath = "other.db"\n', "line 4: model.path: {}/other.db"),
        (
            SIMULATED + '[store]\npath = "device.toml"\n',
            "line 4: store.path: {}/device.toml is a text, and no result store; write another name",
        ),
        (
            SIMULATED + '[mqtt]\npassword_file = "x"\n',
            "line 3: mqtt.password_file is set, but mqtt.username is not",
        ),
        (
            f'{SIMULATED}[masking]\nrecipe = "study"\n',
            'line 4: masking.recipe is "study", and the model was trained on crops of "found"; write',
        ),
    ],
)
def test_what_a_start_would_fail_at_is_said_before(folder, capsys, monkeypatch, text, sentence):
    monkeypatch.setattr("edge.cli.config_check.find_spec", lambda _: None)
    path = folder / "device.toml"
    path.write_text(text)
    assert main(["config", "check", str(path)]) == 2
    assert f"device.toml: {sentence.format(folder)}" in capsys.readouterr().err


def test_a_key_that_root_alone_may_see_is_no_fault_of_the_configuration(folder, capsys, monkeypatch):
    """The unit passes it on; docs/security.md tells people to put it there."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = folder / "device.toml"
    path.write_text(f'{SIMULATED}[mqtt.tls]\ncertificate_file = "device.crt"\n', encoding="utf-8")
    monkeypatch.setattr("edge.mqtt.credentials.CREDSTORE", folder / "none")
    assert main(["config", "check", str(path)]) == 2
    assert (
        f"put the key into {folder}/none/leukoscope.mqtt-key, which the unit passes on"
        in capsys.readouterr().err
    )
    monkeypatch.setattr("edge.cli.config_check.is_hidden", lambda: True)
    assert main(["config", "check", str(path)]) == 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"preprocessing": "adaptive/2"},
            "was trained on crops of adaptive/2, which this version does not cut; give a bundle of",
        ),
        ({"finder": None}, "has no finder; give a bundle of version 0.2 or later"),
        ({"finder": "finder/9"}, "has a finder of version finder/9; this device reads finder/1"),
    ],
)
def test_a_model_that_finds_cells_otherwise_is_said_before(folder, capsys, changes, sentence):
    if changes.get("finder"):
        own = read_bundle(SHIPPED_MODEL).description.finder
        changes = {"finder": msgspec.structs.replace(own, version=changes["finder"])}
    model = rewritten(folder / "old.tflite", **changes)
    path = folder / "device.toml"
    path.write_text(f'{SIMULATED}[model]\npath = "old.tflite"\n')
    assert main(["config", "check", str(path)]) == 2
    assert f"line 4: model.path: {model} {sentence}" in capsys.readouterr().err


def test_all_of_it_is_said_at_once(folder, capsys):
    path = folder / "device.toml"
    path.write_text('[camera]\nkind = "video"\npath = "a.mp4"\n[store]\npath = "other.db"\n')
    assert main(["config", "check", str(path)]) == 2
    first, *lines = capsys.readouterr().err.splitlines()
    assert first.endswith("2 things are wrong")
    assert [line.split(":")[0].strip() for line in lines] == ["line 3", "line 5"]


@pytest.mark.parametrize(
    "text",
    [
        '[camera]\nkind = "replay"\npaths = ["slides [2024]/*.jpg"]\n',
        SIMULATED + '[store]\npath = "new/folders/results.db"\n',
        '[camera]\nkind = "usb"\n',  # may be plugged in later
        '[camera]\nkind = "usb"\ndevice = "http://pi/"\n',
        '[camera]\nkind = "usb"\ndevice = "/dev/null"\n',  # no camera, but a device: a start says more
        SIMULATED
        + '[model]\ntrusted_keys = "/etc/leukoscope/keys"\n',  # the default, made with the first key
        SIMULATED + '[model]\ntrusted_keys = "slides [2024]"\n',
        SIMULATED + '[web]\npreview_dir = "not/yet"\n',  # made when the daemon's unit starts
        SIMULATED + '[web]\npreview_dir = ""\n',
        SIMULATED + '[web]\ncertificate_file = "other.db"\n',
    ],
)
def test_what_can_start_is_right_and_looking_makes_nothing(folder, capsys, text):
    path = folder / "device.toml"
    path.write_text(text)
    before = sorted(folder.rglob("*"))
    assert main(["config", "check", str(path)]) == 0
    assert "right" in capsys.readouterr().out
    assert sorted(folder.rglob("*")) == before


def test_the_file_may_be_given_as_to_other_commands(folder, capsys):
    file = folder / "device.toml"
    file.write_text('[camera]\nkind = "video"\npath = "a.mp4"\n', encoding="utf-8")
    assert main(["config", "check", "--config", str(file)]) == main(["config", "check", str(file)]) != 0
    said = capsys.readouterr().err.splitlines()
    assert said[: len(said) // 2] == said[len(said) // 2 :]
    assert "line 3: camera.path" in said[0]
