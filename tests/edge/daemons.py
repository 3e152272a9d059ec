"""The daemon as tests run it: its configuration, its pictures, its process, and what it has stored."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import msgspec
import numpy as np
from samples import scripted

from edge.cameras import open_camera
from edge.daemon.process import Daemon
from edge.store.fields import Store

if TYPE_CHECKING:
    from edge.config import Config, ReplayConfig


REPOSITORY = Path(__file__).parents[2]


SCRIPTED = [sys.executable, str(Path(__file__).with_name("scripted_daemon.py"))]


COMMAND = [sys.executable, "-m", "edge.cli", "run", "--config"]


def draw(folder: Path, count: int, start: int = 0) -> None:
    """Draw smears of one dark nucleus on a light ground, each another picture."""
    folder.mkdir(exist_ok=True)
    for number in range(start, start + count):
        picture = np.full((120, 160, 3), (225, 215, 228), np.uint8)
        cv2.circle(picture, (80, 60), 26, (200, 170, 190), -1)
        cv2.circle(picture, (70 + number % 20, 60), 15, (140, 50, 110), -1)
        cv2.circle(picture, (20 + number, 15), 6, (190, 160, 220), -1)
        assert cv2.imwrite(str(folder / f"{number:03}.png"), picture)


def changed(config: Config, section: str, **values) -> Config:
    return msgspec.structs.replace(
        config, **{section: msgspec.structs.replace(getattr(config, section), **values)}
    )


def run(config: Config, **keywords) -> int:
    return Daemon(config, load=scripted, **keywords).run()


def stored(config: Config, specimen: str = "S") -> list:
    with Store.open(Path(config.store.path)) as store:
        return list(store.fields(specimen))


def toml(config: Config, path: Path) -> Path:
    """Write a configuration as a file. JSON's strings, numbers and lists are TOML as well."""
    plain = msgspec.to_builtins(config)
    plain["mqtt"] = {key: value for key, value in plain["mqtt"].items() if value is not None}
    sections = {name: values for name, values in plain.items() if isinstance(values, dict)}
    lines = [f"{name} = {json.dumps(value)}" for name, value in plain.items() if name not in sections]
    for section, values in sections.items():
        nested = {
            f"{section}.{key}": values.pop(key) for key in list(values) if isinstance(values[key], dict)
        }
        sections_of_it = {section: values, **nested}
        lines += [
            line
            for name, entries in sections_of_it.items()
            for line in (f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in entries.items()))
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


def spawn(command: list[str], config: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as stderr:
        return subprocess.Popen(
            [*command, str(config)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stderr=stderr,
        )


class Interrupted:
    """A replay that stops the daemon, or fails, after some frames."""

    daemon: Daemon | None = None

    def __init__(self, config: ReplayConfig, after: int, error: Exception | None = None) -> None:
        self._replay = open_camera(config)
        self._left = after
        self._error = error

    def read(self):
        if self._left == 0 and self._error is not None:
            raise self._error
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        self._left -= 1
        return self._replay.read() if self._left >= 0 else None

    def close(self) -> None:
        self._replay.close()


def count(path: Path) -> int:
    """Return how many fields a store holds, -1 before there is one."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as store:
            return int(store.execute("SELECT count(*) FROM fields").fetchone()[0])
    except sqlite3.OperationalError:
        return -1


def integrity(path: Path, aside: Path) -> str:
    """Check the store as the kill left it, on a copy: the daemon is to find its log unread."""
    if not path.exists():
        return "ok"
    aside.mkdir(exist_ok=True)
    for part in ("", "-wal"):
        copy = aside / (path.name + part)
        copy.unlink(missing_ok=True)
        if path.with_name(path.name + part).exists():
            shutil.copy(path.with_name(path.name + part), copy)
    with contextlib.closing(sqlite3.connect(aside / path.name)) as store:
        return str(store.execute("PRAGMA integrity_check").fetchone()[0])


def unpaired(aside: Path, name: str) -> list[int]:
    """Count what a kill has torn apart, in the copy that `integrity` left.

    Cells that nothing is known of, cells without their picture, pictures without their field.
    """
    unknown = (
        "SELECT count(*) FROM fields, json_each(CAST(payload AS TEXT), '$.cells') AS cell"
        " WHERE json_extract(cell.value, '$.cell_id') NOT IN (SELECT cell_id FROM cells)"
    )
    unpictured = (
        "SELECT count(*) FROM cells WHERE same_as IS NULL"
        " AND cell_id NOT IN (SELECT cell_id FROM cell_pictures)"
    )
    lost = "SELECT count(*) FROM cell_pictures WHERE sequence NOT IN (SELECT sequence FROM fields)"
    if not (aside / name).exists():
        return [0, 0, 0]
    with contextlib.closing(sqlite3.connect(aside / name)) as store:
        if not store.execute("SELECT 1 FROM sqlite_schema WHERE name = 'cell_pictures'").fetchone():
            return [0, 0, 0]  # killed before there was a store
        return [int(store.execute(query).fetchone()[0]) for query in (unknown, unpictured, lost)]
