"""The device's own display, touched and without a keyboard: all that is typed is typed on the screen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from barriers import PICTURES, barriers, keep
from served import PIN

from edge.web.languages import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page
    from served import Served

UNIT = Path(__file__).parents[4] / "firmware_config" / "leukoscope-kiosk.service"
DISPLAY = {"width": 800, "height": 480}
"""In pixels, as the smallest display that is sold for the device."""


@pytest.fixture
def display(browser: Browser, page: Served) -> Iterator[Callable[..., Page]]:
    """Return a function that shows the unit's first address on a display that can be touched."""
    contexts = []
    (fragment,) = re.findall(r"^Environment=PAGE=\S+?/(#\S+)", UNIT.read_text(encoding="utf-8"), re.MULTILINE)

    def shown(*, language: str = "en", fragment: str = fragment) -> Page:
        address = f"http://127.0.0.1:{page.port}"
        context = browser.new_context(viewport=DISPLAY, has_touch=True, base_url=address)
        context.set_default_timeout(20_000)
        context.add_cookies([{"name": "language", "value": language, "url": address}])
        contexts.append(context)
        seen = context.new_page()
        seen.goto(f"/{fragment}")  # nobody has signed in: it goes on to where that is done
        if fragment:
            seen.locator("#keyboard").wait_for(state="attached")
        return seen

    yield shown
    for context in contexts:
        context.close()


def type_on(seen: Page, text: str) -> None:
    for letter in text:
        if letter.isupper():
            tap(seen, "⇧")
        tap(seen, letter.lower())


def tap(seen: Page, letter: str) -> None:
    seen.locator(f'#keyboard button[data-key="{letter}"]').tap()


def test_somebody_signs_in_and_looks_for_a_specimen_by_touch_alone(display: Callable[..., Page]) -> None:
    seen = display()
    board = seen.locator("#keyboard")
    assert board.is_hidden()
    seen.locator("#code").tap()
    type_on(seen, "OPx")
    tap(seen, "⌫")
    type_on(seen, "E")
    assert seen.locator("#code").input_value() == "OPE"
    keep(seen, "en-touch-display-sign-in")
    assert barriers(seen) == []
    seen.locator("#pin").tap()
    type_on(seen, PIN)
    tap(seen, "⏎")
    seen.wait_for_url(lambda url: "/sign-in" not in url)
    # It stays the touched display, on every screen.
    seen.goto("/specimens")
    seen.locator("#search").tap()
    type_on(seen, "S-1_a.b")
    tap(seen, "⏎")
    seen.wait_for_url("**/specimens?search=S-1_a.b*")


def test_the_field_is_seen_above_the_keyboard_wherever_it_is(display: Callable[..., Page]) -> None:
    seen = display()
    seen.locator("#code").tap()
    type_on(seen, "ope")
    seen.locator("#pin").tap()
    type_on(seen, PIN)
    tap(seen, "⏎")
    seen.wait_for_url(lambda url: "/sign-in" not in url)
    for name in ("specimen_id", "total"):
        field = seen.locator(f"#{name}")
        field.tap()
        below = seen.locator("#keyboard").bounding_box()
        box = field.bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= below["y"]
        assert below["y"] + below["height"] <= DISPLAY["height"]
        seen.screenshot(path=PICTURES / f"en-touch-display-{name}.png")  # as far as it is seen
    type_on(seen, "6.8")  # digits only, where a number is asked for
    assert seen.locator("#total").input_value() == "6.8"
    assert seen.locator('#keyboard button[data-key="q"]').count() == 0
    tap(seen, "⌄")
    assert seen.locator("#keyboard").is_hidden()


def test_what_is_full_takes_no_more_and_what_is_chosen_is_typed_over(display: Callable[..., Page]) -> None:
    seen = display()
    code = seen.locator("#code")
    longest = int(code.get_attribute("maxlength"))
    code.fill("k" * longest)
    code.tap()
    tap(seen, "7")
    assert code.input_value() == "k" * longest
    code.evaluate("each => each.select()")
    tap(seen, "7")
    assert code.input_value() == "7"


def test_a_real_keyboard_and_a_mouse_need_none(display: Callable[..., Page]) -> None:
    seen = display()
    seen.locator("#code").click()
    assert seen.locator("#keyboard").is_hidden()
    seen.locator("#code").tap()
    assert seen.locator("#keyboard").is_visible()
    seen.keyboard.press("a")
    assert seen.locator("#keyboard").is_hidden()
    assert seen.locator("#code").input_value() == "a"


def test_a_phone_has_its_own(display: Callable[..., Page]) -> None:
    seen = display(fragment="")
    seen.locator("#code").tap()
    assert seen.locator("#keyboard").count() == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_its_keys_are_named_in_each_language(display: Callable[..., Page], language: str) -> None:
    seen = display(language=language)
    seen.locator("#code").tap()
    assert barriers(seen) == []
    names = seen.locator("#keyboard button[aria-label]").evaluate_all(
        "all => all.map(each => each.ariaLabel)"
    )
    assert len(set(names)) == 5
    if language == "ar":
        keep(seen, "ar-touch-display-sign-in")
        first, second = (seen.locator(f'#keyboard button[data-key="{letter}"]') for letter in "qw")
        assert first.bounding_box()["x"] < second.bounding_box()["x"]  # as keyboards are


def test_picture_and_count_stand_side_by_side(window: Callable[..., Page]) -> None:
    seen = window("OPE")
    seen.set_viewport_size(DISPLAY)
    seen.goto("/live")
    picture, count = (seen.locator(f".live > :nth-child({number})").bounding_box() for number in (1, 2))
    assert picture["x"] + picture["width"] <= count["x"]
    assert count["x"] + count["width"] <= DISPLAY["width"]
    shown = seen.locator(".picture").bounding_box()
    assert shown["y"] + shown["height"] <= DISPLAY["height"]
