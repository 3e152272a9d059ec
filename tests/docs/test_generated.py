"""The parts of the pages that are made from the code say what the code has."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Literal

import pytest
from msgspec import Struct

from edge import config
from edge.messages import json_schema

REPOSITORY = Path(__file__).parents[2]
sys.path.append(str(REPOSITORY / "docs"))

import api  # noqa: E402
import generated  # noqa: E402
import rooms  # noqa: E402
import way  # noqa: E402


class Lamp(Struct):
    """A lamp."""

    level: int = 3  # of 7
    # How it is mounted.
    mount: Literal["arm", "foot"] = "arm"  # or not at all
    colours: tuple[
        int,  # red
        int,
    ] = (1, 2)
    bare: bool = False


def test_the_comments_of_a_struct_are_what_is_said_of_its_keys():
    said = generated.comments(Lamp)
    assert said == {"level": "of 7", "mount": "How it is mounted. or not at all", "colours": "red"}


def test_every_section_and_key_of_the_configuration_is_on_the_page():
    page = generated.configuration()
    for name, of in config.config_schema()["$defs"].items():
        if name in {struct.__name__ for _, struct in generated.SECTIONS}:
            keys = set(of["properties"]) - {"kind"}
            assert all(f"| `{key}` |" in page or f"{key}]`" in page for key in keys), name
    assert "| `target` | a whole number from 1 to 10,000 | `200` | " in page
    structs = {
        name for name in config.config_schema()["$defs"] if name.endswith("Config") or name == "Config"
    }
    assert structs == {struct.__name__ for _, struct in generated.SECTIONS}, "give it its place in SECTIONS"


def test_every_key_of_the_configuration_is_explained():
    rows = [line.split(" | ") for line in generated.configuration().splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows if row[-1].strip(" |") == ""] == []


def test_every_message_command_and_property_is_on_the_page():
    schema = json_schema()
    page = generated.messages()
    for name in schema["commands"]:
        assert f"### `{name}`" in page
    for of in schema["$defs"].values():
        for key in set(of.get("properties", {})) - {"schema"}:
            assert f"| `{key}` |" in page
    linked = set(re.findall(r"\]\(#(\w+)\)", page))
    headed = {line[4:].lower() for line in page.splitlines() if line.startswith("### ")}
    assert len(linked) > 5
    assert linked <= headed


def test_public_names_stand_with_signature_and_docstring_and_private_ones_do_not():
    page = api.reference()
    assert "- `analyze(self, pixels: NDArray[np.uint8]," in page
    assert "### `edge.config`" in page
    assert "- `class Analyzer`: " in page
    assert "- `_" not in page
    assert "edge.cli" not in page


@pytest.mark.parametrize("package", ["edge", "trainer"])
def test_the_picture_has_a_dot_for_each_import_and_none_above_the_diagonal(package):
    dots = re.findall(r'<circle cx="(\d+)" cy="(\d+)"', rooms.picture(package))
    assert len(dots) == len(rooms.imports(package)) > 20
    assert all(int(x) < int(y) for x, y in dots)
    assert f"`{package}/{rooms.order(package)[-1]}/`" in rooms.table(package)


def test_a_frame_goes_through_each_stage_once_and_every_stage_says_what_it_does():
    stages = way.stages()
    assert stages == ["intake", "analysis", "placement", "storage", "running_count"]
    picture = way.picture()
    for stage in stages:
        assert way.said(stage)
        assert picture.count(f">{stage}.py<") == 1
