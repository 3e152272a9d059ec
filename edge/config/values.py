"""Whether one value of a configuration may stand where it does, and what to write instead where not."""

from __future__ import annotations

import re
from typing import Any

from msgspec import inspect

from edge.config.words import fits, meant, quoted, shown, wanted

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LEFT_OUT = ", or leave the line out"


def alternatives(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    """Return the types that a value may be of."""
    kind = kind.type if isinstance(kind, inspect.Metadata) else kind
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def is_of(value: Any, kind: inspect.Type) -> bool:  # noqa: PLR0911 (one a type)
    """Whether a value is of a type that is no union and no struct."""
    match kind:
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool) and fits(value, kind)
        case inspect.FloatType():
            return isinstance(value, int | float) and not isinstance(value, bool) and fits(value, kind)
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.LiteralType():
            return isinstance(value, str) and value in kind.values
        case inspect.VarTupleType():
            items = value if isinstance(value, list | tuple) else None
            enough = items is not None and len(items) >= (kind.min_length or 0)
            return enough and all(is_of(item, kind.item_type) for item in items or ())
        case inspect.StrType():
            return (
                isinstance(value, str)
                and len(value) >= (kind.min_length or 0)
                and (kind.max_length is None or len(value) <= kind.max_length)
                and (kind.pattern is None or re.search(kind.pattern, value) is not None)
            )
    return False


def instead(value: Any, kind: inspect.Type, key: str, described: str, *, needed: bool = False) -> str:
    """Say what a value is and what to write instead of it, such as `is 0; write a number of 1 or more`.

    described: what the key's own description says of its values; empty where it has none. needed: the key
    cannot be left out.
    """
    kinds = alternatives(kind)
    if isinstance(value, dict):
        return f"is one value, not a section; write {key} = ..., {wanted(kind)}"
    control = None if described else _control(value, kinds)
    if control is not None:
        return f"has \\u{ord(control):04x} in it, a control character; write it without"
    if isinstance(value, str):
        said = _of_text(value, kinds, key, described)
        if needed and said is not None:
            said = said.removesuffix(_LEFT_OUT)
    elif isinstance(value, list):
        said = _of_list(value, kinds, key)
    else:
        said = _of_other(value, kinds, key)
    return said or f"is {shown(value)}; write {described or wanted(kind)}"


def _control(value: Any, kinds: tuple[inspect.Type, ...]) -> str | None:
    if not any(isinstance(kind, inspect.StrType | inspect.VarTupleType) for kind in kinds):
        return None
    items = value if isinstance(value, list) else [value]
    found = _CONTROL.search("".join(item for item in items if isinstance(item, str)))
    return None if found is None else found[0]


def _of_text(value: str, kinds: tuple[inspect.Type, ...], key: str, described: str) -> str | None:
    text = value.strip()
    for kind in kinds:
        match kind:
            case inspect.VarTupleType() if text:
                return f"is {shown(value)}, and must be a list; write {key} = [{quoted(value)}]"
            case inspect.BoolType() if text.lower() in {"true", "false"}:
                return f"is {shown(value)}, which is text; write {key} = {text.lower()}, without quotes"
            case inspect.IntType() | inspect.FloatType():
                number = _number(text)
                if number is not None and is_of(number, kind):
                    return f"is {shown(value)}, which is text; write {key} = {number}, without quotes"
            case inspect.LiteralType():
                guess = meant(text, [str(one) for one in kind.values], {})
                others = [quoted(one) for one in sorted(map(str, kind.values)) if one and one != guess]
                if guess:
                    return f"is {shown(value)}; write {key} = {quoted(guess)}, or {' or '.join(others)}"
            case inspect.StrType() if not text:
                return f"is empty; write {described or 'something between the quotes'}{_LEFT_OUT}"
    return None


def _of_list(value: list[Any], kinds: tuple[inspect.Type, ...], key: str) -> str | None:
    if any(isinstance(kind, inspect.VarTupleType) for kind in kinds):
        wrong = [shown(item) for item in value if not isinstance(item, str)]
        what = f"has {wrong[0]} in it, which is no text" if wrong else "is an empty list"
        return f'{what}; write {key} = ["FOLDER", "FILE.jpg"], each in quotes'
    if len(value) == 1 and any(is_of(value[0], kind) for kind in kinds):
        return f"is a list; write {key} = {shown(value[0])}, without the brackets"
    return None


def _of_other(value: Any, kinds: tuple[inspect.Type, ...], key: str) -> str | None:
    text, only = shown(value), kinds[0] if len(kinds) == 1 else None
    match only:
        case inspect.LiteralType() if text in only.values:
            return f"is {text}; write {key} = {quoted(text)}, in quotes"
        case inspect.StrType() if isinstance(value, int | float):
            return f"is {text}, which is no text; write {key} = {quoted(text)}, in quotes"
        case inspect.IntType() if isinstance(value, float) and value.is_integer():
            return f"is {text}; write {key} = {int(value)}, a whole number"
    return None


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text.replace(",", "."))
        except ValueError:
            continue
    return None
