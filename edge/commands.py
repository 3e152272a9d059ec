"""Commands from the broker: a name and a payload in, the answer out. Pure; never silent, never raising."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from edge.messages import Response

NAMES = ("ping",)
"""Every command there is."""

MAX_NAME = 64
_MAX_PAYLOAD = 4096

_Correlation = Annotated[str, Meta(max_length=128)]


class Ping(Struct, frozen=True, forbid_unknown_fields=True):
    """Is anybody there."""

    correlation_id: _Correlation | None = None


class _Correlated(Struct, frozen=True):
    correlation_id: _Correlation | None = None


def answer(name: str, payload: bytes, *, device_id: str, retained: bool = False) -> Response:
    """Obey a command and say how it went. Whatever is wrong with it stands in the answer, in one sentence.

    retained: the broker kept it from before, for whoever comes.
    """
    correlation, error = _correlation(payload)
    if retained:
        error = "a retained command is not obeyed: it would be again on every connect; send it unretained"
    elif name not in NAMES:
        error = f"there is no such command; known: {', '.join(NAMES)}"
    elif error is None:
        error = _problem(payload)
    return Response(
        device_id=device_id,
        command=name[:MAX_NAME],
        correlation_id=correlation,
        ok=error is None,
        error=error,
    )


def _correlation(payload: bytes) -> tuple[str | None, str | None]:
    if len(payload) > _MAX_PAYLOAD:
        return None, f"the payload is longer than {_MAX_PAYLOAD} bytes"
    try:
        return msgspec.json.decode(payload, type=_Correlated).correlation_id, None
    except msgspec.ValidationError as error:
        return None, f"the payload is not what was expected: {error}"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, 'the payload is not a JSON object, such as {"correlation_id": "1"}'


def _problem(payload: bytes) -> str | None:
    try:
        msgspec.json.decode(payload, type=Ping)
    except msgspec.ValidationError as error:
        return f"the payload is not what was expected: {error}"
    except UnicodeDecodeError:  # of a key: an unknown one that is skipped above is looked at here
        return "the payload is not UTF-8"
    except RecursionError:
        return "the payload is nested too deeply"
    return None
