"""Acting as another user, for root: what belongs to the daemon is written by its user."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edge.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def as_owner(folder: Path) -> Iterator[None]:
    """Act as the owner of the folder, or of the nearest one above it that is there.

    For root: what a daemon that has been broken into may have put there cannot lead this one anywhere else,
    and what is written here belongs to the daemon.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    owner = there.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([])
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
    except OSError as error:
        raise OutputError(f"{folder}: cannot act as its owner: {error.strerror}") from None
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
