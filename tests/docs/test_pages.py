"""What README and pages tell people to type, to set or to open is there."""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from functools import cache

import cv2
import msgspec
import pages
import pytest

import benchmarks.cli
import edge.cli.parser
import trainer.cli
from edge.cameras import open_camera
from edge.config import from_plain
from edge.messages import decode, decode_field

MAINS = {
    "leukoscope": edge.cli.main,
    "leukoscope-train": trainer.cli.main,
    "leukoscope-bench": benchmarks.cli.main,
}
CALLS = sorted(set(pages.of_programs(pages.lines())))
MENTIONS = sorted(set(pages.of_programs(pages.mentions())))


class ParsedError(Exception):
    """The words were understood; the command is not run."""


@pytest.fixture
def only_parse(monkeypatch):
    """Let each parser of the programs end the program once it has understood its words."""
    for parser in (argparse.ArgumentParser, edge.cli.parser.Parser):
        parse = parser.parse_args

        def parse_and_end(self, *given, parse=parse, **named):
            options = parse(self, *given, **named)
            raise ParsedError(options)

        monkeypatch.setattr(parser, "parse_args", parse_and_end)


def understood(words, capsys):
    """Whether a program understands these words; else what it says."""
    try:
        MAINS[words[0]](list(words[1:]))
    except ParsedError:
        return True, ""
    except SystemExit as end:
        return not end.code, capsys.readouterr().err  # --help ends well
    return False, "it did not ask its parser"


@pytest.mark.usefixtures("only_parse")
@pytest.mark.parametrize("line", CALLS, ids=str)
def test_a_command_on_a_page_is_understood_by_the_program_that_it_calls(line, capsys):
    right, complaint = understood(line.words, capsys)
    assert right, complaint


@pytest.mark.usefixtures("only_parse")
@pytest.mark.parametrize("line", MENTIONS, ids=str)
def test_a_command_in_a_sentence_is_there_with_or_without_its_arguments(line, capsys):
    right, complaint = understood(line.words, capsys)
    assert right or re.search("missing: |the following arguments are required: ", complaint)


@pytest.mark.usefixtures("only_parse")
def test_a_command_or_an_option_that_there_is_not_would_be_noticed(capsys):
    for words in (
        ("leukoscope", "reckon"),
        ("leukoscope", "analyze", "--no-such-option", "FOLDER"),
        ("leukoscope", "specimen", "sign", "S-7"),
        ("leukoscope-train", "fit", "--out", "runs/x", "--no-such-option"),
        ("leukoscope-bench", "compare"),
    ):
        assert not understood(words, capsys)[0]
    assert {"leukoscope", "leukoscope-train", "leukoscope-bench"} <= {line.words[0] for line in CALLS}
    assert len(CALLS) > 50


def test_every_row_of_a_table_belongs_to_one():
    for page in pages.PAGES:
        lines = ["", *page.read_text(encoding="utf-8").splitlines(), ""]
        for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
            if line.startswith("|") and not before.startswith("|"):
                assert after.startswith("|--"), f"{page}: {line}"


