"""Acting as another user, for root: what belongs to the daemon is written by its user."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from edge.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def as_owner(folder: Path) -> Iterator[None]:
    """Act as the owner of the folder, or of the nearest folder above it that exists.

    For root: if the daemon's account was broken into, links that it has left there cannot lead root to other
    files; and what is written here belongs to the daemon.
    """
    owner = _owner(folder.absolute()) if os.geteuid() == 0 else None
    if owner is None or owner.st_uid == 0:
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


def _owner(folder: Path) -> os.stat_result:
    """Return who owns the folder, or the nearest one above it; for a link, who could change where it leads.

    Each step is looked at only once, and links as links, since it could be exchanged between two looks.
    """
    found: list[os.stat_result] = []
    for path in (folder, *folder.parents):
        with suppress(OSError):  # not there, or a link to what is not there
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                turned_by = [each for each in (status, path.parent.stat()) if each.st_uid != 0]
                if turned_by:
                    return turned_by[0]
                status = path.stat()
            found.append(status)
    return found[0]
