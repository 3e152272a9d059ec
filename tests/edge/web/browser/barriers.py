"""What keeps somebody from using a screen: by axe, and by what is cut off; pictures of screens are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from page_device import REPOSITORY

if TYPE_CHECKING:
    from playwright.sync_api import Page

PICTURES = REPOSITORY / "build" / "screenshots"
PHONE, DESKTOP = 360, 1280
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")

CUT_OFF = """() => [...document.querySelectorAll("a, button, input, select, h1, h2, p, li, dd, .cell")]
  .filter((each) => each.checkVisibility() && !each.closest(".skip, .table, pre, .unseen"))
  .filter((each) => {
    const box = each.getBoundingClientRect();
    const inside = each.scrollWidth <= each.clientWidth + 1 || getComputedStyle(each).display === "inline";
    return box.width && (box.left < -1 || box.right > innerWidth + 1 || !inside);
  }).map((each) => each.outerHTML.slice(0, 120))"""


def barriers(page: Page) -> list[str]:
    """Return what keeps somebody from using the screen."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    options = {"runOnly": list(RULES), "resultTypes": ["violations"]}
    violations = axe.run(page, options=options).response["violations"]
    said = [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in violations]
    too_wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    said += [f"cut off: {each}" for each in page.evaluate(CUT_OFF)]
    return [*said, f"{too_wide} pixels too wide"] if too_wide > 0 else said


def keep(page: Page, name: str) -> None:
    """Keep a picture of the screen, for people to look at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page="gallery" not in name)
