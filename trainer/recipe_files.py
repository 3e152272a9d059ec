"""A recipe's file, TOML, as plain values: with those of the recipe that it extends."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from edge.errors import ConfigError


def read_recipe(name: str, shipped: Path) -> tuple[Path, dict[str, Any]]:
    """Return a recipe's file and its values.

    name: of one that comes with the package, whose folder is `shipped`, or the path of a .toml file.
    `extends = NAME` starts from another recipe; the file then says only what differs, section by section. A
    section with another `name` takes over none of the former's keys. Raises ConfigError naming the file.
    """
    path = _path(name, Path(), shipped)
    return path, _read(path, shipped, ())


def _path(name: str, folder: Path, shipped: Path) -> Path:
    return folder / name if name.endswith(".toml") else shipped / f"{name}.toml"


def _read(path: Path, shipped: Path, heirs: tuple[Path, ...]) -> dict[str, Any]:
    if path in heirs:
        raise ConfigError(f"{heirs[0]}: extends itself, by way of {heirs[-1].name}")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in shipped.glob("*.toml")))
        raise ConfigError(f"{path}: there is no such recipe; with the package come: {known}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    former = raw.pop("extends", None)
    if former is None:
        return raw
    if not isinstance(former, str):
        raise ConfigError(f"{path}: extends names one recipe, as text")
    base = _read(_path(former, path.parent, shipped), shipped, (*heirs, path))
    for key, value in raw.items():
        kept = base.get(key)
        if not isinstance(kept, dict) or not isinstance(value, dict) or _another(kept, value):
            base[key] = value
        else:
            base[key] = {**kept, **value}
    return base


def _another(kept: dict[str, Any], value: dict[str, Any]) -> bool:
    return "name" in value and value["name"] != kept.get("name")
