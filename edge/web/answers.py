"""Answers as JSON; errors as one sentence, each with its status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from edge.errors import (
    CalibrationError,
    LeukoscopeError,
    NoSuchRevisionError,
    PeopleError,
    SpecimenError,
    TooManyGuessesError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON = "application/json"


def as_json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer of plain data or structs."""
    return Response(msgspec.json.encode(content), status, headers, media_type=JSON)


def refusal(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that says why something is not done."""
    return as_json({"error": sentence}, status, headers)


def of_error(error: LeukoscopeError, sentence: str) -> Response:
    """Return the answer to what went wrong: the status by its class. sentence: what it says."""
    if isinstance(error, TooManyGuessesError):
        return refusal(429, sentence, {"retry-after": str(error.retry_s)})
    if isinstance(error, NoSuchRevisionError):
        return refusal(404, sentence)
    if isinstance(error, SpecimenError | PeopleError | CalibrationError):
        return refusal(409, sentence)
    return refusal(503, sentence)  # the store, the model: nothing that the asking person did
