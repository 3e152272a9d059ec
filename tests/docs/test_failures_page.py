"""The page on failures promises what is tested."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_every_test_that_the_page_names_is_there():
    named = set(
        re.findall(r"`(test_\w+)`", (REPOSITORY / "docs" / "failures.md").read_text(encoding="utf-8"))
    )
    written = "\n".join(
        path.read_text(encoding="utf-8") for path in REPOSITORY.joinpath("tests").rglob("test_*.py")
    )
    assert len(named) > 10
    assert {name for name in named if f"def {name}(" not in written} == set()
