"""The pages. Each is rendered here; what it shows and orders goes through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute


def screen_routes() -> list[BaseRoute]:
    """Return the routes of all pages."""
    return [Route("/", _start), Route("/sign-in", _start)]


def _start(_: Request) -> Response:
    return PlainTextResponse("Leukoscope")
