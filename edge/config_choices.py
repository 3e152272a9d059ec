"""What a key of the configuration may be, for the sentence that says what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Structs = tuple[type[msgspec.Struct], ...]


def of_kind(structs: Structs, plain: Any) -> Structs:
    """Give those that a section of this kind may be; all, where it does not say a kind that there is.

    plain: the section as it was read.
    """
    kind = plain.get("kind") if isinstance(plain, dict) else None
    return tuple(s for s in structs if kind is not None and s.__struct_config__.tag == kind) or structs


def choices(structs: Structs, key: str) -> str:
    """Give `; choose one of ...` for a key with a fixed choice, else nothing."""
    found = [
        value
        for struct in structs
        for value in (
            [struct.__struct_config__.tag]
            if key == struct.__struct_config__.tag_field
            else _values(field.type for field in msgspec.structs.fields(struct) if field.encode_name == key)
        )
    ]
    shown = ", ".join(f'"{value}"' for value in dict.fromkeys(found))
    return f"; choose one of {shown}" if shown else ""


def _values(kinds: Iterable[Any]) -> Iterator[Any]:
    for kind in kinds:
        yield from get_args(kind) if get_origin(kind) is Literal else ()
