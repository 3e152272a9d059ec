"""Every screen in every language: barriers by axe, nothing cut off on a phone; pictures of them are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from barriers import DESKTOP, PHONE, barriers, keep
from page_device import sign_in

from edge.web.languages import LANGUAGES

if TYPE_CHECKING:
    from page_device import PageDevice

DARK = {"fr", "pt", "ar"}


def screens(simulated: str) -> dict[str, str]:
    return {
        "start": "/",
        "live": "/live",
        "specimens": "/specimens",
        "gallery": f"/specimens/{simulated}",
        "review": f"/specimens/{simulated}/review",
        "report": f"/specimens/{simulated}/report",
        "pictures": "/pictures",
        "microscope": "/microscope",
        "people": "/people",
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_screen_can_be_used_by_everybody(language: str, drawn: PageDevice, open_page) -> None:
    page = open_page(drawn.address, language=language, dark=language in DARK, width=PHONE)
    page.goto("/sign-in")
    found = {"sign-in": barriers(page)}
    sign_in(page)
    for name, path in screens("SIM-1").items():
        page.goto(path)
        page.locator(WAITS_FOR.get(name, "footer")).first.wait_for()
        found[name] = barriers(page)
        keep(page, f"{language}-phone-{name}")
        if language in {"en", "fr", "ar", "bn"}:
            page.set_viewport_size({"width": DESKTOP, "height": 800})
            keep(page, f"{language}-desktop-{name}")
            page.set_viewport_size({"width": PHONE, "height": 740})
    assert {name: each for name, each in found.items() if each} == {}


WAITS_FOR = {"live": "#verdict:not(:empty)", "gallery": ".cell"}
