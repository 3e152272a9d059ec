"""What a terminal can show."""

from __future__ import annotations

import io
import sys


def escape_unprintable() -> None:
    """Let standard output and error escape what their encoding lacks, and never end a command by it.

    A file's name may hold any letters, and the terminal only ASCII.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
