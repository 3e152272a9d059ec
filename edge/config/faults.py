"""What is wrong with a configuration, all of it: each fault with its place and with what to write instead.

The types of the configuration's structs say what may stand where.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import inspect

from edge.config import renamed
from edge.config.values import alternatives, instead, is_of
from edge.config.words import (
    KEYS_MEANT,
    KINDS,
    KINDS_MEANT,
    SECTIONS_MEANT,
    dotted,
    example,
    meant,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Place = tuple[str, ...]


class Fault(NamedTuple):
    """place: the key with the sections above it. text: the sentence, which names the key as well."""

    place: Place
    text: str


def faults(raw: dict[str, Any], root: type[msgspec.Struct]) -> list[Fault]:
    """Return all that keeps parsed TOML from being a `root`; empty where nothing does."""
    whole = _described(root)
    return list(_Check(whole).section(raw, [whole], ()))


@cache
def _described(root: type[msgspec.Struct]) -> inspect.StructType:
    whole = inspect.type_info(root)
    assert isinstance(whole, inspect.StructType)  # noqa: S101
    return whole


class _Check:
    def __init__(self, root: inspect.StructType) -> None:
        self._root = root

    def section(self, raw: Any, kinds: list[inspect.StructType], place: Place) -> Iterator[Fault]:
        """Check a section that may be any of these structs; which one, its key `kind` says."""
        if not isinstance(raw, dict):
            yield Fault(place, _no_section(dotted(place), raw))
            return
        tag = kinds[0].tag_field
        chosen = [kind for kind in kinds if tag is None or kind.tag == raw.get(tag)]
        one = chosen[0] if len(chosen) == 1 else None
        found: list[Fault] = []
        guesses: set[str] = set()
        for key in raw:
            fields = [field for kind in chosen or kinds for field in kind.fields if field.encode_name == key]
            if key == tag:
                continue
            if not fields:
                known = _keys(chosen or kinds)
                aliases = KEYS_MEANT if place or not isinstance(raw[key], dict) else SECTIONS_MEANT
                guesses |= {meant(key, known, aliases) or ""}
                found.append(Fault((*place, key), self._unknown(key, raw[key], chosen, kinds, place)))
            elif one is not None:
                found += self._value(raw[key], fields[0], (*place, key))
        if tag is not None and not chosen and tag not in guesses:
            found.append(Fault((*place, tag), _kind(dotted(place), raw.get(tag), kinds)))
        missing = [field for field in one.fields if field.required] if one is not None else []
        found += [
            Fault((*place, field.encode_name), _missing(field, place))
            for field in missing
            if field.encode_name not in raw and field.encode_name not in guesses
        ]
        if not found and one is not None:
            found += _whole(raw, one, place)
        yield from found

    def _value(self, value: Any, field: inspect.Field, place: Place) -> Iterator[Fault]:
        kind, described = field.type, ""
        if isinstance(kind, inspect.Metadata):
            described = (kind.extra_json_schema or {}).get("description", "")
        structs = _structs(kind)
        if structs:
            yield from self.section(value, structs, place)
        elif not any(is_of(value, each) for each in alternatives(kind)):
            key = place[-1]
            now = renamed.renamed_value(str(key), value)
            if now is not value:
                what = f"{dotted(place)}: {shown(value)} is called {shown(now)} since 0.2"
                yield Fault(place, f"{what}; write {key} = {shown(now)}")
            else:
                yield Fault(
                    place, f"{dotted(place)} {instead(value, kind, key, described, needed=field.required)}"
                )

    def _unknown(  # noqa: PLR0911 (one a reason)
        self,
        key: str,
        value: Any,
        chosen: list[inspect.StructType],
        kinds: list[inspect.StructType],
        place: Place,
    ) -> str:
        """Say what is meant by a key that is not known here: another name, another section, another kind."""
        if not place and isinstance(value, dict):
            return self._unknown_section(key)
        name = dotted((*place, key))
        known = _keys(chosen or kinds)
        guess = meant(key, known, KEYS_MEANT)
        others = [f'kind = "{kind.tag}"' for kind in kinds if key in _keys([kind])]
        elsewhere = self._sections_with(key)
        new = renamed.KEYS.get(key)
        if new in known:
            right = f"; write {new} = {shown(renamed.renamed_value(new, value))}"
            return f"{name} is called {new} since 0.2{'' if isinstance(value, list | dict) else right}"
        if guess == "password_file":
            return f'{name}: a password stands in a file of its own; write password_file = "FILE"'
        if guess == "tls":
            return (
                f"{name}: for encryption write the section [mqtt.tls] on a line of its own; it may be empty"
            )
        if guess is not None:
            return f"{name} is not a known key; did you mean {guess}?"
        if others and chosen:
            other, this = " or ".join(others), chosen[0].tag
            return (
                f'{name} belongs to {other}, not to kind = "{this}"; change the kind, or leave the line out'
            )
        if elsewhere and elsewhere[0]:
            where = " or ".join(f"[{each}]" for each in elsewhere)
            return f"{name} stands in the wrong place; write it below {where}"
        if elsewhere:
            return f"{name} stands in the wrong place; write {key} above the first [section] of the file"
        return f"{name} is not a known key; known here: {', '.join(known)}"

    def _unknown_section(self, key: str) -> str:
        names = [name for name, _ in self._sections()]
        guess = meant(key, names, SECTIONS_MEANT)
        if guess is not None:
            return f"[{key}] is not a known section; did you mean [{guess}]?"
        return f"[{key}] is not a known section; there is {', '.join(f'[{name}]' for name in names)}"

    def _sections_with(self, key: str) -> list[str]:
        """The names of the sections that have a key; the empty name is that of the file's beginning."""
        return [name for name, structs in [("", [self._root]), *self._sections()] if key in _keys(structs)]

    def _sections(self) -> list[tuple[str, list[inspect.StructType]]]:
        """Return the name of every section with the structs that it may be."""
        return list(_sections_of(self._root, ""))


