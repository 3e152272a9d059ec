"""The house: a room imports only from those before it, no import runs in a circle, only `cli` prints."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

ROOMS = {
    "edge": (
        *("errors", "identity", "memory", "labels", "outputs"),
        *(
            "messages",
            "imaging",
            "config",
            "models",
            "cameras",
            "quality",
            "finding",
            "masking",
            "naming",
            "analyzer",
        ),
        *(
            "slide",
            "differential",
            "store",
            "people",
            "adaptation",
            "updates",
            "drawing",
            "export",
            "specimens",
        ),
        *("mqtt", "web", "daemon", "demo", "cli"),
    ),
    "trainer": (
        *(
            "files",
            "versions",
            "outputs",
            "recipe_files",
            "recipe",
            "data",
            "networks",
            "quantization",
            "training",
            "finder",
            "evaluation",
            "export",
        ),
        *("left_out", "reports", "explanations", "cli"),
    ),
}
"""The rooms of a package in their order. One may be missing as long as nobody has moved in."""

PACKAGES = ("edge", "trainer", "benchmarks")
"""In their order, too: the device knows nothing of the trainer, and neither of the benchmarks."""

PRINT = {"cli", "demo"}
"""The rooms that may write to a terminal."""

MOST_ENTRIES = 30
"""Of `edge/`: a newcomer reads them all before opening one."""

UP: set[tuple[str, str]] = set()
"""Imports against the order, importer and imported, that are still to be cut. It only becomes shorter."""

PRINTING: set[str] = set()
"""Modules that still print where they should return a value. It only becomes shorter."""


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the packages by its dotted name; a package is its `__init__`."""
    found = {}
    for path in sorted(path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")):
        name = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def imports(tree: ast.Module) -> set[str]:
    """The dotted names that a module imports, also within a function, or only for its types.

    A type counts like any other name: what a room is passed is part of what it depends on.
    """
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & modules().keys()) or {node.module}
    return found


def arrows() -> set[tuple[str, str]]:
    """Who imports whom, of this project's modules."""
    return {(name, other) for name, tree in modules().items() for other in imports(tree) & modules().keys()}


def room(module: str) -> str:
    """`slide` for `edge.slide.map`; empty for the package itself."""
    return f"{module}.".split(".")[1]


def points_up(importer: str, imported: str) -> bool:
    """Whether an import runs against the order."""
    package, other = importer.partition(".")[0], imported.partition(".")[0]
    if package != other:
        return PACKAGES.index(other) > PACKAGES.index(package)
    if package not in ROOMS or not room(imported):
        return False
    if not room(importer):
        return True
    order = ROOMS[package]
    return order.index(room(imported)) > order.index(room(importer))


def circle(importers: dict[str, set[str]]) -> list[str]:
    """The first circle that is found, its first module repeated at its end; empty where there is none."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in sorted(importers.get(name, ())):
            if found := walk(other, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(importers) if (found := walk(name, []))), [])


def prints(tree: ast.Module) -> bool:
    """Whether a module writes to a terminal: by `print`, on a standard stream, or by `rich`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {
            "print",
            "sys.stdout.write",
            "sys.stderr.write",
        }:
            return True
    return any(name.partition(".")[0] == "rich" for name in imports(tree))


@pytest.mark.parametrize("package", ROOMS)
def test_every_module_is_in_a_room(package):
    strangers = [n for n in modules() if n.startswith(f"{package}.") and room(n) not in ROOMS[package]]
    assert not strangers, "move them into a room, or give a new room its place in ROOMS"


def test_no_import_runs_against_the_order_of_the_rooms():
    found = {arrow for arrow in arrows() if points_up(*arrow)}
    assert not found - UP, "a room imports from one that comes after it in ROOMS"
    assert not UP - found, "these are cut: take them off the list"


def test_no_import_runs_in_a_circle():
    importers: dict[str, set[str]] = {}
    for importer, imported in arrows():
        importers.setdefault(importer, set()).add(imported)
    assert " -> ".join(circle(importers)) == ""


def test_only_the_command_line_and_the_demo_print():
    edge = {name: tree for name, tree in modules().items() if name.startswith("edge.")}
    found = {name for name, tree in edge.items() if room(name) not in PRINT and prints(tree)}
    assert not found - PRINTING, "return what is to be printed, and print it in edge/cli"
    assert not PRINTING - found, "these print no more: take them off the list"


def test_the_device_is_seen_at_a_glance_and_each_room_says_what_it_is_for():
    entries = [path for path in (REPOSITORY / "edge").iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MOST_ENTRIES
    for name, tree in modules().items():
        assert ast.get_docstring(tree), f"{name} does not say what it is for"


def test_test_modules_do_not_import_each_other():
    for path in (REPOSITORY / "tests").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = {name for name in imports(tree) if name.startswith("test_")}
        assert not found, f"{path}: what several tests want is a helper beside them"


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ("edge.errors", "edge.messages"),
        ("edge.masking.outlines", "edge.naming.classifier"),
        ("edge.slide.scan", "edge.differential.count"),
        ("edge.specimens.reporting", "edge.mqtt.publisher"),
        ("edge.updates.install", "edge.cli.model"),
        ("trainer.data.samples", "trainer.training.fitting"),
        ("edge.cli.model", "trainer.recipe"),
    ],
)
def test_an_import_that_is_turned_round_is_noticed(lower, upper):
    assert points_up(lower, upper)
    assert not points_up(upper, lower)


def test_a_circle_and_a_print_are_noticed():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}}) == []
    for source in ("print(1)", "import sys\nsys.stdout.write('1')", "from rich.table import Table"):
        assert prints(ast.parse(source))
    assert not prints(ast.parse("def spoken():\n    return 'print(1)'"))
