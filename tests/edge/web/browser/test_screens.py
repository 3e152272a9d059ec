"""Every screen in every language: barriers by axe, nothing cut off on a phone; pictures of them are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from page_device import REPOSITORY, sign_in

from edge.web.languages import LANGUAGES

if TYPE_CHECKING:
    from page_device import PageDevice

PICTURES = REPOSITORY / "build" / "screenshots"
PHONE, DESKTOP = 360, 1280
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
DARK = {"fr", "pt", "ar"}

CUT_OFF = """() => [...document.querySelectorAll("a, button, input, select, h1, h2, p, li, dd, .cell")]
  .filter((each) => each.checkVisibility() && !each.closest(".skip, .table, pre, .unseen"))
  .filter((each) => {
    const box = each.getBoundingClientRect();
    const inside = each.scrollWidth <= each.clientWidth + 1 || getComputedStyle(each).display === "inline";
    return box.width && (box.left < -1 || box.right > innerWidth + 1 || !inside);
  }).map((each) => each.outerHTML.slice(0, 120))"""


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
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    page = open_page(drawn.address, language=language, dark=language in DARK, width=PHONE)
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.goto("/sign-in")
    found = {"sign-in": barriers(axe, page)}
    sign_in(page)
    for name, path in screens("SIM-1").items():
        page.goto(path)
        page.locator(WAITS_FOR.get(name, "footer")).first.wait_for()
        found[name] = barriers(axe, page)
        keep(page, f"{language}-phone-{name}")
        if language in {"en", "fr", "ar", "bn"}:
            page.set_viewport_size({"width": DESKTOP, "height": 800})
            keep(page, f"{language}-desktop-{name}")
            page.set_viewport_size({"width": PHONE, "height": 740})
    assert {name: each for name, each in found.items() if each} == {}


WAITS_FOR = {"live": "#verdict:not(:empty)", "gallery": ".cell"}


def barriers(axe, page) -> list[str]:
    """Return what keeps somebody from using the screen."""
    options = {"runOnly": list(RULES), "resultTypes": ["violations"]}
    violations = axe.run(page, options=options).response["violations"]
    said = [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in violations]
    too_wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    said += [f"cut off: {each}" for each in page.evaluate(CUT_OFF)]
    return [*said, f"{too_wide} pixels too wide"] if too_wide > 0 else said


def keep(page, name: str) -> None:
    page.screenshot(path=Path(PICTURES, f"{name}.png"), full_page="gallery" not in name)
