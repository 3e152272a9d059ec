"""What a file was made or measured with: versions of what is installed, and the commit of this tree."""

from __future__ import annotations

import importlib.metadata
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from edge import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

# Not by tags: what they could say is in the version already, and a hash can be looked up anywhere.
_DESCRIBE = ("describe", "--always", "--dirty", "--abbrev=12", "--exclude", "*")


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Return Leukoscope's version, the installed distributions' own, and `commit` where it is known.

    The commit is 12 hexadecimal digits, with `-dirty` behind them where a tracked file differs from it.
    """
    found = {"leukoscope": __version__}
    for name in distributions:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(Path(__file__).parent), *_DESCRIBE],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:  # a device needs no git
        return found
    if done.returncode == 0:
        found["commit"] = done.stdout.strip()
    return found
