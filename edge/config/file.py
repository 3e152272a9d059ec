"""A configuration's file: text in, plain data out; what is wrong with it as sentences, each with its line."""

from __future__ import annotations

import codecs
import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from edge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from edge.config.syntax import Mended

_MOST_LINES = 400  # of a file whose lines are looked for: each is read as often as there are lines above it
_MOST_FAULTS = 10
_ENDLESS = re.compile(r"\d[\d_]{2000}")

Place = tuple[str, ...]


class Read(NamedTuple):
    """What a file says.

    raw: the keys; None where it is no TOML. faults: what is wrong with single lines, by their numbers; raw is
    then as if they were mended. text: what raw was read from.
    """

    raw: dict[str, Any] | None
    text: str
    faults: Mapping[int, Mended]


def read_toml(path: Path) -> Read:
    """Read a file. Raises ConfigError where it is not there or no text."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such configuration file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read as text: {error.strerror}") from None
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: cannot be read as text; save it as UTF-8, as editors call it") from None
    try:
        return _read(text)
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply") from None
    except ValueError:  # Python's own, of a number of thousands of digits
        lines = enumerate(text.split("\n"), 1)
        line = next((number for number, line in lines if _ENDLESS.search(line)), None)
        raise complaint(path, [(line, "has a number of too many digits; write a shorter one")]) from None


def _read(text: str) -> Read:
    try:
        return Read(tomllib.loads(text), text, {})
    except tomllib.TOMLDecodeError:
        from edge.config.syntax import mended  # noqa: PLC0415 (only a wrong file needs it)

        return Read(*mended(text))


def lines_of(text: str) -> dict[Place, int]:
    """Return the line of each key of a TOML file, from 1; nothing of a very long file.

    A key's line is the first behind which the file, cut off there, has it: so multi-line values, dotted keys
    and inline tables are read as TOML reads them.
    """
    lines = text.split("\n")
    found: dict[Place, int] = {}
    if len(lines) > _MOST_LINES:
        return found
    begins = 1
    for number in range(1, len(lines) + 1):
        try:
            raw = tomllib.loads("\n".join(lines[:number]))
        except (tomllib.TOMLDecodeError, RecursionError):
            continue
        for place in _places(raw, ()):
            found.setdefault(place, begins)
        begins = number + 1
    return found


def line_of(place: Place, lines: Mapping[Place, int]) -> int | None:
    """Return the line of a key, or of the section where it is missing."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place)


def complaint(origin: object, said: Iterable[tuple[int | None, str]]) -> ConfigError:
    """Make the error of all that is wrong with a file, in the order of its lines. said: line and sentence."""
    ordered = sorted(dict.fromkeys(said), key=lambda each: each[0] or 0)
    sentences = [text if line is None else f"line {line}: {text}" for line, text in ordered]
    if len(sentences) == 1:
        return ConfigError(f"{origin}: {sentences[0]}")
    more = len(sentences) - _MOST_FAULTS
    rest = [f"and {more} more"] if more > 0 else []
    listed = "\n  ".join([*sentences[:_MOST_FAULTS], *rest])
    return ConfigError(f"{origin}: {len(sentences)} things are wrong\n  {listed}")


def _places(raw: Any, above: Place) -> Iterable[Place]:
    if isinstance(raw, dict):
        for key, value in raw.items():
            yield (*above, key)
            yield from _places(value, (*above, key))
