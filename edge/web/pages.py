"""How a screen becomes HTML: the templates, the reader's language, the files that pages are made of."""

from __future__ import annotations

import functools
import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from edge.people import may
from edge.web.answers import refusal
from edge.web.device import nearly_full
from edge.web.languages import COOKIE, LANGUAGES, Words, choose
from edge.web.sentences import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from typing import Any

    from starlette.requests import Request
    from starlette.responses import Response

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"


class Static(StaticFiles):
    """Styles and scripts. A browser asks each time whether they have changed: after an update they have."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        """Return a file, or why there is none."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


@cache
def templates() -> Environment:
    """Return the templates, which are read once."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )
    environment.filters["in_path"] = in_path
    environment.policies["json.dumps_function"] = json.dumps
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return environment


def words_of(request: Request) -> Words:
    """Return the words of who asks: by the language chosen here, else by the browser's."""
    return Words(choose(request.cookies.get(COOKIE), request.headers.get("accept-language", "")))


def page(
    request: Request, template: str, *, here: str = "", status: int = 200, **context: object
) -> Response:
    """Return a screen. here: which of the bar's links it is."""
    words = words_of(request)
    person = request.state.person
    open_to_all = person is None and request.state.local
    html = (
        templates()
        .get_template(template)
        .render(
            _=words,
            number=words.number,
            interval=words.interval,
            said=functools.partial(in_words, words=words),
            time=local_time,
            static=lambda name: f"/static/{name}",
            language=words.language,
            languages=LANGUAGES.values(),
            person=person,
            open_to_all=open_to_all,
            administrates=open_to_all if person is None else may(person, "administrator"),
            here=here,
            back=in_path(request.scope["path"], safe="/"),
            nearly_full=functools.partial(nearly_full, request.app.state.config),
            **context,
        )
    )
    return HTMLResponse(html, status, {"Cache-Control": "no-store", "Content-Language": words.language.code})


def refused(
    request: Request, status: int, sentence: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return why something is not done, in the reader's language: a page where a browser is to show it."""
    if "text/html" not in request.headers.get("accept", "") or request.scope["path"].startswith("/api/"):
        return refusal(status, in_words(sentence, words_of(request)), headers)
    response = message(request, status, sentence)
    response.headers.update(headers or {})
    return response


def message(request: Request, status: int, sentence: str) -> Response:
    """Return a screen that says a sentence of the device in the reader's language, and leads to Start."""
    said = in_words(sentence, words_of(request))
    return page(request, "message.html", status=status, title=said[:1].upper() + said[1:])


in_path = functools.partial(quote, safe="")
"""A text as a part of an address: ids of release 0.1 may have any sign in them."""


def on_this_device(path: str) -> str:
    """Return a path to go on to; the start where it would lead to somebody else's page."""
    # Behind a slash, browsers take a backslash for a second one, and drop tabs and line ends first.
    return path if re.fullmatch(r"/(?![/\\])[!-~]*", path) else "/"


def local_time(at: datetime | str | None) -> str:
    """Return a time as the device's clock shows it; a dash for None."""
    if at is None:
        return "\u2013"
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
