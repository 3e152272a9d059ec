"""Fields and answers as release 0.1 has stored them, in the words of today.

A store may hold gigabytes of them, too much to rewrite at a start: each is read as it is asked for.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")

_BEGINNING = b'{"schema":"leukoscope.field/1"'
_FIELD = {"place": "position"}
_POSITION = {"begins": "new_region", "joined": "merged"}
_QUALITY = {"light": "background_rgb", "covered": "coverage"}
_CELL = {"trust": "confidence"}


def is_former(payload: bytes) -> bool:
    """Whether a field was stored by release 0.1."""
    return payload.startswith(_BEGINNING)


def stored(payload: bytes, kind: type[_T]) -> _T:
    """Return what was stored as JSON, in today's words.

    Raises msgspec.DecodeError where it is damaged, also where a text of it is no UTF-8, for which msgspec has
    an error of another family.
    """
    try:
        return msgspec.json.decode(_upgraded(payload), type=kind)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from None


def _upgraded(payload: bytes) -> bytes:
    """Return a stored field's payload in today's words; one of today as it is.

    Raises msgspec.DecodeError where it is damaged.
    """
    if not is_former(payload):
        return payload
    field = _renamed(msgspec.json.decode(payload, type=dict[str, Any]), _FIELD)
    field["schema"] = "leukoscope.field/2"
    field["quality"] = _renamed(field.get("quality"), _QUALITY)
    field["position"] = _renamed(field.get("position"), _POSITION)
    field["cells"] = [_cell(cell) for cell in field.get("cells", ())]
    return msgspec.json.encode(field)


def upgraded_answer(payload: bytes) -> bytes:
    """Return a stored answer to a command under today's version; nothing else of it has changed."""
    return payload.replace(b'{"schema":"leukoscope.response/1"', b'{"schema":"leukoscope.response/2"', 1)


def _cell(cell: Any) -> Any:
    renamed = _renamed(cell, _CELL)
    if isinstance(renamed, dict) and "complete" in renamed:
        renamed["cut_by_edge"] = not renamed.pop("complete")
    return renamed


def _renamed(part: Any, names: dict[str, str]) -> Any:
    return {names.get(key, key): value for key, value in part.items()} if isinstance(part, dict) else part
