"""How a screen becomes HTML: the templates, the reader's language, the files that pages are made of."""

from __future__ import annotations

import functools
import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from edge.people import may
from edge.web.languages import COOKIE, LANGUAGES, Words, choose
from edge.web.sentences import in_words

if TYPE_CHECKING:
    from collections.abc import MutableMapping
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
            back=request.url.path,
            **context,
        )
    )
    return HTMLResponse(html, status, {"Cache-Control": "no-store", "Content-Language": words.language.code})


def local_time(at: datetime | str | None) -> str:
    """Return a time as the device's clock shows it; a dash for None."""
    if at is None:
        return "\u2013"
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
