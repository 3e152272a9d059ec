"""The JSON Schemas of all that is said over MQTT: of each message and command, and of all in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from edge.messages.commands import REQUESTS
from edge.messages.properties import DESCRIPTIONS, UNITS, UNITS_IN

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ID = "urn:leukoscope:schema:2"
_CAPITALS = {"Id": "ID", "Uuid": "UUID", "Wbc": "White"}


def schema_of(messages: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
    """Return one schema that every payload of these messages satisfies.

    `commands`: the schemas of what commands carry, by topic. Every property has a title, a description and,
    where it is a number, its unit in UCUM.
    """
    requests = {f"cmd/{name}": request for name, request in REQUESTS.items()}
    (payloads, *commands), definitions = _components(_union(messages), *requests.values())
    return _plain(
        {
            "$schema": _DIALECT,
            "$id": _ID,
            "title": "Leukoscope's messages",
            "description": "What a device publishes, and under `commands` what it is sent.",
            **payloads,
            "commands": dict(zip(requests, commands, strict=True)),
            "$defs": definitions,
        }
    )


def schemas_by_name(messages: tuple[type[msgspec.Struct], ...]) -> dict[str, dict[str, Any]]:
    """Return the schema of each message, such as `field`, and of each command, such as `cmd/ping`."""
    named: dict[str, type[msgspec.Struct]] = {_name(message): message for message in messages}
    named |= {f"cmd/{name}": request for name, request in REQUESTS.items()}
    return {name: _alone(name, struct) for name, struct in named.items()}


def _alone(name: str, struct: type[msgspec.Struct]) -> dict[str, Any]:
    (reference,), definitions = _components(struct)
    own = definitions.pop(reference["$ref"].rpartition("/")[2])
    return _plain(
        {
            "$schema": _DIALECT,
            "$id": f"{_ID}:{name.replace('/', ':')}",
            **own,
            **({"$defs": definitions} if definitions else {}),
        }
    )


def _name(message: type[msgspec.Struct]) -> str:
    return str(message.__struct_config__.tag).removeprefix("leukoscope.").partition("/")[0]


def _union(messages: tuple[type[msgspec.Struct], ...]) -> Any:
    union: Any = messages[0]
    for message in messages[1:]:
        union |= message
    return union


def _components(*types: Any) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    references, definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    for struct, definition in definitions.items():
        for name, of in definition.get("properties", {}).items():
            _describe(struct, name, of)
    return references, definitions


def _describe(struct: str, name: str, of: dict[str, Any]) -> None:
    of.setdefault("title", _title(name))
    own = [each["description"] for each in (of, *of.get("anyOf", ())) if each.get("description")]
    text = own[0] if own else DESCRIPTIONS.get(name)
    if text:
        of["description"] = text
    if any(_numbers(of)):
        of["unit"] = UNITS_IN.get((struct, name), UNITS.get(name, "1"))


def _numbers(of: Any) -> Iterator[bool]:
    """Whether there are numbers in a value that no other definition describes."""
    if isinstance(of, dict):
        yield of.get("type") in {"number", "integer"}
        for key in ("anyOf", "prefixItems"):
            for each in of.get(key, ()):
                yield from _numbers(each)
        for key in ("items", "additionalProperties"):
            yield from _numbers(of.get(key))


def _title(name: str) -> str:
    words = name.split("_")
    words[0] = words[0].capitalize()
    return " ".join(_CAPITALS.get(word.capitalize(), word) if word != "id" else "ID" for word in words)


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    # As JSON has it: a default of () is a list there.
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(schema))
    return plain
