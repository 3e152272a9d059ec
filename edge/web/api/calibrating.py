"""The camera calibrated from the page: its light measured by the running counter, then used or let go."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from edge.cameras.calibration.handover import AFTER, BEFORE, TAKEN_S, CalibrationState
from edge.errors import CalibrationError
from edge.web.api.endpoint import Call, Content, Endpoint, Nothing
from edge.web.pages import words_of
from edge.web.sentences import in_words

if TYPE_CHECKING:
    from edge.cameras.calibration.file import CameraCalibration
    from edge.specimens.calibrating import CalibrationOrders

WITHIN_S = 180.0
"""Of a slow camera: it gives up to two hundred pictures."""

_LOOK_S = 0.2


class Measurement(Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured, by its id: nobody decides about another measurement than the one that was seen."""

    calibration_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]


class CalibrationStatus(Struct, frozen=True, kw_only=True):
    """How far a measurement is, and what is in use. why_not: why the camera cannot be calibrated at all."""

    why_not: str | None
    in_use: str | None
    in_use_since: str | None
    measurement: CalibrationState


async def measure(call: Call) -> CalibrationState:
    """Let the counter measure the light of the empty field that its camera sees now.

    The answer comes when that is done, after some seconds; nothing is changed by it.
    """
    orders: CalibrationOrders = call.app.calibration
    order = await run_in_threadpool(orders.measure)
    began = time.monotonic()
    while time.monotonic() - began < WITHIN_S:
        await asyncio.sleep(_LOOK_S)
        state = await run_in_threadpool(orders.state)
        if state.order != order:
            if time.monotonic() - began > TAKEN_S:
                break
        elif state.state == "refused":
            raise HTTPException(409, state.sentence[:1].lower() + state.sentence[1:])
        elif state.state == "measured":
            return state
    await run_in_threadpool(orders.withdraw)
    raise HTTPException(
        409, "the counter does not answer: see that it runs, and that its camera gives pictures"
    )


def status(call: Call) -> CalibrationStatus:
    """How far that is, and by which calibration the camera's light is evened out now."""
    orders: CalibrationOrders = call.app.calibration
    words = words_of(call.request)
    why_not, found = orders.why_not(), _in_use(orders)
    state = orders.state()
    return CalibrationStatus(
        why_not=None if why_not is None else in_words(why_not, words),
        in_use=None if found is None else found.id,
        in_use_since=None if found is None else found.made_at,
        measurement=msgspec.structs.replace(state, sentence=in_words(state.sentence, words)),
    )


def use(call: Call) -> Nothing:
    """Even out the camera's light by what was measured, from the next picture on."""
    call.app.calibration.use(call.body.calibration_id)
    return Nothing()


def discard(call: Call) -> Nothing:
    """Let go what was measured; the camera stays as it is."""
    call.app.calibration.discard(call.body.calibration_id)
    return Nothing()


def before(call: Call) -> Content:
    """The empty field as the camera shows it."""
    return _picture(call, BEFORE)


def after(call: Call) -> Content:
    """The same with its light made even and white."""
    return _picture(call, AFTER)


def _in_use(orders: CalibrationOrders) -> CameraCalibration | None:
    try:
        return orders.in_use()
    except CalibrationError:  # the page says so, beside what can be done about it
        return None


def _picture(call: Call, name: str) -> Content:
    data = call.app.calibration.picture(name)
    if data is None:
        raise HTTPException(404, "there is no such picture")
    return Content(data, "image/jpeg", {"cache-control": "no-store"})


def _decision(path: str, answer: object, summary: str, audited: str) -> Endpoint:
    return Endpoint(
        "POST",
        f"/calibration/{path}",
        answer,  # type: ignore[arg-type]
        summary,
        Nothing,
        "reviewer",
        body=Measurement,
        errors=(409,),
        audited=audited,
        tags=_TAGS,
    )


_TAGS = ("device",)
ENDPOINTS = (
    Endpoint("GET", "/calibration", status, "How the camera is calibrated", CalibrationStatus, tags=_TAGS),
    Endpoint(
        "POST",
        "/calibration/measure",
        measure,
        "Measure the light of an empty field",
        CalibrationState,
        "reviewer",
        errors=(409,),
        audited="measure the light",
        tags=_TAGS,
    ),
    _decision("use", use, "Use what was measured", "use the calibration"),
    _decision("discard", discard, "Let it go", "discard the calibration"),
    Endpoint(
        "GET",
        "/calibration/before.jpg",
        before,
        "The empty field as it is",
        "image/jpeg",
        errors=(404,),
        tags=_TAGS,
    ),
    Endpoint(
        "GET", "/calibration/after.jpg", after, "The same, even", "image/jpeg", errors=(404,), tags=_TAGS
    ),
)
