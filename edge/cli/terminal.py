"""What a terminal can show."""

from __future__ import annotations

import io
import re
import sys

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but a tab and the end of a line


def without_controls(text: str) -> str:
    """The text with what would move or colour a terminal escaped: a file's name may hold anything."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def escape_unprintable() -> None:
    """Let standard output and error escape what their encoding lacks, and never end a command by it.

    A file's name may hold any letters, and the terminal only ASCII.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