def _keys(kinds: list[inspect.StructType]) -> list[str]:
    """Return the keys that structs have, the one that says which of them it is first."""
    tag = kinds[0].tag_field
    known = sorted({field.encode_name for kind in kinds for field in kind.fields})
    return known if tag is None else [tag, *known]


def _structs(kind: inspect.Type) -> list[inspect.StructType]:
    return [each for each in alternatives(kind) if isinstance(each, inspect.StructType)]


def _sections_of(struct: inspect.StructType, above: str) -> Iterator[tuple[str, list[inspect.StructType]]]:
    for field in struct.fields:
        structs = _structs(field.type)
        if structs:
            yield above + field.encode_name, structs
            for each in structs:
                yield from _sections_of(each, f"{above}{field.encode_name}.")


def _missing(field: inspect.Field, place: Place) -> str:
    name = field.encode_name
    if _structs(field.type):
        return f"there is no section [{name}]; write [{name}] and below it kind = {KINDS}"
    return (
        f"{dotted((*place, name))} is missing; write {name} = {example(field.type)} below [{dotted(place)}]"
    )


def _kind(name: str, value: Any, kinds: list[inspect.StructType]) -> str:
    if value is None:
        return f"{name}.kind is missing; write kind = {KINDS}"
    known = [str(kind.tag) for kind in kinds]
    guess = meant(value, known, KINDS_MEANT) if isinstance(value, str) else None
    if guess is not None:
        return f'{name}.kind is {shown(value)}; did you mean "{guess}"? There is {KINDS}'
    return f"{name}.kind is {shown(value)}; write kind = {KINDS}"


def _no_section(name: str, raw: Any) -> str:
    if name == "mqtt.tls" and raw is False:
        return "mqtt.tls is false; leave the line out: without the section [mqtt.tls] nothing is encrypted"
    if name == "mqtt.tls":
        where = "on a line of its own, behind the keys of [mqtt]; it may be empty"
        return f"mqtt.tls is {shown(raw)}, and must be a section; write [mqtt.tls] {where}"
    if isinstance(raw, list):
        return f"[{name}] stands in double brackets; write [{name}] once, in single ones"
    below = f"kind = {KINDS}" if name == "camera" else "its keys"
    where = f"on a line of its own, and below it {below}"
    return f"{name} is {shown(raw)}, and must be a section; write [{name}] {where}"


def _whole(raw: dict[str, Any], kind: inspect.StructType, place: Place) -> list[Fault]:
    """Return what a section's struct refuses though each key by itself is right; it names the key first."""
    try:
        msgspec.convert(raw, kind.cls)
    except msgspec.ValidationError as error:
        key, colon, text = str(error).partition(" - at `$")[0].partition(": ")
        if colon and key in _keys([kind]):
            return [Fault((*place, key), f"{dotted((*place, key))} {text}")]
        # Never so far; but what a library says of it is not for who writes configurations.
        return [Fault(place, f"[{dotted(place)}] has a value that cannot be; see `config schema`")]
    return []
