"""Mutation testing: what share of all small changes to a room do its tests notice? `make mutants`.

cosmic-ray says which changes there are; they are made in a copy of the tree, one at a time, and each runs the
tests of its room in a fork of this process. The rooms stand in `rooms.toml`. What is not noticed is shown: a
test that is missing, or a change that changes nothing.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from mutants import FAILED, LEFT_OUT, PASSED, ROOT, run_tests

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = 100  # characters of a line


def mutations(source: str, leave_out: list[str]) -> Iterator[tuple[str, str]]:
    """Every small change of a module: what it is, and the module's text with it."""
    tree = get_ast(source)
    for name in cosmic_ray.plugins.operator_names():
        kind = cosmic_ray.plugins.get_operator(name)
        if kind.arguments() or any(re.fullmatch(pattern, name) for pattern in leave_out):
            continue
        operator = kind()
        places = (place for node in ast_nodes(tree) for place in operator.mutation_positions(node))
        for occurrence, ((line, _), _end) in enumerate(places):
            changed = mutate_code(source, operator, occurrence)
            if changed and changed != source:
                text = source.splitlines()[line - 1].strip()[:SHOWN]
                yield f"{line}: {name.rpartition('/')[2]}: {text}", changed


def try_room(tree: Path, room: str, table: dict[str, Any], sample: int, seed: int) -> tuple[int, int]:
    """How many changes of a room were tried, and how many its tests noticed; the others are printed."""
    tests = [test.removeprefix("tests/edge/") for test in table["rooms"][room]["tests"]]
    limit = ["-o", f"timeout={table['timeout']}"]
    if without := table["rooms"][room].get("without"):
        limit += ["-k", " and ".join(f"not {part}" for part in without)]
    status, what = run_tests(tree, tests, limit)
    if status != PASSED:
        raise SystemExit(f"{room}: the tests fail without a change, so that they cannot notice one: {what}")
    files = sorted((tree / "edge" / room).rglob("*.py"))
    changes = [
        (file, what, text)
        for file in files
        for what, text in mutations(file.read_text(encoding="utf-8"), table["leave_out"])
    ]
    print(f"{room}: {len(changes)} changes", flush=True)
    if sample:
        changes = random.Random(seed).sample(changes, min(sample, len(changes)))  # noqa: S311 (no secret)
    noticed = 0
    for number, (file, what, text) in enumerate(changes, 1):
        sound = file.read_text(encoding="utf-8")
        file.write_text(text, encoding="utf-8")
        try:
            status, said = run_tests(tree, tests, limit)
        finally:
            file.write_text(sound, encoding="utf-8")
        noticed += status != PASSED
        if status == PASSED:
            print(f"UNNOTICED {file.relative_to(tree)}:{what}", flush=True)
        elif status != FAILED:
            print(f"no test ran: {file.relative_to(tree)}:{what}: {said[-SHOWN:]}", flush=True)
        if number % 50 == 0:
            print(f"{room}: {noticed} of {number} so far", flush=True)
    return len(changes), noticed


def main() -> int:
    """Try the rooms, and print the share that is noticed of each."""
    parser = argparse.ArgumentParser(description="change rooms in every small way, and see what tests notice")
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help="default: every room of the table")
    parser.add_argument("--sample", type=int, default=0, help="so many changes of a room; default: all")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--table", type=Path, default=Path(__file__).with_name("rooms.toml"))
    options = parser.parse_args()
    table = tomllib.loads(options.table.read_text(encoding="utf-8"))
    if strangers := set(options.rooms) - set(table["rooms"]):
        parser.error(f"{min(strangers)}: is no room of {options.table.name}: {', '.join(table['rooms'])}")
    with tempfile.TemporaryDirectory(prefix="leukoscope-mutants-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        for room in options.rooms or table["rooms"]:
            tried, noticed = try_room(tree, room, table, options.sample, options.seed)
            print(f"{room}: {noticed} of {tried} noticed, {100 * noticed / max(tried, 1):.0f} %", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
