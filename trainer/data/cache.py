"""Where what is costly to make again is kept between runs: crops, and the photographs behind copies."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.data.images import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator


def cache_folder() -> Path:
    """Return the folder: $LEUKOSCOPE_CACHE, or leukoscope below $XDG_CACHE_HOME or ~/.cache.

    Files in it are named by the hash of what they were made from; it may be removed at any time.
    """
    own = os.environ.get("LEUKOSCOPE_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leukoscope"


@contextmanager
def kept_at(path: Path) -> Iterator[Path]:
    """Return a path beside `path` to write to, and put what was written in place: never half a file.

    Raises DataError when it cannot be written.
    """
    partial = path.with_name(f"partial-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}); "
            "LEUKOSCOPE_CACHE may name another folder to keep it in"
        ) from None
