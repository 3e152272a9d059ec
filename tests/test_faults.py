"""The faults of `make faults` are of the code as it is: their lines stand in it, their tests are there."""

from __future__ import annotations

import re
from pathlib import Path

from mutants import read_faults

TESTS = Path(__file__).parent
FAULTS = read_faults(TESTS / "faults.toml")


def test_what_each_fault_replaces_stands_once_in_its_file():
    texts = {file: (TESTS.parent / file).read_text(encoding="utf-8") for file in {f.file for f in FAULTS}}
    assert [f.what for f in FAULTS if texts[f.file].count(f.line) != 1] == []
    assert [f.what for f in FAULTS if f.instead == f.line] == []


def test_the_test_that_must_notice_each_fault_is_there():
    asked = sorted({fault.test.split("[")[0] for fault in FAULTS})
    assert [
        test
        for test in asked
        if not re.search(
            rf"^def {test.rpartition('::')[2]}\(",
            (TESTS / "edge" / test.partition("::")[0]).read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    ] == []
