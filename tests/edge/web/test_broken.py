"""What nobody has foreseen is said in a page with a way on, in its reader's language; the log says more."""

from __future__ import annotations

import asyncio

import pytest

from edge.config import Config, StoreConfig, UsbConfig
from edge.web import pages
from edge.web.app import create_app


def answer(folder, **headers):
    """Ask an application whose service is broken for its first page; return status, kind and body."""
    app = create_app(Config(UsbConfig(), store=StoreConfig(str(folder / "results.db"))))
    app.state.service = None
    sent = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *((k.encode(), v.encode()) for k, v in headers.items())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    with pytest.raises(AttributeError):  # on to the log
        asyncio.run(app(scope, receive, send))
    kind = dict(sent[0]["headers"])[b"content-type"].decode()
    return sent[0]["status"], kind, b"".join(each.get("body", b"") for each in sent).decode()


def test_a_browser_is_shown_a_page_and_a_program_json(tmp_path):
    status, kind, body = answer(tmp_path, accept="text/html", **{"accept-language": "fr"})
    assert (status, kind) == (500, "text/html; charset=utf-8")
    assert "Quelque chose s&#39;est mal passé sur l&#39;appareil" in body
    assert 'href="/"' in body
    status, kind, body = answer(tmp_path, accept="application/json")
    assert (status, kind) == (500, "application/json")
    assert body == '{"error":"something went wrong on the device; its log says what"}'


def test_where_the_pages_themselves_cannot_be_made_the_sentence_comes_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "templates", lambda: None)
    status, _, body = answer(tmp_path, accept="text/html")
    assert status == 500
    assert "its log says what" in body
