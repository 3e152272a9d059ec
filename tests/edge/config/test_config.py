"""A configuration is right, or the one thing that is wrong with it is named with the way out."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import (
    Config,
    ReplayConfig,
    SimulatedConfig,
    UsbConfig,
    VideoConfig,
    config_schema,
    from_plain,
    load_config,
)
from edge.errors import ConfigError
from edge.messages import json_schema
from edge.mqtt.command_words import MEANT

USB = '[camera]\nkind = "usb"\n'
VIDEO = '[camera]\nkind = "video"\n'
SMALLEST = '[camera]\nkind = "simulated"\n'


def written(tmp_path, text):
    path = tmp_path / "device.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_smallest_configuration_has_defaults_that_work(tmp_path):
    config = load_config(written(tmp_path, SMALLEST))
    assert isinstance(config.camera, SimulatedConfig)
    assert config.mqtt.port == 1883
    assert config.model.bundle.is_file()
    assert config.device == load_config(written(tmp_path, SMALLEST)).device


def test_relative_paths_are_meant_from_the_files_own_folder(tmp_path):
    text = '[camera]\nkind = "replay"\npaths = ["slides", "/elsewhere/*.png"]\n'
    text += '[store]\npath = "state/results.db"\n'
    config = load_config(written(tmp_path, text))
    assert isinstance(config.camera, ReplayConfig)
    assert config.camera.paths == (str(tmp_path / "slides"), "/elsewhere/*.png")
    assert config.store.path == str(tmp_path / "state" / "results.db")


def test_a_video_or_device_lies_beside_the_file_and_an_address_lies_nowhere(tmp_path):
    camera = load_config(written(tmp_path, VIDEO + 'path = "films/a.mp4"\n')).camera
    assert camera == VideoConfig(str(tmp_path / "films" / "a.mp4"))
    for device, meant in (
        ('"camera"', str(tmp_path / "camera")),
        ('"/dev/video2"', "/dev/video2"),
        ("2", "/dev/video2"),
        ('"http://pi/1"', "http://pi/1"),
    ):
        camera = load_config(written(tmp_path, USB + f"device = {device}\n")).camera
        assert isinstance(camera, UsbConfig)
        assert camera.node == meant


def test_what_is_live_waits_for_a_command_and_what_moves_is_registered(tmp_path):
    for text, ends, registers in (
        (SMALLEST, True, False),
        (VIDEO + 'path = "a.mp4"\n', True, True),
        (USB, False, True),
    ):
        config = load_config(written(tmp_path, text))
        assert (config.ends, config.by_command, config.registers) == (ends, not ends, registers)
        for by, on in (("source", "off"), ("command", "on")):
            told = load_config(
                written(tmp_path, text + f'[specimen]\nlifecycle = "{by}"\nregistration = "{on}"\n')
            )
            assert (told.by_command, told.registers) == (by == "command", on == "on")


def test_the_schema_knows_every_kind_of_camera():
    assert {f"{kind}Config" for kind in ("Replay", "Simulated", "Usb", "Video")} <= set(
        config_schema()["$defs"]
    )


@pytest.mark.parametrize("specimen", ["26-113", "S_7", "A.1"])
def test_a_specimen_is_called_what_the_operator_typed(tmp_path, specimen):
    config = load_config(written(tmp_path, SMALLEST + f'[specimen]\nid = "{specimen}"\n'))
    assert config.specimen.id == specimen


@pytest.mark.parametrize(("max_mb", "right"), [(0, True), (0.5, False), (1, True), (2000, True)])
def test_the_schema_and_the_check_agree_on_the_least_store(max_mb, right):
    plain = {"camera": {"kind": "simulated"}, "store": {"max_mb": max_mb}}
    assert jsonschema.Draft202012Validator(config_schema()).is_valid(plain) is right
    with contextlib.nullcontext() if right else pytest.raises(ConfigError, match="cannot hold one result"):
        from_plain(plain, origin="f")


@pytest.mark.parametrize("depth", [100, 300, 480, 5000])
def test_a_file_that_is_nested_without_end(tmp_path, depth):
    with pytest.raises(ConfigError):
        load_config(written(tmp_path, SMALLEST + "deep = " + "[" * depth + "]" * depth))


@pytest.mark.parametrize("camera", ['kind = "video"\npath = "a.avi"', 'kind = "replay"\npaths = ["."]'])
def test_a_folder_whose_name_is_not_utf_8_is_refused(tmp_path, camera):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/slides\xff"))
    folder.mkdir()
    path = folder / "device.toml"
    path.write_text(f"[camera]\n{camera}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{tmp_path}/slides\ufffd")
    assert str(caught.value).endswith(": its name is not in UTF-8, which a configuration needs; rename it")


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(ConfigError, match="there is no such configuration file"):
        load_config(tmp_path / "none.toml")
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read as text"):
        load_config(path)
    with pytest.raises(ConfigError, match="cannot be read as text"):
        load_config(tmp_path)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
sections = st.sampled_from(["camera", "mqtt", "model", "store", "specimen", "masking", "device_id", "x"])


@given(st.dictionaries(sections, plain, max_size=5))
def test_whatever_stands_in_the_file_gives_a_configuration_or_one_sentence(raw):
    complaint = "f.toml: "
    try:
        config = from_plain(raw, origin="f.toml")
    except ConfigError as error:
        complaint = str(error)
    else:
        assert isinstance(config, Config)
    assert complaint.startswith("f.toml: ")


def test_what_is_told_to_the_network_holds_no_secret(tmp_path):
    text = SMALLEST + '[mqtt]\nusername = "nurse"\npassword_file = "secret.txt"\n'
    text += '[mqtt.tls]\ncertificate_file = "own.crt"\nkey_file = "secret.mqtt"\n'
    text += '[web]\ncertificate_file = "page.crt"\nkey_file = "secret.key"\n'
    told = load_config(written(tmp_path, text)).without_secrets()
    assert "nurse" not in str(told)
    assert "secret" not in str(told)
    assert "key_file" not in told["web"]
    assert told["web"]["certificate_file"].endswith("page.crt")


def numbers():
    """The section, what else must stand in it, and the name of every key that takes a number with a point."""
    found = []
    for name, of in config_schema()["$defs"].items():
        kind = of["properties"].get("kind", {}).get("enum", [None])[0]
        section = "camera" if kind else name.removesuffix("Config").lower()
        needed = {"replay": {"paths": ["x"]}, "video": {"path": "x"}}.get(kind, {})
        needed |= {"kind": kind} if kind else {}
        found += [
            (section, needed, key) for key, value in of["properties"].items() if value.get("type") == "number"
        ]
    return found


@pytest.mark.parametrize(("section", "needed", "key"), numbers())
def test_a_number_without_end_is_refused_wherever_it_stands(section, needed, key):
    for value in (float("inf"), float("-inf"), float("nan")):
        raw = {"camera": {"kind": "simulated"}, section: {**needed, key: value}}
        with pytest.raises(ConfigError) as refused:
            from_plain(raw, origin="x")
        assert str(refused.value).startswith(f"x: {section}.{key} is {value}; write ")
        assert "\n" not in str(refused.value)


def test_as_many_cells_may_be_wanted_in_the_file_as_by_a_command():
    asked = json_schema()["$defs"]["StartSpecimen"]["properties"]["target"]["anyOf"]
    most = next(each["maximum"] for each in asked if "maximum" in each)
    target = config_schema()["$defs"]["SpecimenConfig"]["properties"]["target"]
    assert target["maximum"] == most
    assert f"to {most}" in MEANT["target"]
