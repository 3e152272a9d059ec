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
    SetWbcCount,
    Shown,
    SignSpecimen,
    SpecimenNote,
    StartSpecimen,
    StopSpecimen,
    Target,
    WbcCountText,
)
from edge.messages.differential import (  # noqa: TC001 (msgspec reads annotations)
    CellsPerLitre,
    OperatorCode,
)
from edge.messages.ids import SpecimenId  # noqa: TC001
from edge.web.api.endpoint import Call, Endpoint, in_words, known_specimen
from edge.web.api.people import confirm_pin
from edge.web.api.session import Code, Pin  # noqa: TC001

if TYPE_CHECKING:
    from edge.store.specimen import Specimen


class Start(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Count from here on into this specimen. As `StartSpecimen`.

    resume: take up one that was stopped and not signed; "true" is what a form sends.
    """

    specimen_id: SpecimenId
    target: Target | None = None
    wbc_count: Annotated[
        CellsPerLitre | WbcCountText | None,
        Meta(description="white cells of the same blood, if they were counted: a number is 10^9/L"),
    ] = None
    resume: bool | Literal["true"] = False
    correlation_id: CorrelationId | None = None


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
    shown: Shown | None = None
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


class Discard(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The specimen is not to be used. pin: the own one once more, where it was signed.

    code: of who is signed in, or none; on a device where nobody has a PIN, of who does this.
    """

    reason: Reason
    code: OperatorCode | None = None
    pin: Pin | None = None
    revision: Revision | None = None
    correlation_id: CorrelationId | None = None


class WbcCount(Struct, frozen=True, forbid_unknown_fields=True):
    """The total white count came later, or was mistyped. As `SetWbcCount`."""

    wbc_count: Annotated[
        CellsPerLitre | WbcCountText | None,
        Meta(description="white cells of the same blood: a number is 10^9/L; null takes it back"),
    ]
    correlation_id: CorrelationId | None = None


class Rename(Struct, frozen=True, forbid_unknown_fields=True):
    """The id was mistyped."""

    new_id: SpecimenId
    correlation_id: CorrelationId | None = None


def start(call: Call) -> SpecimenNote:
    """Count from here on into a specimen."""
    _check_id(call.body.specimen_id)
    given = msgspec.structs.asdict(call.body) | {"resume": call.body.resume in {True, "true"}}
    given["operator"] = _signed_in(call)
    return _note(call.app.service.start(_order(given, StartSpecimen)))


def stop(call: Call) -> SpecimenNote:
    """Count no more into the open specimen: it waits for a signature."""
    order = StopSpecimen(specimen_id=known_specimen(call), operator=_signed_in(call))
    return _note(call.app.service.stop(order))


def review(call: Call) -> SpecimenNote:
    """Confirm, rename, exclude cells, or take the last word on them back."""
    given = {k: v for k, v in msgspec.structs.asdict(call.body).items() if k != "operator"}
    given |= {"specimen_id": known_specimen(call), "operator": _operator(call)}
    return _note(call.app.service.review(_order(given, ReviewCells)))


def sign(call: Call) -> SpecimenNote:
    """Confirm the count, with the own PIN once more."""
    specimen_id, body = known_specimen(call), call.body
    _confirm(call, "signature")
    given = {"specimen_id": specimen_id, "operator": _operator(call)}
    given |= {"reason": body.reason, "revision": body.revision, "correlation_id": body.correlation_id}
    return _note(call.app.service.sign(_order(given, SignSpecimen)))


def discard(call: Call) -> SpecimenNote:
    """Mark a specimen as not to be used; it stays, with the reason. One that was signed takes the own PIN."""
    specimen_id = known_specimen(call)
    found = call.app.service.entry(specimen_id)
    operator, revision = _signed_in(call) or call.body.code, call.body.revision
    if found.was_signed:
        _confirm(call)
        operator = _operator(call)
    elif revision is None:
        revision = found.revision  # who signs it meanwhile must not find it discarded without a PIN
    order = DiscardSpecimen(
        reason=call.body.reason, specimen_id=specimen_id, operator=operator, revision=revision
    )
    return _note(call.app.service.discard(order))


def rename(call: Call) -> SpecimenNote:
    """Change the id of a specimen that was mistyped."""
    _check_id(call.body.new_id)
    order = RenameSpecimen(
        specimen_id=known_specimen(call), new_id=call.body.new_id, operator=_signed_in(call)
    )
    return _note(call.app.service.rename(order))


def set_wbc_count(call: Call) -> SpecimenNote:
    """Give a specimen that is not signed its total white count."""
    order = SetWbcCount(
        specimen_id=known_specimen(call), wbc_count=call.body.wbc_count, operator=_signed_in(call)
    )
    return _note(call.app.service.set_wbc_count(order))


def _confirm(call: Call, purpose: str = "PIN asked again") -> None:
    """Raise HTTPException where who is signed in is not who does this, by the own PIN."""
    code, person = call.body.code, call.person
    if person is not None and code is not None and code.lower() != person.code.lower():
        raise HTTPException(403, f"{person.code} is signed in: who signs must sign in first")
    confirm_pin(call, call.body.pin, purpose)


def _signed_in(call: Call) -> str | None:
    return None if call.person is None else call.person.code


def _operator(call: Call) -> str:
    if call.person is not None:
        return call.person.code
    operator = getattr(call.body, "operator", None) or getattr(call.body, "code", None)
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
        body=Start,
        errors=(409,),
        audited="specimen start",
    ),
    _endpoint("stop", stop, "Stop it", Stop),
    _endpoint("review", review, "Name its cells", Review),
    _endpoint("sign", sign, "Sign it", Sign, "reviewer"),
    _endpoint("discard", discard, "Discard it", Discard, "reviewer"),
    _endpoint("rename", rename, "Give it another id", Rename, "reviewer"),
    _endpoint("wbc-count", set_wbc_count, "Give it its total white count", WbcCount),
)
