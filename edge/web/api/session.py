"""Signing in and out, and who is signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct
from starlette.exceptions import HTTPException

from edge.people import Role  # noqa: TC001 (msgspec reads annotations)
from edge.web.answers import as_json
from edge.web.api.endpoint import Call, Endpoint, Nothing
from edge.web.security.access import session_cookie

if TYPE_CHECKING:
    from starlette.responses import Response

Pin = Annotated[str, Meta(min_length=1, max_length=64)]
Code = Annotated[str, Meta(min_length=1, max_length=32)]


class SignIn(Struct, frozen=True, forbid_unknown_fields=True):
    """Who it is, and the PIN."""

    code: Code
    pin: Pin


class SignedIn(Struct, frozen=True):
    """Who is signed in. All is null on a device where nobody has a PIN yet."""

    code: str | None
    name: str | None
    role: Role | None


def sign_in(call: Call) -> Response:
    """Open a session; the one before it ends, so that nobody can plant one."""
    people = call.app.people
    person = people.check(call.body.code, call.body.pin, call.address)
    if person is None:
        raise HTTPException(401, "wrong code or PIN")
    if call.request.state.token is not None:
        people.close_session(call.request.state.token)
    token = people.open_session(person)
    answer = as_json(SignedIn(person.code, person.name, person.role))
    answer.headers["set-cookie"] = session_cookie(call.request.scope, token)
    return answer


def sign_out(call: Call) -> Response:
    """End the session, here and in the browser."""
    if call.request.state.token is not None:
        call.app.people.close_session(call.request.state.token)
    answer = as_json(Nothing())
    answer.headers["set-cookie"] = session_cookie(call.request.scope, None)
    # What the browser has kept of the pictures goes, too.
    answer.headers["clear-site-data"] = '"cache"'
    return answer


def who(call: Call) -> SignedIn:
    """Who is signed in."""
    person = call.person
    if person is None:
        if not call.request.state.local:
            raise HTTPException(401, "sign in first")
        return SignedIn(None, None, None)
    return SignedIn(person.code, person.name, person.role)


ENDPOINTS = (
    Endpoint(
        "POST", "/session", sign_in, "Sign in", SignedIn, None, SignIn, errors=(401, 429), tags=("session",)
    ),
    Endpoint("GET", "/session", who, "Who is signed in", SignedIn, None, errors=(401,), tags=("session",)),
    Endpoint("DELETE", "/session", sign_out, "Sign out", Nothing, None, tags=("session",)),
)
