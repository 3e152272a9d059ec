"""What a text in a configuration may hold: it goes into messages, the log, SQLite and calls of the system."""

from __future__ import annotations

import os
from typing import Annotated

from msgspec import Meta

from edge.errors import ConfigError

Text = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
SomeText = Annotated[str, Meta(min_length=1, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]


def in_utf8(path: str) -> str:
    """Return a path. Raises ConfigError where a folder above the configuration has a name that is no text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="replace")
        raise ConfigError(
            f"{shown}: its name is not in UTF-8, which a configuration needs; rename it"
        ) from None
    return path
