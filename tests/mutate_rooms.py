"""Mutation testing: what share of all small changes to a room do its tests notice? `make mutants`.

cosmic-ray says which changes there are; they are made in a copy of the tree, one at a time, and each runs,
in a fork of this process, those tests of its room that run the changed function, quickest first. The rooms
stand in `rooms.toml`. What is not noticed is shown: a test that is missing, or a change that changes nothing.
"""

from __future__ import annotations

import argparse
import compileall
import os
import random
import re
import shutil
import sys
import tempfile
import tomllib
import warnings
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import TYPE_CHECKING, Any, NamedTuple

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from mutants import FAILED, LEFT_OUT, PASSED, ROOT, run_tests
from reach import Chosen, Reach, Recorder
from scipy.stats import binomtest

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = 100  # characters of a line
BARE = ("-p", "pytest_timeout", "--assert=plain")  # half the time is spent on what a test seldom needs


class Change(NamedTuple):
    """One small change of a file: an operator of cosmic-ray, and at the how manieth of its places."""

    file: Path
    line: int
    operator: str
    occurrence: int

    def text(self) -> str | None:
        """The file's text with it; None where it says the same or is no Python any more."""
        sound = self.file.read_text(encoding="utf-8")
        try:
            changed = mutate_code(sound, cosmic_ray.plugins.get_operator(self.operator)(), self.occurrence)
        except AttributeError:  # cosmic-ray stumbles over `module.Error` among several exceptions
            return None
        return changed if changed and changed != sound and is_python(changed) else None

    def described(self, tree: Path) -> str:
        """The sound line, where it stands, and what is done to it."""
        text = self.file.read_text(encoding="utf-8").splitlines()[self.line - 1].strip()[:SHOWN]
        return f"{self.file.relative_to(tree)}:{self.line}: {self.operator.rpartition('/')[2]}: {text}"


def changes_of(file: Path, leave_out: list[str], lines_left_out: str) -> Iterator[Change]:
    """Every small change of a module."""
    source = file.read_text(encoding="utf-8")
    lines, nodes = source.splitlines(), list(ast_nodes(get_ast(source)))
    for name in cosmic_ray.plugins.operator_names():
        kind = cosmic_ray.plugins.get_operator(name)
        if kind.arguments() or any(re.fullmatch(pattern, name) for pattern in leave_out):
            continue
        operator = kind()
        places = (place for node in nodes for place in operator.mutation_positions(node))
        for occurrence, ((line, column), _end) in enumerate(places):
            text = lines[line - 1]
            # A bare star of a signature is no product.
            if not text.startswith("*,", column) and not re.search(lines_left_out, text):
                yield Change(file, line, name, occurrence)


def is_python(source: str) -> bool:
    """Whether it compiles."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of `is` with a literal
            compile(source, "changed", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def try_room(tree: Path, room: str, table: dict[str, Any], sample: int, seed: int) -> tuple[int, int]:
    """How many changes of a room were tried, and how many its tests noticed; the others are printed."""
    tests = [test.removeprefix("tests/edge/") for test in table["rooms"][room]["tests"]]
    without = table["rooms"][room].get("without", [])
    chosen = ["-k", " and ".join(f"not {part}" for part in without)] if without else []
    record = tree / "reach.json"
    status, what = run_tests(tree, tests, [*BARE, *chosen], [Recorder(tree / "edge" / room, record)])
    if status != PASSED:
        raise SystemExit(f"{room}: the tests fail without a change, so that they cannot notice one: {what}")
    reach = Reach.read(record)
    files = sorted((tree / "edge" / room).rglob("*.py"))
    changes = [
        change for file in files for change in changes_of(file, table["leave_out"], table["leave_out_lines"])
    ]
    print(f"{room}: {len(changes)} changes", flush=True)
    if sample:
        random.Random(seed).shuffle(changes)  # noqa: S311 (no secret)
    tried = noticed = 0
    for change in changes:
        text = change.text()
        if text is None:
            continue
        if tried == (sample or len(changes)):
            break
        tried += 1
        what, chosen = change.described(tree), reach.tests(change.file, change.line)
        sound = change.file.read_text(encoding="utf-8")
        change.file.write_text(text, encoding="utf-8")
        try:
            status, said = run_tests(tree, files_of(chosen), BARE, [Chosen(chosen, reach.took)])
        finally:
            change.file.write_text(sound, encoding="utf-8")
        noticed += status != PASSED
        if status == PASSED:
            print(f"UNNOTICED {what}", flush=True)
        elif status != FAILED:
            print(f"no test ran: {what}: {said[-SHOWN:]}", flush=True)
        if tried % 10 == 0:
            print(f"{room}: {noticed} of {tried} so far", flush=True)
    return tried, noticed


def files_of(tests: list[str]) -> list[str]:
    """The files of `tests/edge` that these tests stand in."""
    return list(dict.fromkeys(test.partition("::")[0].removeprefix("tests/edge/") for test in tests))


def main() -> int:
    """Try the rooms, and print the share that is noticed of each."""
    parser = argparse.ArgumentParser(description="change rooms in every small way, and see what tests notice")
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help="default: every room of the table")
    parser.add_argument("--sample", type=int, default=0, help="so many changes of a room; default: all")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--table", type=Path, default=Path(__file__).with_name("rooms.toml"))
    options = parser.parse_args()
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    table = tomllib.loads(options.table.read_text(encoding="utf-8"))
    if strangers := set(options.rooms) - set(table["rooms"]):
        parser.error(f"{min(strangers)}: is no room of {options.table.name}: {', '.join(table['rooms'])}")
    with tempfile.TemporaryDirectory(prefix="leukoscope-mutants-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        # By the text's hash: what changes twice in a second, and not in size, would pass for unchanged.
        compileall.compile_dir(tree, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        for room in options.rooms or table["rooms"]:
            tried, noticed = try_room(tree, room, table, options.sample, options.seed)
            if tried:
                sure = binomtest(noticed, tried).proportion_ci()
                print(
                    f"{room}: {noticed} of {tried} noticed, {100 * noticed / tried:.0f} %"
                    f" ({100 * sure.low:.0f} to {100 * sure.high:.0f} %), seed {options.seed}",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
