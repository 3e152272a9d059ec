"""A photograph that somebody sends: what is in it. Nothing of it is kept, and it is counted into nothing."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from edge.cameras.image_header import image_size
from edge.messages import Quality  # noqa: TC001
from edge.messages.field import Box, Heatmap, Probability, Scale  # noqa: TC001 (msgspec reads annotations)
from edge.updates.choice import answering
from edge.web.api.endpoint import Call, Endpoint
from edge.web.picture_analysis import Settings

if TYPE_CHECKING:
    from edge.config import Config

MOST_PIXELS = 24_000_000
"""Of a picture: what phones take; 72 MB while it is analysed."""

MOST_SIDE = 12_000
"""Pixels of a picture's longer side."""

WITHIN_S = 60.0
"""Until there is an answer; a Pi takes two seconds."""

_AT_ONCE, _WAITING = 1, 3  # each takes as much memory as the daemon


class Queue:
    """Whose picture is looked at, and how many wait."""

    def __init__(self) -> None:
        self.turn = asyncio.Semaphore(_AT_ONCE)
        self.under_way = 0


class PictureCell(msgspec.Struct, frozen=True, kw_only=True):
    """A white cell of a photograph, as `leukoscope analyze` says it, with the second guess."""

    box: Box
    crop: Box
    label: str
    probability: Probability
    probabilities: dict[str, Probability]
    second_label: str | None
    second_probability: Probability | None
    rejected: str | None
    confidence: Probability | None
    cut_by_edge: bool
    flags: tuple[str, ...]
    heatmap: Heatmap | None


class PictureAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a photograph. refused: why it is of no use; null: it is."""

    width: int
    height: int
    cells: tuple[PictureCell, ...]
    refused: str | None
    quality: Quality
    scale: Scale | None
    red_cells: int | None
    platelets: int | None


async def analyse(call: Call) -> Any:
    """Say what is in a photograph: a form with the file as `picture`. Nothing is kept or counted."""
    queue: Queue = call.app.pictures
    if queue.under_way > _WAITING:
        raise HTTPException(429, "other pictures are looked at: wait a little", {"retry-after": "5"})
    queue.under_way += 1
    try:
        data, name = await _uploaded(call)
        async with queue.turn:
            return await _answer(call.app.config, data, name)
    finally:
        queue.under_way -= 1


async def _uploaded(call: Call) -> tuple[bytes, str]:
    if not call.request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HTTPException(415, "send a form with the picture's file")
    async with call.request.form(max_files=1, max_fields=4, max_part_size=4096) as form:
        file = form.get("picture")
        if not isinstance(file, UploadFile):
            raise HTTPException(422, "picture: the form has no such file")
        data = await file.read()
        name = re.sub(r"[^\w .()-]", "_", file.filename or "picture")[:100]
    size = image_size(data)
    if size is None and data[4:8] != b"ftyp":  # an iPhone's, whose size its own reader tells
        raise HTTPException(422, "this is no picture that can be read: send a JPEG, PNG or TIFF")
    if size is not None and (size[0] * size[1] > MOST_PIXELS or max(size) > MOST_SIDE):
        raise HTTPException(413, f"too large: at most {MOST_PIXELS // 1_000_000} million pixels are taken")
    return data, name


async def _answer(config: Config, data: bytes, name: str) -> Any:
    settings = Settings(str(answering(config).path), config.masking.recipe, config.model.runtime, name)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "edge.web.picture_analysis", msgspec.json.encode(settings).decode()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(data), WITHIN_S)
    except TimeoutError:
        raise HTTPException(422, f"it could not be looked at within {WITHIN_S:.0f} seconds") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise HTTPException(422, "it could not be looked at: it takes too much time or memory")
    answer = msgspec.json.decode(output)
    if "error" in answer:
        raise HTTPException(422, str(answer["error"]))
    return answer


ENDPOINTS = (
    Endpoint(
        "POST",
        "/pictures",
        analyse,
        "What is in a photograph",
        PictureAnswer,
        upload="picture",
        errors=(413, 415, 422, 429),
        tags=("pictures",),
    ),
)
