"""Which tests run which line of a room, and how long each takes: so that a change runs these alone."""

from __future__ import annotations

import ast
import json
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import coverage
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Recorder:
    """A plugin of pytest that writes down, as JSON, what `Reach` reads."""

    def __init__(self, room: Path, out: Path) -> None:
        self._coverage = coverage.Coverage(data_file=None, source=[str(room)], config_file=False)
        self._out = out
        self._took: dict[str, float] = {}
        self._elsewhere: set[str] = set()
        self._now = ""

    def pytest_sessionstart(self) -> None:
        """Watch from here on what runs, and who starts processes, in which nothing is seen."""
        self._coverage.start()
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.fork" or (event == "subprocess.Popen" and sys.executable in map(str, arguments[1])):
            self._elsewhere.add(self._now)

    def _switch(self, name: str) -> None:
        self._now = name
        self._coverage.switch_context(name)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """What a test runs is noted with its name."""
        self._switch(item.nodeid)
        began = time.monotonic()
        yield
        self._took[item.nodeid] = time.monotonic() - began
        self._switch("")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, request: pytest.FixtureRequest) -> Iterator[None]:
        """What is made for several tests is noted with what their names begin with, as their file."""
        before = self._now
        if request.scope != "function":
            self._switch(request.node.nodeid)
        yield
        self._switch(before)

    def pytest_sessionfinish(self) -> None:
        """Write it down."""
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {file: data.contexts_by_lineno(file) for file in data.measured_files()}
        told = {"took": self._took, "elsewhere": sorted(self._elsewhere), "lines": lines}
        self._out.write_text(json.dumps(told), encoding="utf-8")


@dataclass
class Reach:
    """What a `Recorder` wrote down."""

    took: dict[str, float]
    elsewhere: list[str]
    lines: dict[str, dict[str, list[str]]]
    _functions: dict[Path, list[range]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Reach:
        """What was written to `path`."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def tests(self, file: Path, line: int) -> list[str]:
        """The tests that run anything of the function that a line of the sound file is of, quickest first.

        With them those that start processes of Python, in which the function may run. All tests for what
        stands in no function, or in one that no test was seen to run.
        """
        ran = self.lines.get(str(file), {})
        names = {name for number in self._function(file, line) for name in ran.get(str(number), [])}
        began = (*names, *self.elsewhere) if names else ("",)
        return sorted(
            (test for test in self.took if test.startswith(tuple(began))), key=self.took.__getitem__
        )

    def _function(self, file: Path, line: int) -> range:
        """The lines of the innermost function's body that has this line; none where there is no function."""
        if file not in self._functions:
            self._functions[file] = [
                range(node.body[0].lineno, (node.end_lineno or 0) + 1)
                for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            ]
        return min((lines for lines in self._functions[file] if line in lines), key=len, default=range(0))


class Chosen:
    """A plugin of pytest that runs these tests only, in this order, and none for much longer than it took."""

    def __init__(self, tests: list[str], took: dict[str, float]) -> None:
        self._tests = {test: place for place, test in enumerate(tests)}
        self._took = took

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave the chosen ones."""
        items[:] = sorted(
            (one for one in items if one.nodeid in self._tests), key=lambda one: self._tests[one.nodeid]
        )
        for one in items:
            # A change that makes a loop endless is noticed by that.
            one.add_marker(pytest.mark.timeout(10 + 5 * self._took[one.nodeid]))
