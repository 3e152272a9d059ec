"""Orders over specimens. Who gives one is the session's person, never what a form says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.exceptions import HTTPException

from edge.messages.commands import (
    CellId,
    CorrelationId,
    DiscardSpecimen,
    Reason,
    RenameSpecimen,
    ReviewCells,
    Revision,
    SignSpecimen,
    SpecimenNote,
    StartSpecimen,
    StopSpecimen,
)
from edge.messages.differential import OperatorCode  # noqa: TC001 (msgspec reads annotations)
from edge.messages.ids import SpecimenId  # noqa: TC001
from edge.web.api.endpoint import Call, Endpoint, in_words, known_specimen
from edge.web.api.people import confirm_pin
from edge.web.api.session import Code, Pin  # noqa: TC001

if TYPE_CHECKING:
    from edge.store.specimen import Specimen


class Stop(Struct, frozen=True, forbid_unknown_fields=True):
    """Count no more into the specimen."""

    correlation_id: CorrelationId | None = None


class Review(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A person says what cells are: all of them, or none where one cannot be. As `ReviewCells`.

    operator: who says so on a device where nobody has a PIN; elsewhere it is who is signed in.
    """

    cell_ids: Annotated[tuple[CellId, ...], Meta(min_length=1, max_length=2000)]
    action: Literal["confirm", "relabel", "exclude", "undo"]
    label: Annotated[str, Meta(max_length=64)] | None = None
    reason: Reason | None = None
    revision: Revision | None = None
    operator: OperatorCode | None = None
    correlation_id: CorrelationId | None = None


class Sign(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A person stands by the count, with the own PIN once more. code: of who is signed in, or none.

    revision: of the specimen as the person saw it. operator: as in `Review`.
    """

    code: Code | None = None
    pin: Pin | None = None
    reason: Reason | None = None
    revision: Revision | None = None
    operator: OperatorCode | None = None
    correlation_id: CorrelationId | None = None


class Discard(Struct, frozen=True, forbid_unknown_fields=True):
    """The specimen is not to be used."""

    reason: Reason
    correlation_id: CorrelationId | None = None


class Rename(Struct, frozen=True, forbid_unknown_fields=True):
    """The id was mistyped."""

    new_id: SpecimenId
    correlation_id: CorrelationId | None = None


def start(call: Call) -> SpecimenNote:
    """Count from here on into a specimen."""
    _check_id(call.body.specimen_id)
    return _note(call.app.service.start(call.body))


def stop(call: Call) -> SpecimenNote:
    """Count no more into the open specimen: it waits for a signature."""
    return _note(call.app.service.stop(StopSpecimen(specimen_id=known_specimen(call))))


def review(call: Call) -> SpecimenNote:
    """Confirm, rename, exclude cells, or take the last word on them back."""
    given = {k: v for k, v in msgspec.structs.asdict(call.body).items() if k != "operator"}
    given |= {"specimen_id": known_specimen(call), "operator": _operator(call)}
    return _note(call.app.service.review(_order(given, ReviewCells)))


def sign(call: Call) -> SpecimenNote:
    """Confirm the count, with the own PIN once more."""
    specimen_id, body, person = known_specimen(call), call.body, call.person
    if person is not None:
        if body.code is not None and body.code.lower() != person.code.lower():
            raise HTTPException(403, f"{person.code} is signed in: who signs must sign in first")
        confirm_pin(call, body.pin, "signature")
    given = {"specimen_id": specimen_id, "operator": _operator(call)}
    given |= {"reason": body.reason, "revision": body.revision, "correlation_id": body.correlation_id}
    return _note(call.app.service.sign(_order(given, SignSpecimen)))


def discard(call: Call) -> SpecimenNote:
    """Mark a specimen as not to be used; it stays, with the reason."""
    order = DiscardSpecimen(reason=call.body.reason, specimen_id=known_specimen(call))
    return _note(call.app.service.discard(order))


def rename(call: Call) -> SpecimenNote:
    """Change the id of a specimen that was mistyped."""
    _check_id(call.body.new_id)
    order = RenameSpecimen(specimen_id=known_specimen(call), new_id=call.body.new_id)
    return _note(call.app.service.rename(order))


def _operator(call: Call) -> str:
    if call.person is not None:
        return call.person.code
    operator = call.body.operator or getattr(call.body, "code", None)
    if operator is None:
        raise HTTPException(422, "operator: nobody has a PIN here, so give a code of who does this")
    return str(operator)


def _order(given: dict[str, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise HTTPException(422, in_words(error)) from None


def _check_id(specimen_id: str) -> None:
    if not any(each.isalnum() for each in specimen_id):
        raise HTTPException(422, "specimen_id: it has a letter or a digit")  # `..` is a place, to a browser


def _note(specimen: Specimen) -> SpecimenNote:
    return SpecimenNote(
        specimen.specimen_id, specimen.state, specimen.simulated, specimen.uuid, specimen.revision
    )


def _endpoint(action: str, answer: Any, summary: str, body: Any, role: Any = "operator") -> Endpoint:
    return Endpoint(
        "POST",
        f"/specimens/{{specimen_id}}/{action}",
        answer,
        summary,
        SpecimenNote,
        role,
        body=body,
        errors=(409, 429),
        audited=f"specimen {action}",
    )


ENDPOINTS = (
    Endpoint(
        "POST",
        "/specimens",
        start,
        "Start a specimen",
        SpecimenNote,
        body=StartSpecimen,
        errors=(409,),
        audited="specimen start",
    ),
    _endpoint("stop", stop, "Stop it", Stop),
    _endpoint("review", review, "Name its cells", Review),
    _endpoint("sign", sign, "Sign it", Sign, "reviewer"),
    _endpoint("discard", discard, "Discard it", Discard, "reviewer"),
    _endpoint("rename", rename, "Give it another id", Rename, "reviewer"),
)
