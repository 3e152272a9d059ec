"""Versions of this repository in folders, to be measured one beside the other."""

from __future__ import annotations

import configparser
import io
import subprocess
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Checkout:
    """A version. folder: where its `edge` lies. name: how it is called in a table."""

    name: str
    folder: Path

    def size(self) -> dict[str, float]:
        """Return what `edge` is on the disk: its bytes, its lines of Python, and what it wants installed."""
        files = [
            file
            for file in (self.folder / "edge").rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        ]
        code = [file.read_bytes() for file in files if file.suffix == ".py"]
        setup = configparser.ConfigParser()
        setup.read(self.folder / "setup.cfg", encoding="utf-8")
        wanted = setup.get("options", "install_requires", fallback="").split("\n")
        return {
            "package, MiB": sum(file.stat().st_size for file in files) / 2**20,
            "package, lines of Python": sum(content.count(b"\n") for content in code),
            "packages that it needs": sum(bool(line.strip()) for line in wanted),
        }


@contextmanager
def checked_out(which: str) -> Iterator[Checkout]:
    """Yield a version. which: a folder with a checkout, or a revision of this repository: a tag, a commit.

    Raises LeukoscopeError where it is neither.
    """
    given = Path(which)
    if (given / "edge" / "__init__.py").is_file():
        yield Checkout(given.resolve().name, given.resolve())
        return
    with TemporaryDirectory(prefix="leukoscope-version-") as folder:
        packed = _git("archive", which) if not which.startswith("-") else None
        if packed is None:
            raise LeukoscopeError(
                f"{which}: is neither a folder with a checkout of Leukoscope nor a revision of this one"
            )
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        yield Checkout(which, Path(folder))


def this_one() -> Checkout:
    """Return the version that runs, named by its commit."""
    commit = _git("describe", "--always", "--tags", "--dirty")
    return Checkout("this one" if commit is None else commit.decode().strip(), HERE)


def _git(*words: str) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", HERE, *words], capture_output=True, check=False)  # noqa: S603, S607
    except OSError:
        return None
    return None if done.returncode else done.stdout
