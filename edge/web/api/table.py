"""All endpoints of the API, and their routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from edge.web.api import adapting, calibrating, device, orders, people, pictures, session, specimens
from edge.web.api.endpoint import PREFIX, Call, Content, Endpoint
from edge.web.api.openapi import document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response


def _openapi(_: Call) -> Content:
    return Content(document(ENDPOINTS), "application/json")


ENDPOINTS: tuple[Endpoint, ...] = (
    *session.ENDPOINTS,
    *specimens.ENDPOINTS,
    *orders.ENDPOINTS,
    *pictures.ENDPOINTS,
    *device.ENDPOINTS,
    *adapting.ENDPOINTS,
    *calibrating.ENDPOINTS,
    *people.ENDPOINTS,
    Endpoint("GET", "/openapi.json", _openapi, "This document", "application/json", tags=("document",)),
)
"""The table."""


def api_routes() -> list[Route]:
    """Return a route for each path of the table."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in ENDPOINTS:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return [_route(path, endpoints) for path, endpoints in by_path.items()]


def _route(path: str, endpoints: dict[str, Endpoint]) -> Route:
    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await endpoints[method](request)

    methods: Sequence[str] = list(endpoints)
    return Route(PREFIX + path, answer, methods=methods)
