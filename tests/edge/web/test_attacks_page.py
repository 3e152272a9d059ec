"""The page that lists the attacks names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def test_every_test_that_is_named_is_there():
    text = (REPOSITORY / "docs/attacks.md").read_text(encoding="utf-8")
    named = re.findall(r"`(?:(tests/[\w/]+\.py)::)?(test_\w+)`", text)
    assert len(named) > 30
    for file, test in named:
        source = (REPOSITORY / (file or "tests/edge/web/test_attacks.py")).read_text(encoding="utf-8")
        assert f"def {test}(" in source, f"{file}::{test}"
