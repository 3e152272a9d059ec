"""What is wrong with a configuration, said so that it can be set right: msgspec's messages in our words."""

from __future__ import annotations

import difflib
import re
from typing import Any, get_args

import msgspec
from msgspec import Struct

from edge.config_choices import choices, of_kind


def sentence(message: str, raw: dict[str, Any], root: type[Struct]) -> str:
    """Rewrite msgspec's message into a key, what is wrong with it, and what would be right.

    raw: the configuration as it was read. root: the struct of the whole; its fields tell a mistyped key.
    """
    what, _, where = message.partition(" - at `$")
    where = where.rstrip("`").lstrip(".")
    unknown = re.match(r"Object contains unknown field `(.*)`", what)
    if unknown:
        dotted = f"{where}.{unknown[1]}" if where else unknown[1]
        structs = of_kind(_section(where, root), raw.get(where))
        known = sorted({f.encode_name for s in structs for f in msgspec.structs.fields(s)})
        if where == "camera":
            known.insert(0, "kind")
        close = difflib.get_close_matches(unknown[1], known, n=1)
        meant = f"; did you mean {close[0]}?" if close else ""
        return f"{dotted} is not a known key; known here: {', '.join(known)}{meant}"
    missing = re.match(r"Object missing required field `(.*)`", what)
    if missing:
        dotted = f"{where}.{missing[1]}" if where else missing[1]
        return f"{dotted} is missing, and has no default"
    section, _, key = where.rpartition(".")
    chosen = choices(of_kind(_section(section, root), raw.get(section)), key) if "nvalid" in what else ""
    return f"{where or 'the file'}: {what[:1].lower()}{what[1:]}{chosen}"


def leave_out(raw: dict[str, Any], message: str) -> bool:
    """Take the key that msgspec complains of out of the plain configuration; False where that cannot be."""
    what, _, where = message.partition(" - at `$")
    keys = where.rstrip("`").lstrip(".").split(".") if where.strip("`.") else []
    unknown = re.match(r"Object contains unknown field `(.*)`", what)
    if unknown:
        keys.append(unknown[1])
    elif what.startswith("Object missing") or keys[:1] == ["camera"]:
        return False  # what a camera is, is said by its other keys
    for key in keys[:-1]:
        raw = raw.get(key) if isinstance(raw, dict) else None  # type: ignore[assignment]
    return bool(keys) and isinstance(raw, dict) and raw.pop(keys[-1], raw) is not raw


def _section(name: str, root: type[Struct]) -> tuple[type[Struct], ...]:
    """Give the structs that may stand at a dotted place of the configuration."""
    found: tuple[type[Struct], ...] = (root,)
    for part in name.split(".") if name else ():
        fields = [field for each in found for field in msgspec.structs.fields(each)]
        kinds = [
            kind
            for field in fields
            if field.encode_name == part
            for kind in get_args(field.type) or (field.type,)
        ]
        found = tuple(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Struct))
    return found