def test_make_knows_every_target_on_a_page():
    makefile = (pages.REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    typed = {line.words[1] for line in pages.lines() if line.words[0] == "make"}
    said = {text.split()[1] for _, text in pages.inline() if re.match(r"make [a-z]", text)}
    assert {"demo", "test"} <= typed
    assert typed | said <= targets


def test_every_extra_that_a_page_installs_is_there():
    setup = ConfigParser()
    setup.read(pages.REPOSITORY / "setup.cfg")
    words = " ".join(" ".join(line.words) for line in pages.lines())
    words += " ".join(said for _, said in pages.inline())
    named = {
        extra for found in re.findall(r"(?:\.|leukoscope)\[([a-z,-]+)\]", words) for extra in found.split(",")
    }
    assert {"trainer", "bench"} <= named
    assert named <= set(setup["options.extras_require"])


@pytest.mark.parametrize(("page", "text"), pages.blocks("toml"))
def test_a_configuration_on_a_page_is_right(page, text):
    alternatives = [line for line in text.splitlines() if line.startswith("camera = ")] or [text]
    for each in alternatives:
        from_plain(tomllib.loads(each), origin=page)


def test_the_messages_on_the_page_are_such_as_the_device_sends():
    shown = [text for page, text in pages.blocks("json") if page == "docs/mqtt.md"]
    assert len(shown) == 2
    count = decode(shown[1].encode())
    sent = msgspec.json.decode(msgspec.json.encode(count))
    assert set(msgspec.json.decode(shown[1])) == set(sent)
    assert sum(row.count for row in count.classes) < count.counted
    whole = re.sub(r'"data": "[^"]*"', '"data": ""', shown[0])
    field = decode_field(whole.encode())
    sent = msgspec.json.decode(msgspec.json.encode(field))
    assert set(msgspec.json.decode(whole)) <= set(sent)
    assert field.cells[0].label == "neutrophil"


def test_every_path_of_the_repository_that_a_page_names_is_there():
    rooms = ("edge/", "trainer/", "benchmarks/", "tests/", "docs/", "firmware_config/")
    named = {(page, said) for page, said in pages.inline() if said.startswith(rooms) and " " not in said}
    named |= {(line.page, word) for line in pages.lines() for word in line.words if word.startswith(rooms)}
    assert len(named) > 20
    missing = {(page, said) for page, said in named if not (pages.REPOSITORY / said).exists()}
    assert not missing


@cache
def sentences() -> str:
    """Every text in the device's code; of one that is put together, its parts behind each other."""
    found = []
    for path in (pages.REPOSITORY / "edge").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "\0" for part in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_every_sentence_of_an_error_on_the_page_is_said_by_the_code():
    text = (pages.REPOSITORY / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    first_column = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| "))
    said = re.findall(r"`([^`]+)`", first_column)
    assert len(said) > 30
    assert [sentence for sentence in said if sentence not in sentences()] == []


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name)
def test_every_link_to_a_page_or_a_heading_leads_there(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        file, _, heading = target.partition("#")
        if "://" in target:
            continue
        there = (page.parent / file).resolve() if file else page
        assert there.is_file(), target
        assert not heading or heading in pages.headings(there), target


def test_the_readme_is_a_front_page():
    lines = (pages.REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    assert any("not a medical device" in line for line in lines)


def test_the_pages_have_a_place_for_the_tables_that_are_written_into_them():
    for page, table in (("study", "compare"), ("performance", "bench")):
        text = (pages.REPOSITORY / "docs" / f"{page}.md").read_text(encoding="utf-8")
        assert re.search(rf"<!-- {table}: begin -->\n\S.*\n<!-- {table}: end -->", text, re.DOTALL)


def test_the_speed_of_the_readme_is_the_measured_one():
    measured = (pages.REPOSITORY / "docs" / "performance.md").read_text(encoding="utf-8")
    row = next(line for line in measured.splitlines() if line.startswith("| x86_64"))
    field, _, interval, _, first, memory = (float(cell) for cell in row.split("|")[2:8])
    readme = (pages.REPOSITORY / "README.md").read_text(encoding="utf-8")
    for said in (f"{field:.1f} ms", f"one every {interval:.1f} ms", f"{first:.2f} s", f"{memory:.0f} MiB"):
        assert f"| {said} |" in readme


QUICK = (
    "analyze",
    "config check",
    "config schema",
    "model info",
    "results list",
    "results export",
    "run",
    "schema",
    "specimen list",
)
"""What runs in a second and needs no camera, no broker and no trainer."""

SETTINGS = """\
camera = { kind = "replay", paths = ["FOLDER"] }
mqtt = { port = 9, drain_s = 0 }
"""

NO_BROKER = 3
"""Exit status of a run whose results wait in the store."""


def test_the_quick_commands_of_the_pages_run(tmp_path):
    frame = open_camera(from_plain({"camera": {"kind": "simulated"}}, origin="a test").camera).read()
    for folder in ("FOLDER", "slides"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "field.png"), cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR))
    for name in ("my.toml", "leukoscope.toml"):
        (tmp_path / name).write_text(SETTINGS, encoding="utf-8")
    lines = [line for line in CALLS if " ".join(line.words[1:]).startswith(QUICK)]
    # A count comes before its lists; what stands on several pages is run once.
    words = sorted({line.words for line in lines}, key=lambda each: ("run" not in each, each))
    runnable = [each for each in words if not any(word.startswith("/etc/") for word in each)]
    assert len(runnable) >= 10
    for each in runnable:
        run = subprocess.run(
            [sys.executable, "-m", "edge.cli", *each[1:]],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(pages.REPOSITORY)},
        )
        assert run.returncode == (NO_BROKER if "run" in each else 0), f"{each}: {run.stderr}"
    assert list((tmp_path / "OUT").glob("field*"))
