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
    """Act as the owner of the folder, or of the nearest one above it that is there.

    For root: what a daemon that has been broken into may have put there cannot lead this one anywhere else,
    and what is written here belongs to the daemon.
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
    """Whom the folder belongs to, or the nearest one above it; behind a link, who may turn that elsewhere.

    Each step is looked at once, and links as links: between two looks it could be exchanged.
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
