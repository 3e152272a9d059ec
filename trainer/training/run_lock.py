"""One process at a time in a run's folder."""

from __future__ import annotations

import fcntl
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from edge.errors import LeukoscopeError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = "run.lock"


class RunInUseError(LeukoscopeError):
    """Another process works in the run's folder; both would write its checkpoints."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second process off this run's folder, which must be there.

    The kernel lets go of the lock when the process ends, however it ends. The file stays: whoever removed it
    could take it from under another process. Raises RunInUseError, OutputError.
    """
    path = folder / LOCK
    try:
        file = path.open("ab")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from None
    with closing(file):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunInUseError(
                f"{folder}: another leukoscope-train is at work in it; wait for its end or give another --out"
            ) from None
        except OSError as error:
            raise OutputError(f"{path}: cannot be locked ({error.strerror or error})") from None
        yield
