"""The application: pages, API, live picture, and what stands before them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from anyio.to_thread import current_default_thread_limiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from edge.errors import LeukoscopeError
from edge.people import People
from edge.specimens.calibrating import CalibrationOrders
from edge.specimens.service import SpecimenService
from edge.web.answers import of_error, refusal
from edge.web.api.adapting import Adaptation
from edge.web.api.pictures import Queue
from edge.web.api.table import api_routes
from edge.web.live import Live, live_routes
from edge.web.pages import refused, words_of
from edge.web.screens import screen_routes
from edge.web.security.access import Access
from edge.web.security.guard import Guard
from edge.web.sentences import in_words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from edge.config import Config

_THREADS = 6  # that answer: each has a connection to the store, and a Pi has four cores


def create_app(config: Config, *, people: People | None = None) -> Starlette:
    """Return the application over a device's store; no daemon need run.

    people: by default those of the file beside the store.
    """
    people = people or People.beside(config.store.path, keep_open=True)
    app = Starlette(
        routes=[*api_routes(), *live_routes(), *screen_routes()],
        middleware=[Middleware(Guard, people=people), Middleware(Access, people=people)],
        exception_handlers={
            HTTPException: _refused,
            LeukoscopeError: _failed,
            Exception: _broken,
        },
        lifespan=_lifespan,
    )
    app.router.redirect_slashes = False  # a path with a slash too many is another path
    app.state.config = config
    app.state.people = people
    app.state.pictures = Queue()
    app.state.adaptation = Adaptation(config)
    app.state.calibration = CalibrationOrders(config)
    app.state.service = SpecimenService(config, keep_open=True)
    app.state.live = Live(config, app.state.service.open_specimen)
    return app


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = _THREADS
    yield


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (Starlette calls it for these only)
    sentence = {404: "there is no such page", 405: "this cannot be done here"}
    said = error.detail if error.status_code not in sentence or error.detail[:1].islower() else ""
    headers: dict[str, Any] = dict(error.headers or {})
    if error.status_code in {408, 413}:
        headers["connection"] = "close"  # what still comes of the request is not read
    return refused(request, error.status_code, said or sentence[error.status_code], headers)


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, LeukoscopeError)  # noqa: S101 (as above)
    return of_error(error, in_words(str(error), words_of(request)))


async def _broken(request: Request, _: Exception) -> Response:
    # What went wrong stands in the log; to whoever asked it says nothing.
    sentence = "something went wrong on the device; its log says what"
    try:
        return refused(request, 500, sentence)
    except Exception:  # noqa: BLE001 (perhaps it is the pages themselves that cannot be made)
        return refusal(500, sentence)
