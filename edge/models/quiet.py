"""Standard error without what libraries tell of themselves."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_STDERR = 2
_CHATTER = (b"INFO: ", b"I0000 ")  # TensorFlow Lite's, and that of its logging library


@contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back what is written to standard error in the block; then let through all but a runtime's chatter.

    It is the process's file, of whatever language who writes there: for a moment in which no other thread
    does. Where it cannot be held back, it is not.
    """
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
        kept = os.dup(_STDERR)
    except (OSError, ValueError):  # closed before the start
        yield
        return
    held = os.memfd_create("stderr")
    try:
        os.dup2(held, _STDERR)
        try:
            yield
        finally:
            with suppress(OSError, ValueError):
                if sys.stderr is not None:
                    sys.stderr.flush()
            os.dup2(kept, _STDERR)
            os.lseek(held, 0, os.SEEK_SET)
            with open(held, "rb", closefd=False) as lines:
                said = b"".join(line for line in lines if not line.startswith(_CHATTER))
            with suppress(OSError):
                os.write(_STDERR, said)
    finally:
        os.close(held)
        os.close(kept)
