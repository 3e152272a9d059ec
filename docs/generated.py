"""The parts of the pages that are made from the code: configuration, messages, rooms, names."""

from __future__ import annotations

import inspect
import io
import json
import textwrap
import tokenize
from typing import TYPE_CHECKING, Any

import api
import rooms
import way

from edge import config
from edge.messages import json_schema
from edge.web.api.endpoint import PREFIX
from edge.web.api.openapi import document
from edge.web.api.table import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECTIONS: tuple[tuple[str, type], ...] = (
    ("The top of the file", config.Config),
    ('`[camera]` with `kind = "replay"`', config.ReplayConfig),
    ('`[camera]` with `kind = "video"`', config.VideoConfig),
    ('`[camera]` with `kind = "usb"`', config.UsbConfig),
    ('`[camera]` with `kind = "picamera2"`', config.PicameraConfig),
    ('`[camera]` with `kind = "simulated"`', config.SimulatedConfig),
    ("`[masking]`", config.MaskingConfig),
    ("`[model]`", config.ModelConfig),
    ("`[specimen]`", config.SpecimenConfig),
    ("`[store]`", config.StoreConfig),
    ("`[mqtt]`", config.MqttConfig),
    ("`[mqtt.tls]`", config.TlsConfig),
    ("`[web]`", config.WebConfig),
)
"""Title and struct of each section, in the order of the page."""


def write(folder: Path) -> None:
    """Write every generated part into a folder; files that stay the same keep their time."""
    folder.mkdir(exist_ok=True)
    parts = {
        "configuration.md": configuration(),
        "messages.md": messages(),
        "http.md": http(),
        "openapi.json": document(ENDPOINTS).decode(),
        "api.md": api.reference(),
        "edge.md": rooms.table("edge"),
        "trainer.md": rooms.table("trainer"),
        "edge.svg": rooms.picture("edge"),
        "way.svg": way.picture(),
    }
    for name, text in parts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def configuration() -> str:
    """Every section of the configuration with its keys, as Markdown."""
    definitions = config.config_schema()["$defs"]
    parts = []
    for title, struct in SECTIONS:
        said = comments(struct)
        rows = [
            (
                f"`{key}`",
                _kind(of, definitions),
                _default(of),
                _sentence(said.get(key) or of.get("description", "")),
            )
            for key, of in definitions[struct.__name__]["properties"].items()
            if key != "kind" and not _is_section(of, definitions)
        ]
        parts += [f"### {title}\n", f"{_sentence(inspect.getdoc(struct) or '')}\n"]
        parts.append(_table(("key", "value", "default", "what it is"), rows))
    return "\n".join(parts)


def messages() -> str:
    """Every message and every command with its properties, as Markdown."""
    schema = json_schema()
    definitions = schema["$defs"]
    payloads = [definitions[each["$ref"].rpartition("/")[2]] for each in schema["anyOf"]]
    commands = {
        name: definitions[each["$ref"].rpartition("/")[2]] for name, each in schema["commands"].items()
    }
    named = {each["title"] for each in (*payloads, *commands.values())}
    parts = ["## Messages, property by property\n"]
    for payload in sorted(payloads, key=lambda each: each["title"]):
        title = payload["properties"]["schema"]["enum"][0]
        parts += [f"### `{title}`\n", *_struct(payload, definitions)]
    parts.append("## Parts of messages\n")
    for name, of in definitions.items():
        if name not in named and "properties" in of:
            parts += [f"### {name}\n", *_struct(of, definitions)]
    parts.append("## Commands, property by property\n")
    for name, of in commands.items():
        parts += [f"### `{name}`\n", *_struct(of, definitions)]
    return "\n".join(parts)


def http() -> str:
    """Every endpoint of the HTTP API, as Markdown."""
    rows = [
        (
            f"`{each.method} {PREFIX}{each.path}`",
            each.needs or "anybody",
            _sentence(inspect.getdoc(each.answer) or each.summary),
        )
        for each in ENDPOINTS
    ]
    return _table(("request", "who", "what it does"), rows)


def comments(struct: type) -> dict[str, str]:
    """What the comments of a struct say of each field: those above it, and the one behind it."""
    source = textwrap.dedent(inspect.getsource(struct))
    found: dict[str, list[str]] = {}
    waiting: list[str] = []
    key, depth = "", 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        depth += (
            (token.string in {"(", "["}) - (token.string in {")", "]"}) if token.type == tokenize.OP else 0
        )
        if token.type == tokenize.COMMENT:
            said = token.string.lstrip("# ")
            (found[key] if key else waiting).append(said)
        elif token.type == tokenize.NAME and not key and not depth and token.start[1] == 4:
            key = token.string
            found[key], waiting = waiting, []
        elif token.type == tokenize.NEWLINE:
            key = ""
    return {key: " ".join(said) for key, said in found.items() if said}


def _struct(of: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    yield f"{_sentence(of.get('description', ''))}\n"
    rows = [
        (f"`{key}`", _kind(each, definitions), _sentence(_description(each)))
        for key, each in of["properties"].items()
        if key != "schema"
    ]
    if rows:
        yield _table(("property", "value", "what it is"), rows)


def _description(of: dict[str, Any]) -> str:
    inner = [each.get("description", "") for each in of.get("anyOf", [])]
    return str(of.get("description") or next(filter(None, inner), ""))


def _is_section(of: dict[str, Any], definitions: dict[str, Any]) -> bool:
    targets = [each["$ref"] for each in (of, *of.get("anyOf", [])) if "$ref" in each]
    return any(definitions[each.rpartition("/")[2]]["title"].endswith("Config") for each in targets)


def _default(of: dict[str, Any]) -> str:
    return f"`{json.dumps(of['default'])}`" if "default" in of else "must be given"


def _kind(of: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a value may be, in words."""
    if "$ref" in of:
        name = of["$ref"].rpartition("/")[2]
        target = definitions[name]
        return f"[{name}](#{name.lower()})" if "properties" in target else _kind(target, definitions)
    if "enum" in of:
        return " or ".join(f"`{json.dumps(each)}`" for each in of["enum"])
    if "anyOf" in of and "type" not in of:
        return " or ".join(_kind(each, definitions) for each in of["anyOf"])
    if "prefixItems" in of:
        return f"{len(of['prefixItems'])} values"
    inner = of.get("items") or of.get("additionalProperties")
    within = _kind(inner, definitions) if isinstance(inner, dict) else ""
    words = {
        "boolean": "true or false",
        "integer": f"a whole number{_range(of)}",
        "number": f"a number{_range(of)}",
        "string": _text(of),
        "array": f"a list of {within or 'anything'}",
        "object": f"{within}, for each name" if within else "an object",
        "null": "null",
    }
    return words.get(of.get("type", ""), "anything")


def _text(of: dict[str, Any]) -> str:
    if of.get("contentEncoding") == "base64":
        return "base64"
    return "a time, UTC" if of.get("format") == "date-time" else "text"


def _range(of: dict[str, Any]) -> str:
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}
    said = [f"{word} {of[key]:,}" for key, word in bounds.items() if key in of]
    return f" {' '.join(said)}" if said else ""


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text and text[0].upper() + text[1:] + ("" if text[-1] in ".!?)" else ".")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in lines)
