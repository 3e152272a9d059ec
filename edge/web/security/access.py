"""Whose session a request belongs to. Without one there is the sign-in, and nothing else."""

from __future__ import annotations

import ipaddress
import logging
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse

from edge.errors import PeopleError
from edge.people.people import SESSION_S
from edge.web.answers import refusal
from edge.web.pages import refused

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from edge.people import People, Person

log = logging.getLogger(__name__)

OPEN = ("/sign-in", "/language", "/api/v1/session", "/favicon.ico")
"""What needs no session; and the static files."""

STATIC = "/static/"

_DATA = ("/api/", "/events", "/live.jpg")  # asked for by scripts, which follow no redirection to a page


def people_unknown(scope: Scope, error: PeopleError) -> Response:
    """Return the answer where the file of people cannot be read: why, the log says."""
    log.warning("%s", error)
    sentence = "who may use this device cannot be looked up just now: is its disk full? Its log says more"
    return refused(Request(scope), 503, sentence)


class Access:
    """Finds the person behind the session's cookie and sets `state.person` and `state.token`."""

    def __init__(self, app: ASGIApp, *, people: People) -> None:
        self._app = app
        self._people = people

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state, path = scope["state"], scope["path"]
        if path.startswith(STATIC):  # styles and scripts are nobody's: the page can say what is wrong
            await self._app(scope, receive, send)
            return
        token = session_token(scope)
        state["token"] = token
        answer = None
        if state["local"]:
            if not is_loopback(state["address"]):
                sentence = "nobody has a PIN on this device yet: on it, run `leukoscope user add`"
                answer = refusal(403, sentence)
        else:
            try:
                state["person"] = await self._person(token, used=_by_a_person(scope))
            except PeopleError as error:
                answer = people_unknown(scope, error)
            else:
                if state["person"] is None and path not in OPEN:
                    answer = self._to_sign_in(scope)
        await (answer or self._app)(scope, receive, send)

    async def _person(self, token: str | None, *, used: bool) -> Person | None:
        return None if token is None else await run_in_threadpool(self._people.session, token, used=used)

    def _to_sign_in(self, scope: Scope) -> Response:
        path = scope["path"]
        if path.startswith(_DATA) or scope["method"] not in {"GET", "HEAD"}:
            return refused(Request(scope), 401, "sign in first")
        query = scope["query_string"].decode("latin-1")
        # As a path, and that as a part of an address.
        wanted = quote(quote(path) + f"?{query}" * bool(query), safe="/")
        return RedirectResponse(f"/sign-in?next={wanted}" if path != "/" else "/sign-in", 303)


def _by_a_person(scope: Scope) -> bool:
    """Whether somebody has done something: asked for a page, or ordered. A page asks for data by itself.

    While it is touched or typed into, a page asks who is signed in.
    """
    return (
        scope["method"] not in {"GET", "HEAD"}
        or not scope["path"].startswith(_DATA)
        or scope["path"] == "/api/v1/session"
    )


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def session_token(scope: Scope) -> str | None:
    """Return the token of the session's cookie, if there is one that can be read."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            try:
                found = SimpleCookie(value.decode("latin-1")).get(cookie_name(scope))
            except CookieError:
                continue
            if found is not None and 0 < len(found.value) <= 64:
                return found.value
    return None


def cookie_name(scope: Scope) -> str:
    """Return the cookie's name; under TLS browsers keep this one to whom it was given, and to TLS."""
    return "__Host-leukoscope" if scope["scheme"] == "https" else "leukoscope"


def session_cookie(scope: Scope, token: str | None) -> str:
    """Return the header that gives a browser its session, or takes it away."""
    secure = "; Secure" if scope["scheme"] == "https" else ""
    age = 0 if token is None else int(SESSION_S)
    return f"{cookie_name(scope)}={token or ''}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}"
