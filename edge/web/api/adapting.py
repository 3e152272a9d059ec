"""Adapting the model to the cells that people have named, from the page."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.exceptions import HTTPException

from edge.messages.ids import KnownSpecimenId  # noqa: TC001 (msgspec reads annotations)
from edge.specimens.records import AdaptationState
from edge.updates.choice import answering
from edge.web.api.endpoint import Call, Endpoint
from edge.web.pages import words_of
from edge.web.sentences import in_words
from edge.web.words import remark_in_words

if TYPE_CHECKING:
    from edge.config import Config

WITHIN_S = 3600.0
"""Until it is ended: on a Pi, hundreds of cells take some minutes."""

_LINE_BYTES = 16 * 1024 * 1024  # what was passed over may be said of each of thousands of specimens


class Adapt(Struct, frozen=True, forbid_unknown_fields=True):
    """To the named cells of these specimens; none: of all."""

    specimen_ids: Annotated[tuple[KnownSpecimenId, ...], Meta(max_length=500)] = ()


class Adapted(Struct, frozen=True):
    """What came of it. said: in one sentence."""

    said: str
    state: AdaptationState


class Adaptation:
    """At most one at a time, in a process of its own; it goes on when who asked for it has gone."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._task: asyncio.Task[None] | None = None
        self.state = AdaptationState()

    async def run(self, specimen_ids: tuple[str, ...]) -> AdaptationState:
        """Adapt, and return what came of it. Raises HTTPException where one is under way."""
        if self._task is not None and not self._task.done():
            raise HTTPException(409, "the model is being adapted already: wait until that is done")
        self.state = AdaptationState(state="running")
        self._task = asyncio.create_task(self._follow(specimen_ids))
        await asyncio.shield(self._task)
        return self.state

    async def _follow(self, specimen_ids: tuple[str, ...]) -> None:
        before = answering(self._config).sha256
        try:
            async with asyncio.timeout(WITHIN_S):
                await self._listen(specimen_ids)
        except (TimeoutError, msgspec.MsgspecError, OSError, ValueError):
            self.state = AdaptationState(state="running")
        if self.state.state == "running":
            after = answering(self._config).sha256
            self.state = _without_an_answer(None if after == before else after)

    async def _listen(self, specimen_ids: tuple[str, ...]) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "edge.web.adapting_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
        )
        assert process.stdin is not None  # noqa: S101 (both are pipes)
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(msgspec.json.encode({"config": self._config, "specimen_ids": specimen_ids}))
            process.stdin.close()
            async for line in process.stdout:
                self.state = msgspec.json.decode(line, type=AdaptationState)
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _without_an_answer(installed: str | None) -> AdaptationState:
    """Return what to say where the process ended before it said what came of it.

    installed: the model's sha256 where it was put into place before that.
    """
    if installed is None:
        sentence = "adapting has failed: it took too long or too much memory; nothing is changed"
        return AdaptationState(state="refused", sentence=sentence)
    sentence = "the model is adapted and in use, but how much better it is was lost"
    return AdaptationState(state="done", done=1, total=1, sentence=sentence, sha256=installed)


async def adapt(call: Call) -> Adapted:
    """Fit the model to the cells that people have named; it is used from the next field on if it is better.

    The answer comes when it is done, after minutes.
    """
    adaptation: Adaptation = call.app.adaptation
    state = await adaptation.run(call.body.specimen_ids)
    if state.state == "refused":
        raise HTTPException(409, state.sentence[:1].lower() + state.sentence[1:])
    return Adapted(state.sentence, _in_words(state, call))


async def adaptation_state(call: Call) -> AdaptationState:
    """How far an adaptation has come, or what came of the last one."""
    return _in_words(call.app.adaptation.state, call)


def _in_words(state: AdaptationState, call: Call) -> AdaptationState:
    words = words_of(call.request)
    remarks = tuple(
        msgspec.structs.replace(each, said=remark_in_words(each, words)) for each in state.remarks
    )
    return msgspec.structs.replace(state, sentence=in_words(state.sentence, words), remarks=remarks)


ENDPOINTS = (
    Endpoint(
        "POST",
        "/adapt",
        adapt,
        "Adapt the model",
        Adapted,
        "administrator",
        body=Adapt,
        errors=(409,),
        audited="adapt the model",
        tags=("device",),
    ),
    Endpoint("GET", "/adapt", adaptation_state, "How far that is", AdaptationState, tags=("device",)),
)
