"""The README and the pages, and the commands, settings and paths that they name."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]

PAGES = sorted(
    [
        REPOSITORY / "README.md",
        REPOSITORY / "CONTRIBUTING.md",
        REPOSITORY / "firmware_config" / "README.md",
        *(REPOSITORY / "docs").glob("*.md"),
    ]
)
"""Every page for people. The changelog speaks of former names as well, and is not held to today's."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
_INLINE = re.compile(r"`([^`]+)`")
_PROGRAMS = ("leukoscope", "leukoscope-train", "leukoscope-bench")


class Line(NamedTuple):
    """A line that a reader may type. words: as a shell takes them apart, without its comment."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def name(page: Path) -> str:
    """A page as the repository calls it."""
    return str(page.relative_to(REPOSITORY))


def lines() -> list[Line]:
    """Every line of every block of commands."""
    found = []
    for page in PAGES:
        text = _FENCE.sub("", page.read_text(encoding="utf-8"))
        for block in _INDENTED.findall(text):
            for line in block.replace("\\\n", " ").splitlines():
                words = tuple(shlex.split(line, comments=True))
                if words:
                    found.append(Line(name(page), words))
    return found


def mentions() -> list[Line]:
    """Every command of this project's programs in the midst of a sentence, between backticks."""
    found = []
    for page in PAGES:
        text = _INDENTED.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))
        for said in _INLINE.findall(text):
            words = said.replace(" ...", "").split()
            if words and words[0].rpartition("/")[2] in _PROGRAMS and len(words) > 1:
                found.append(Line(name(page), tuple(shlex.split(" ".join(words)))))
    return found


def of_programs(found: list[Line]) -> list[Line]:
    """Those that call one of this project's programs, by its plain name and without what runs before it."""
    calls = []
    for page, words in found:
        at = next((i for i, word in enumerate(words) if word.rpartition("/")[2] in _PROGRAMS), None)
        if at is not None and "pip" not in words[:at] and words[at - 1] != "-u":  # journalctl -u leukoscope
            calls.append(Line(page, (words[at].rpartition("/")[2], *words[at + 1 :])))
    return calls


def blocks(language: str) -> list[tuple[str, str]]:
    """Every fenced block of a language: its page, and its text."""
    return [
        (name(page), text)
        for page in PAGES
        for kind, text in _FENCE.findall(page.read_text(encoding="utf-8"))
        if kind == language
    ]


def inline() -> list[tuple[str, str]]:
    """All that stands between backticks within a line: its page, and its text."""
    return [
        (name(page), said)
        for page in PAGES
        for said in _INLINE.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
    ]


def headings(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    found = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in found}
