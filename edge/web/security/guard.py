"""The first that a request meets: its origin, its size, its rate; and the headers of every answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from edge.errors import PeopleError
from edge.web.answers import refusal
from edge.web.pages import words_of
from edge.web.security.access import STATIC, people_unknown
from edge.web.security.body import BoundedBody, too_large
from edge.web.security.headers import with_headers
from edge.web.security.origin import check_origin
from edge.web.security.rates import Rate
from edge.web.sentences import in_words

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from edge.people import People

PICTURES = "/api/v1/pictures"
"""Where a photograph may be sent: the only path that takes much."""

_PER_S, _BURST = 500.0, 1000  # a gallery asks for 400 pictures at once
_HEADERS, _ADDRESS = 16 * 1024, 8 * 1024  # bytes: what comes at once, the server does not bound
_BELIEVED_S = 1.0
_UPLOADS_PER_S, _UPLOADS_BURST = 0.5, 20


class Guard:
    """Refuses what no person of ours would send, before anything reads it.

    Sets `state.address`, and `state.local`: nobody has a PIN yet, and only this machine is served.
    """

    def __init__(self, app: ASGIApp, *, people: People) -> None:
        self._app = app
        self._people = people
        self._somebody_until = 0.0
        self._rate = Rate(_PER_S, _BURST)
        self._uploads = Rate(_UPLOADS_PER_S, _UPLOADS_BURST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        tls = scope["scheme"] == "https"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": with_headers(list(message.get("headers", [])), tls=tls)}
            await send(message)

        address = scope["client"][0] if scope["client"] else ""
        upload = scope["path"] == PICTURES and scope["method"] == "POST"
        body = BoundedBody(receive, picture=upload)
        state = scope.setdefault("state", {})
        state.update(address=address, local=False, person=None)
        answer = None
        if not scope["path"].startswith(STATIC):
            try:
                state["local"] = await self._is_local()
            except PeopleError as error:
                answer = people_unknown(scope, error)
        answer = await self._refusal(scope, body, upload=upload) or answer
        await (answer or self._app)(scope, body.receive, send_with_headers)

    async def _refusal(self, scope: Scope, body: BoundedBody, *, upload: bool) -> Response | None:
        address = scope["state"]["address"]
        if sum(len(name) + len(value) for name, value in scope["headers"]) > _HEADERS:
            return refusal(431, "too large: the headers of the request", {"connection": "close"})
        if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > _ADDRESS:
            return refusal(414, "too long: the address of the request")
        local = scope["state"]["local"]
        if refused := check_origin(scope["scheme"], scope["method"], scope["headers"], local=local):
            ends = {"connection": "close"} if refused.status == 400 else {}  # no browser sends that
            return refusal(refused.status, refused.sentence, ends)
        if wait := self._rate.take(address) or (upload and self._uploads.take(address)):
            sentence = _said("too many requests: wait a little", scope)
            return refusal(429, sentence, {"retry-after": str(wait)})
        if body.refused([value for name, value in scope["headers"] if name == b"content-length"]):
            await body.drain()
            return refusal(413, _said(too_large(body.most), scope), {"connection": "close"})
        return None

    async def _is_local(self) -> bool:
        """Whether nobody has a PIN. That somebody has is believed for a moment: asking costs each request."""
        if self._somebody_until > time.monotonic():
            return False
        somebody = await run_in_threadpool(self._people.anybody)
        self._somebody_until = time.monotonic() + _BELIEVED_S if somebody else 0.0
        return not somebody


def _said(sentence: str, scope: Scope) -> str:
    """Return a sentence in the language of who asks: people meet these in everyday use."""
    return in_words(sentence, words_of(Request(scope)))
