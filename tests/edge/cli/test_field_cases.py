"""The cases from the field themselves, where they are there; other tests make inputs of these kinds."""

from __future__ import annotations

import json

import pytest
from real_data import field_cases

from edge.cli import main


def test_every_damaged_picture_is_named_and_none_is_analysed(capsys):
    folder = field_cases("damaged-jpeg")
    assert main(["analyze", str(folder), "--json"]) == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["file"] for line in told} == {str(path) for path in folder.iterdir()}
    assert all("the picture is damaged" in line["error"] and "cells" not in line for line in told)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("hid", {"BloodImage_00009.jpg": None}),
        ("mac", dict.fromkeys(f"BloodImage_0000{number}.jpg" for number in (1, 4, 9))),
        ("syn", {"BloodImage_00001 (1).jpg": None, "BloodImage_00001.jpg": "BloodImage_00001 (1).jpg"}),
    ],
)
def test_hidden_and_deleted_files_and_thumbnails_are_left_out(name, shown, capsys):
    folder = field_cases("hidden-files", name)
    assert main(["analyze", str(folder), "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    same = {line["file"]: line.get("same_as") for line in told}
    assert same == {
        str(folder / file): first if first is None else str(folder / first) for file, first in shown.items()
    }


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("bom", "line 3: camera.paths: "),  # the mark itself is accepted
        ("host_port", 'line 5: mqtt.host has the port in it; write host = "127.0.0.1" and port = 1883'),
        ("host_space", 'line 5: mqtt.host has a space in it; write host = "127.0.0.1"'),
        ("host_url", 'line 5: mqtt.host is a whole address; write host = "127.0.0.1" and port = 1883'),
    ],
)
def test_what_is_wrong_with_a_configuration_is_said_with_what_to_write(name, sentence, capsys):
    path = field_cases("config") / f"{name}.toml"
    assert main(["config", "check", str(path)]) == 2
    assert f"{path}: {sentence}" in capsys.readouterr().err
