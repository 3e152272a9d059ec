"""One endpoint of the API: what it takes, what it gives, who may ask; and how a request becomes a call."""

from __future__ import annotations

import inspect
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from edge.errors import LeukoscopeError, PeopleError, SpecimenError
from edge.messages.ids import refused
from edge.people import may
from edge.web.answers import as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.datastructures import State
    from starlette.requests import Request

    from edge.people import Person, Role

log = logging.getLogger(__name__)

PREFIX = "/api/v1"

_PARAMETERS: dict[str, str] = {
    "specimen_id": r"[^\x00-\x1f\x7f/]{1,64}",
    "cell_id": r"[0-9A-Za-z-]{1,64}",
    "code": r"[A-Za-z0-9_.-]{1,32}",
}
"""What may stand in a path, by the parameter's name."""


class Call(NamedTuple):
    """A request as an endpoint sees it.

    app: the services of the application. person: who asks; None where nobody has a PIN, on the device itself.
    path: the parameters in the path. query, body: the structs that the endpoint asks for.
    """

    app: State
    person: Person | None
    address: str
    path: Mapping[str, str]
    query: Any
    body: Any
    request: Request


class Content(NamedTuple):
    """An answer that is no JSON."""

    data: bytes | str
    media_type: str
    headers: Mapping[str, str] = {}


class Nothing(msgspec.Struct, frozen=True):
    """Done; there is no more to say."""


@dataclass(frozen=True)
class Endpoint:
    """One line of the table.

    answer: called on a thread of its own, unless it is a coroutine. needs: the least role; None asks for no
    session. gives: a struct's type, or a media type. audited: what the audit trail calls it; empty for what
    only reads. upload: the name of the file in a form, instead of a body of JSON.
    """

    method: str
    path: str
    answer: Callable[[Call], object]
    summary: str
    gives: Any
    needs: Role | None = "operator"
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    errors: tuple[int, ...] = ()
    audited: str = ""
    upload: str = ""
    tags: tuple[str, ...] = field(default=("specimens",))

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The names in its path, each with its pattern."""
        return [(name, _PARAMETERS[name]) for name in re.findall(r"{(\w+)}", self.path)]

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        person: Person | None = request.state.person
        if self.needs is not None and person is not None and not may(person, self.needs):
            raise HTTPException(403, f"this needs the role {self.needs}; yours is {person.role}")
        for name, pattern in self.parameters:
            if not re.fullmatch(pattern, request.path_params[name]):
                raise HTTPException(404, f"there is no such {name.partition('_')[0]}")
        query = None if self.query is None else _query(request, self.query)
        body = None if self.body is None else await _body(request, self.body)
        call = Call(
            request.app.state, person, request.state.address, request.path_params, query, body, request
        )
        if not inspect.iscoroutinefunction(self.answer):
            return await run_in_threadpool(self._answered, call)
        number = await run_in_threadpool(self._noted, call)
        try:
            content = await self.answer(call)
        except (LeukoscopeError, HTTPException) as error:
            await run_in_threadpool(self._note_outcome, call, number, f"refused: {error}")
            raise
        await run_in_threadpool(self._note_outcome, call, number, "done")
        return _answer(content)

    def _answered(self, call: Call) -> Response:
        number = self._noted(call)
        try:
            content = self.answer(call)
        except (LeukoscopeError, HTTPException) as error:
            self._note_outcome(call, number, f"refused: {error}")
            raise
        self._note_outcome(call, number, "done")
        return _answer(content)

    def _noted(self, call: Call) -> int | None:
        if not self.audited:
            return None
        code = None if call.person is None else call.person.code
        named = [str(getattr(call.body, name, "")) for name in ("specimen_id", "calibration_id", "about")]
        about = " ".join(call.path.values()) or "".join(named) or None
        number: int = call.app.people.note(self.audited, code=code, address=call.address, about=about)
        return number

    def _note_outcome(self, call: Call, number: int | None, outcome: str) -> None:
        if number is None:
            return
        try:
            call.app.people.note_outcome(number, outcome)
        except PeopleError as error:  # the order is done, or refused, whatever the trail has of it
            log.warning("what came of %r (%s) is not in the audit trail: %s", self.audited, outcome, error)


def known_specimen(call: Call) -> str:
    """Return the id in the path. Raises HTTPException where there is no such specimen."""
    name = call.path["specimen_id"]
    try:
        there = Path(call.app.config.store.path).is_file() and call.app.service.version(name)
    except SpecimenError:
        there = False
    if not there:
        raise HTTPException(404, f"there is no specimen {name}")
    return name


def _answer(content: object) -> Response:
    if isinstance(content, Response):
        return content
    if isinstance(content, Content):
        return Response(content.data, 200, {**content.headers}, media_type=content.media_type)
    return as_json(content)


def _query(request: Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        return msgspec.convert(dict(request.query_params), kind, strict=False)
    except msgspec.ValidationError as error:
        raise HTTPException(422, in_words(error)) from None


async def _body(request: Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(415, "send JSON, with the content type application/json")
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise HTTPException(422, in_words(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise HTTPException(400, "this is no JSON") from None
    except RecursionError:
        raise HTTPException(400, "this is nested too deeply") from None


def in_words(error: msgspec.ValidationError) -> str:
    """Return what is wrong with a value, with its name first."""
    what, _, where = str(error).partition(" - at `$")
    name = where.rstrip("`").lstrip(".")
    what = refused(what) or what
    return f"{name}: {what[:1].lower()}{what[1:]}" if name else what
