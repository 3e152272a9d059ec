"""Files that are whole or not there: written beside, then put in place."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def put_in_place(path: Path, content: bytes) -> None:
    """Write a file, in place of a former one; a reader never sees half of it. Raises OSError."""
    partial = path.with_name(f"partial-{os.getpid()}-{path.name}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise
