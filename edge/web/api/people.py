"""People and the audit trail, for administrators."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from starlette.exceptions import HTTPException

from edge.people import AuditEntry, Role
from edge.web.api.endpoint import Call, Endpoint, Nothing
from edge.web.api.session import Code, Pin  # noqa: TC001 (as above)


class KnownPerson(Struct, frozen=True):
    """A person, without the PIN."""

    code: str
    name: str
    role: Role


class NewPerson(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who may use the page from now on. The PIN is theirs to change at the device."""

    code: Code
    role: Role
    pin: Pin
    name: Annotated[str, Meta(max_length=64)] = ""

    @property
    def about(self) -> str:
        """Whom the audit trail says to be added."""
        return f"{self.code} ({self.role})"


class NewPin(Struct, frozen=True, forbid_unknown_fields=True):
    """Another PIN. own_pin: of who is signed in and changes it."""

    pin: Pin
    own_pin: Pin


class Latest(Struct, frozen=True):
    """How many entries."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 200


def everybody(call: Call) -> list[KnownPerson]:
    """Everybody, by code."""
    return [KnownPerson(*person) for person in call.app.people.all()]


def add(call: Call) -> KnownPerson:
    """Add a person."""
    new = call.body
    return KnownPerson(*call.app.people.add(new.code, new.name, new.role, new.pin, noted=True))


def remove(call: Call) -> Nothing:
    """Remove a person."""
    call.app.people.remove(call.path["code"], noted=True)
    return Nothing()


def change_pin(call: Call) -> Nothing:
    """Set a person's PIN: one's own, or anybody's as an administrator."""
    code, person = call.path["code"], call.person
    if person is not None:
        if person.role != "administrator" and person.code.lower() != code.lower():
            raise HTTPException(403, "only an administrator changes the PIN of somebody else")
        confirm_pin(call, call.body.own_pin)
    call.app.people.reset(code, call.body.pin, noted=True)
    return Nothing()


def trail(call: Call) -> list[AuditEntry]:
    """The latest entries of the audit trail, the newest first."""
    found: list[AuditEntry] = call.app.people.trail(call.query.limit)
    return found


def confirm_pin(call: Call, pin: str | None, purpose: str = "PIN asked again") -> None:
    """Raise HTTPException where this is not the PIN of who is signed in."""
    if call.person is None:
        return
    if not pin:
        raise HTTPException(403, "give your PIN")
    if call.app.people.check(call.person.code, pin, call.address, purpose=purpose) is None:
        raise HTTPException(403, "wrong PIN")


_TAGS = ("people",)
ENDPOINTS = (
    Endpoint("GET", "/people", everybody, "Everybody", list[KnownPerson], "administrator", tags=_TAGS),
    Endpoint(
        "POST",
        "/people",
        add,
        "Add a person",
        KnownPerson,
        "administrator",
        NewPerson,
        errors=(409,),
        audited="add person",
        tags=_TAGS,
    ),
    Endpoint(
        "DELETE",
        "/people/{code}",
        remove,
        "Remove a person",
        Nothing,
        "administrator",
        errors=(409,),
        audited="remove person",
        tags=_TAGS,
    ),
    Endpoint(
        "POST",
        "/people/{code}/pin",
        change_pin,
        "Another PIN",
        Nothing,
        body=NewPin,
        errors=(403, 409, 429),
        audited="change PIN",
        tags=_TAGS,
    ),
    Endpoint(
        "GET", "/audit", trail, "The audit trail", list[AuditEntry], "administrator", query=Latest, tags=_TAGS
    ),
)
