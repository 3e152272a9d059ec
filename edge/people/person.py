"""A person as the device knows one, and what each role may do."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, get_args

from edge.errors import PeopleError

Role = Literal["operator", "reviewer", "administrator"]
"""operator: starts, stops, reviews cells. reviewer: also signs, discards, renames. administrator: all."""

ROLES: tuple[Role, ...] = get_args(Role)

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_NAME = re.compile(r"[^\x00-\x1f\x7f<>]{0,64}")


class Person(NamedTuple):
    """One person. code: goes out with orders and signatures; name: stays on the device."""

    code: str
    name: str
    role: Role


def may(person: Person, needed: Role) -> bool:
    """Whether a person's role includes what another one may do."""
    return ROLES.index(person.role) >= ROLES.index(needed)


def check_words(code: str, name: str, role: str) -> Person:
    """Return the person of these words. Raises PeopleError where one of them cannot be."""
    if not _CODE.fullmatch(code):
        raise PeopleError("code: 1 to 32 letters, digits and - _ . only: it goes out with every signature")
    if not _NAME.fullmatch(name):
        raise PeopleError("name: at most 64 characters on one line, without < and >")
    for known in ROLES:
        if role == known:
            return Person(code, name, known)
    raise PeopleError(f"role: {role} is none; there is: {', '.join(ROLES)}")
