"""What a file was made or measured with: versions of what is installed, and the commit of this tree."""

from __future__ import annotations

import importlib.metadata
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Give the versions of the distributions that are installed, by name, and `commit` where there is one.

    The commit is 12 hexadecimal digits, with `-dirty` behind them where a tracked file differs from it.
    """
    found = {}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    try:
        # Not the tags: a version is said already, and a hash can be found again.
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]  # noqa: S607
            + ["--exclude", "*"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:  # a device has no git
        return found
    if done.returncode == 0:
        found["commit"] = done.stdout.strip()
    return found
