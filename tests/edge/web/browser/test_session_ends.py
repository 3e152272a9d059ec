"""Screens whose session has ended, or that are refused the live picture: they say so, and lead on."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
from typing import TYPE_CHECKING

import pytest
from served import PATIENCE_S, PIN
from stored import count_into

from edge.messages.live import STATE
from edge.web.live import MOST_OF_ADDRESS

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from served import Served


def end_session(page: Served, seen: Page) -> None:
    """End it elsewhere, so that the browser still has its cookie."""
    (cookie,) = (each for each in seen.context.cookies() if each["name"] == "leukoscope")
    page.ask("DELETE", "/api/v1/session", cookie=cookie["value"])


def enter(seen: Page) -> None:
    seen.locator("#code").fill("REV")
    seen.locator("#pin").fill(PIN)
    seen.locator("form[data-post] button").click()


def test_who_signs_after_the_session_has_ended_signs_in_and_is_back(page: Served, window) -> None:
    count_into(page.store, "E-1", 8, target=8)
    signer = window("REV", language="ar")
    signer.goto("/specimens/E-1/review")
    end_session(page, signer)
    signer.locator("#pin").fill(PIN)
    signer.locator("#sign button").click()
    signer.wait_for_url("**/sign-in?next=**")
    enter(signer)
    signer.wait_for_url("**/specimens/E-1/review")


@pytest.mark.parametrize("path", ["/live", "/microscope"])
def test_a_screen_with_the_live_picture_leads_to_the_sign_in_when_the_session_has_ended(
    page: Served, window, path: str
) -> None:
    looker = window("REV")
    looker.goto(path)
    looker.locator("#verdict:not(:empty)").wait_for()
    end_session(page, looker)  # the stream ends within ten seconds
    looker.wait_for_url(re.compile("/sign-in"))
    enter(looker)
    looker.wait_for_url(f"**{path}")


def test_who_finds_no_place_is_told_so_and_has_one_when_it_is_free(page: Served, window) -> None:
    cookie = page.sign_in("OPE")
    looker = window("REV", width=360)
    with contextlib.ExitStack() as held:
        for _ in range(MOST_OF_ADDRESS):
            connection = held.enter_context(
                contextlib.closing(http.client.HTTPConnection("127.0.0.1", page.port, timeout=PATIENCE_S))
            )
            connection.request("GET", "/events", headers={"Cookie": f"leukoscope={cookie}"})
            assert connection.getresponse().status == 200
        looker.goto("/live")
        looker.locator("#verdict", has_text="Too many look on at once.").wait_for()
        assert looker.locator("#counted").inner_text() == "\u2013"
    looker.locator("#counted", has_text="Nothing is being counted.").wait_for()
    looker.locator("#verdict", has_text="The counter does not run").wait_for()


def test_what_is_refused_keeps_no_session_alive(window) -> None:
    looker = window("REV")
    looker.route("**/events", lambda route: route.fulfill(status=429))
    asked: list[str] = []
    looker.on("request", lambda request: asked.append(request.url))
    with looker.expect_request("**/api/v1/classes"):
        looker.goto("/live")
    assert not any(url.endswith("/session") for url in asked), "that is asked where a person does something"


@pytest.mark.parametrize("path", ["/live", "/microscope"])
def test_until_there_is_a_picture_none_is_shown_as_broken(page: Served, window, path: str) -> None:
    looker = window("OPE")
    looker.goto(path)
    looker.locator("#verdict:not(:empty)").wait_for()
    assert not looker.locator("#picture").is_visible()
    jpeg = bytes.fromhex(
        "47494638396101000100800000ffffff00000021f90400000000002c00000000010001000002024401003b"
    )
    looker.route("**/live.jpg*", lambda route: route.fulfill(body=jpeg, content_type="image/gif"))
    state = {"run_id": "r", "number": 1, "sequence": None, "specimen_id": None, "width": 1, "height": 1}
    state |= {"cells": [], "refused": None, "focus": 1.0, "simulated": False}
    (page.folder / "run" / STATE).write_text(json.dumps(state))
    looker.locator("#picture").wait_for()
