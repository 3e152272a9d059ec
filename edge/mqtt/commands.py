"""Commands from the broker: a name and a payload in, the answer out. Never raising, silent only in a flood.

What there is, stands in `edge.messages.commands`. None of it can run code, read a file, or change where
results go.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Struct

from edge.errors import LeukoscopeError, SpecimenError
from edge.messages import Response, encode
from edge.messages.commands import REQUESTS, CellImage, CorrelationId, Ping, SpecimenNote
from edge.mqtt.command_words import NO_OBJECT, what_is_wrong
from edge.store.command_log import REMEMBERED_S, Answer, Answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edge.messages.commands import Request
    from edge.specimens.orders import CommandHandler
    from edge.store.specimen import Specimen


BURST = 20
"""Commands that may come at once; after them, one every REFILL_S."""

REFILL_S = 0.5
MAX_NAME = 64
_MAX_PAYLOAD = 4096
_MOST_REMEMBERED = 256  # answers: a few hundred bytes each


class _Correlated(Struct, frozen=True):
    correlation_id: CorrelationId | None = None


class _Answered(NamedTuple):
    at: float
    asked: bytes
    response: Response


class Commands:
    """Carries out commands for one device, for as long as its process lives, over however many connections.

    handlers: what does each command but `ping`, by its name. clock: seconds. Not thread-safe.
    """

    def __init__(
        self,
        device_id: str,
        handlers: Mapping[str, CommandHandler] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device_id = device_id
        self._handlers = handlers or {}
        self._clock = clock
        self._tokens, self._filled = float(BURST), clock()
        self._complained = False
        self._answered: OrderedDict[str, _Answered] = OrderedDict()

    def answer(
        self,
        name: str,
        payload: bytes,
        *,
        retained: bool = False,
        kept: Answers | None = None,
        picture: Callable[[str], bytes | None] = lambda _: None,
    ) -> Response | None:
        """Do what a command asks, and return how it went; what is wrong with it in one sentence.

        The same request under the same correlation id is not done twice: it has its first answer again.
        retained: the broker kept it from before, for whoever comes. kept: what was answered by processes
        before this one. picture: finds that of a cell. None: commands come too fast, which the answer before
        said.
        """
        correlation, error = _correlation(payload)
        if not self._may():
            if self._complained:
                return None
            self._complained = True
            return self._response(name, correlation, "too many commands: send them more slowly")
        self._complained = False
        if retained:
            error = "a retained command is not obeyed: it would be again on every connect; send it unretained"
        elif name not in REQUESTS:
            error = f"there is no such command; known: {', '.join(REQUESTS)}"
        if error is not None:
            return self._response(name, correlation, error)
        asked = hashlib.sha256(name.encode() + b"\0" + payload).digest()
        try:
            before = self._before(correlation) or _kept(correlation, kept)
        except LeukoscopeError as problem:
            return self._response(name, correlation, str(problem))
        if before is None:
            return self._done(name, payload, correlation, asked, picture)
        error = "its correlation id is that of another command not long ago: give each its own"
        return before.response if before.asked == asked else self._response(name, correlation, error)

    def _done(
        self,
        name: str,
        payload: bytes,
        correlation: str | None,
        asked: bytes,
        picture: Callable[[str], bytes | None],
    ) -> Response:
        request, error = _request(name, payload)
        if isinstance(request, CellImage):
            return self._response(name, correlation, _no_picture(request, picture))
        specimen = None
        lasting = request is not None
        if request is not None and not isinstance(request, Ping):
            try:
                specimen = self._handled(name, request, correlation, asked)
            except SpecimenError as problem:
                error = str(problem)
            except LeukoscopeError as problem:
                error, lasting = str(problem), False  # a full disk, a locked store: it may be asked again
        response = self._response(name, correlation, error, specimen)
        if correlation is not None and lasting:
            self._answered[correlation] = _Answered(self._clock(), asked, response)
        return response

    def _handled(self, name: str, request: Request, correlation: str | None, asked: bytes) -> Specimen:
        handler = self._handlers.get(name)
        if handler is None:
            raise SpecimenError("this device does not do that")

        def note(answers: Answers, specimen: Specimen) -> None:
            if correlation is not None:
                response = encode(self._response(name, correlation, None, specimen))
                answers.keep(Answer(correlation, name, asked, response))

        return handler(request, note)

    def _before(self, correlation: str | None) -> _Answered | None:
        oldest = self._clock() - REMEMBERED_S
        while self._answered and (
            len(self._answered) > _MOST_REMEMBERED or next(iter(self._answered.values())).at < oldest
        ):
            self._answered.popitem(last=False)
        return None if correlation is None else self._answered.get(correlation)

    def _may(self) -> bool:
        """Take a token from the bucket, if there is one."""
        now = self._clock()
        self._tokens = min(float(BURST), self._tokens + (now - self._filled) / REFILL_S)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _response(
        self, name: str, correlation: str | None, error: str | None, specimen: Specimen | None = None
    ) -> Response:
        return Response(
            device_id=self._device_id,
            command=name[:MAX_NAME],
            correlation_id=correlation,
            ok=error is None,
            error=error,
            specimen=None
            if specimen is None
            else SpecimenNote(
                specimen.specimen_id, specimen.state, specimen.simulated, specimen.uuid, specimen.revision
            ),
        )


def _no_picture(request: CellImage, picture: Callable[[str], bytes | None]) -> str | None:
    """Say why a cell's picture cannot be sent; None where it can."""
    try:
        found = picture(request.cell_id)
    except LeukoscopeError as error:
        return str(error)
    return None if found is not None else f"no picture of cell {request.cell_id} is kept"


def _kept(correlation: str | None, kept: Answers | None) -> _Answered | None:
    """Return what a process before this one has answered. Raises StoreError."""
    answer = None if correlation is None or kept is None else kept.find(correlation)
    if answer is None:
        return None
    try:
        return _Answered(0.0, answer.asked, msgspec.json.decode(answer.payload, type=Response))
    except msgspec.MsgspecError:
        return None  # of another version: the request is looked at again


def _correlation(payload: bytes) -> tuple[str | None, str | None]:
    if len(payload) > _MAX_PAYLOAD:
        return None, f"the payload is longer than {_MAX_PAYLOAD} bytes"
    try:
        return msgspec.json.decode(payload, type=_Correlated).correlation_id, None
    except msgspec.ValidationError as error:
        return None, what_is_wrong(error, ("correlation_id",))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, NO_OBJECT


def _request(name: str, payload: bytes) -> tuple[Request | None, str | None]:
    try:
        return msgspec.json.decode(payload, type=REQUESTS[name]), None
    except msgspec.ValidationError as error:
        return None, what_is_wrong(error, REQUESTS[name].__struct_fields__)
    except UnicodeDecodeError:  # of a key: an unknown one that is skipped above is looked at here
        return None, "the payload is not UTF-8"
    except RecursionError:
        return None, "the payload is nested too deeply"
