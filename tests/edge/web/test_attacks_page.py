"""The page that lists the attacks names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


ROOMS = ("web", "people", "specimens")


def test_every_test_that_is_named_is_there():
    text = (REPOSITORY / "docs/attacks.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) > 25
    files = [path for room in ROOMS for path in (REPOSITORY / "tests/edge" / room).glob("test_*.py")]
    there = set(
        re.findall(r"^def (test_\w+)", "\n".join(path.read_text("utf-8") for path in files), re.MULTILINE)
    )
    assert named <= there
