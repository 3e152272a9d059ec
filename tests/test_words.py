"""The words of release 0.1 stand in the changelog, and where an old file or command is told the new one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.config import config_schema
from edge.messages import json_schema

REPOSITORY = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "docs", "edge", "firmware_config", "tests", "trainer")
READ = {".py", ".md", ".toml", ".sh", ".service", ".html", ".js", ".rules"}

WORDS = (
    *("started_by", "when_enough", "max_width", "health_s", "own_rate", "total_count"),
    *("check-config", "calibrate-camera", "new-key", "leukoscope calibrate", "leukoscope cameras"),
    *("leukoscope focus", "leave_what_only_starting_needed", "Keeper", "Rival", "Obey", "Reckoning", "Tally"),
    *("Standing", "unsaid", "mark_said", "make_sound", "go_on_from", "Steadiness", "Pieces", "black_wedges"),
    *("FieldPlace", "JoinedRegion", "_is_stopping"),
)
ALLOWED = {
    "edge/cli/renamed.py",
    "edge/config/renamed.py",
    "edge/messages/former.py",
    "edge/store/schema.py",
    "edge/store/specimen_reading.py",  # the column keeps its name, so that a damaged old store can be saved
    "edge/store/specimens.py",
    "tests/edge/cli/test_command_help.py",
    "tests/edge/config/test_config_errors.py",
    "tests/edge/store/stores/make.py",
    "tests/test_words.py",
}
"""What reads, names or makes what 0.1 has left."""

MESSAGES = {
    "total_count",
    "trust",
    "complete",
    "place",
    "begins",
    "joined",
    "light",
    "covered",
    "enough",
    "aside",
}
KEYS = {"started_by", "when_enough", "max_width", "health_s", "own_rate"}


def lines():
    paths = [REPOSITORY / "README.md", *(p for folder in FOLDERS for p in (REPOSITORY / folder).rglob("*"))]
    for path in paths:
        name = path.relative_to(REPOSITORY).as_posix()
        if path.suffix in READ and name not in ALLOWED and "_generated" not in name and "_build" not in name:
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                yield f"{name}:{number}: {line}"


def test_no_other_file_has_a_word_of_the_first_release():
    old = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, WORDS))})(?![\w-])")
    assert [line for line in lines() if old.search(line.partition(": ")[2])] == []


def properties(schema):
    return {name for of in schema["$defs"].values() for name in of.get("properties", {})}


@pytest.mark.parametrize(
    ("schema", "old"), [(json_schema(), MESSAGES), (config_schema(), KEYS)], ids=["messages", "configuration"]
)
def test_no_property_has_a_name_of_the_first_release(schema, old):
    assert len(properties(schema)) > 20
    assert properties(schema) & old == set()
