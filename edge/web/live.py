"""The live picture, and what is said of it, for as many as look on: read once for all of them."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from edge.errors import LeukoscopeError, PeopleError
from edge.messages.live import PICTURE, STATE, WANTED, LiveFrame
from edge.web.answers import refusal
from edge.web.device import nearly_full

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from edge.config import Config

MOST_LOOKING, MOST_OF_ADDRESS = 24, 8
"""How many streams there may be, and how many of one address."""

_LOOK_S = 0.2  # between looks at what the daemon has written
_COUNT_S = 1.0  # between looks into the store
_KEPT = 8  # pictures, for who is slow to ask for the one that a state is of
_TRIES, _TRY_S = 4, 0.01  # a state is written just after its picture
_OLD_S = 5.0  # a picture that is older is none of now
_BEAT_S = 10.0  # something is sent at least so often, so that a reader who has gone is noticed
_RUN = f"{time.time_ns():x}"  # ids of another process are others'
_decoder = msgspec.json.Decoder(LiveFrame)


class LiveState(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands now: the latest picture's figures, and the open specimen's count.

    number: null where there is no picture of now. specimen_id: null where no specimen is open.
    disk_nearly_full: counting may stop any day.
    """

    number: int | None
    sequence: int | None
    specimen_id: str | None
    counted: int | None
    target: int | None
    width: int | None
    height: int | None
    cells: tuple[Any, ...]
    refused: str | None
    focus: float | None
    simulated: bool
    disk_nearly_full: bool


class Live:
    """What is seen now. It looks only while somebody asks, and lets the daemon know that somebody does."""

    def __init__(self, config: Config, open_specimen: Any) -> None:
        self._config = config
        self._folder = Path(config.web.preview_dir) if config.web.preview_dir else None
        self._open_specimen = open_specimen
        self._state: LiveState | None = None
        self._id = 0
        self._looked_at = self._counted_at = float("-inf")
        self._specimen: Any = None
        self._nearly_full = False
        self._pictures: dict[int, bytes] = {}
        self._lock = asyncio.Lock()
        self.lookers: dict[str, int] = {}

    async def now(self) -> tuple[str, LiveState]:
        """Return the state and its id, looked at anew where the last look is a while ago."""
        async with self._lock:
            if time.monotonic() - self._looked_at >= _LOOK_S or self._state is None:
                state = await run_in_threadpool(self._look)
                self._looked_at = time.monotonic()
                if state != self._state:
                    self._state, self._id = state, self._id + 1
            return f"{_RUN}-{self._id}", self._state

    def picture(self, number: int | None = None) -> bytes | None:
        """Return the latest picture, JPEG; None where there is none of now.

        number: of the state that it is to go with, so that outlines lie over their cells, where it is kept.
        """
        self._want()
        if self._folder is None:
            return None
        if number is not None and (kept := self._pictures.get(number)):
            return kept
        try:
            path = self._folder / PICTURE
            return path.read_bytes() if time.time() - path.stat().st_mtime < _OLD_S else None
        except OSError:
            return None

    def _look(self) -> LiveState:
        self._want()
        frame = self._frame()
        if time.monotonic() - self._counted_at >= _COUNT_S:
            self._counted_at = time.monotonic()
            self._nearly_full = nearly_full(self._config)
            try:
                self._specimen = self._open_specimen()
            except LeukoscopeError:
                self._specimen = None
        found = self._specimen
        return LiveState(
            number=None if frame is None else frame.number,
            sequence=None if frame is None else frame.sequence,
            specimen_id=None if found is None else found.specimen_id,
            counted=None if found is None else found.cells,
            target=None if found is None else found.target,
            width=None if frame is None else frame.width,
            height=None if frame is None else frame.height,
            cells=() if frame is None else frame.cells,
            refused=None if frame is None else frame.refused,
            focus=None if frame is None else frame.focus,
            simulated=bool((frame and frame.simulated) or (found and found.simulated)),
            disk_nearly_full=self._nearly_full,
        )

    def _frame(self) -> LiveFrame | None:
        if self._folder is None:
            return None
        try:
            for _ in range(_TRIES):
                with (self._folder / STATE).open("rb") as file:
                    written = os.fstat(file.fileno())
                    if time.time() - written.st_mtime > _OLD_S:
                        return None
                    frame = _decoder.decode(file.read())
                if self._keep_picture(self._folder / PICTURE, frame.number, written.st_mtime_ns):
                    break
                time.sleep(_TRY_S)
        except (OSError, msgspec.MsgspecError):
            return None
        return frame

    def _keep_picture(self, path: Path, number: int, written_ns: int) -> bool:
        """Keep the picture of a state that was written at that time: each is written before its state.

        False where it is the next one's already, whose state is on its way.
        """
        if number in self._pictures or not path.is_file():
            return True
        picture = path.read_bytes()
        if path.stat().st_mtime_ns > written_ns:
            return False
        if number < max(self._pictures, default=0):  # of another run
            self._pictures.clear()
        self._pictures[number] = picture
        while len(self._pictures) > _KEPT:
            del self._pictures[min(self._pictures)]
        return True

    def _want(self) -> None:
        if self._folder is not None:
            with suppress(OSError):  # there is no daemon, or none that shows anything
                (self._folder / WANTED).touch(0o640)


def live_routes() -> list[BaseRoute]:
    """Return the routes of the picture and of the stream of events."""
    return [Route("/live.jpg", live_picture), Route("/events", events)]


async def live_picture(request: Request) -> Response:
    """The latest picture, or the one of the state of a `number`; 404 where there is none."""
    asked = request.query_params.get("number", "")
    number = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 16 else None
    picture = await run_in_threadpool(request.app.state.live.picture, number)
    if picture is None:
        return refusal(404, "there is no live picture: the counter does not run, or its camera is away")
    return Response(picture, media_type="image/jpeg")


async def events(request: Request) -> Response:
    """A stream of server-sent events: `live` with each change. Who comes back says which one was the last."""
    live: Live = request.app.state.live
    address = request.state.address
    if sum(live.lookers.values()) >= MOST_LOOKING or live.lookers.get(address, 0) >= MOST_OF_ADDRESS:
        return refusal(429, "too many look on at once", {"retry-after": "10"})
    last = request.headers.get("last-event-id", "")
    return StreamingResponse(
        _stream(request, live, address, last),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _stream(request: Request, live: Live, address: str, last: str) -> AsyncIterator[bytes]:
    live.lookers[address] = live.lookers.get(address, 0) + 1
    try:
        yield b"retry: 2000\n\n"
        sent_at = time.monotonic()
        asked_at = sent_at
        while True:
            number, state = await live.now()
            now = time.monotonic()
            if number != last:
                last, sent_at = number, now
                yield b"id: %s\nevent: live\ndata: %s\n\n" % (number.encode(), msgspec.json.encode(state))
            elif now - sent_at > _BEAT_S:
                sent_at = now
                yield b": still here\n\n"
            if now - asked_at > _BEAT_S:  # signed out, removed or expired: the stream ends, too
                asked_at = now
                if not await _still_allowed(request):
                    return
            await asyncio.sleep(_LOOK_S)
    finally:
        live.lookers[address] -= 1
        if not live.lookers[address]:
            del live.lookers[address]


async def _still_allowed(request: Request) -> bool:
    if request.state.local:
        return True
    people, token = request.app.state.people, request.state.token
    try:
        return await run_in_threadpool(people.session, token, used=False) is not None
    except PeopleError:  # who asks again is told why
        return False
