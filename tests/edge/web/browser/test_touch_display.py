"""The device's own display, touched and without a keyboard: all that is typed is typed on the screen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from barriers import PICTURES, barriers, keep
from served import PIN, Served
from stored import count_into

from edge.config import load_config
from edge.messages.commands import SignSpecimen
from edge.specimens.service import SpecimenService
from edge.web.languages import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

UNIT = Path(__file__).parents[4] / "firmware_config" / "leukoscope-kiosk.service"
DISPLAY = {"width": 800, "height": 480}
"""In pixels, as the smallest display that is sold for the device."""


@pytest.fixture
def display(browser: Browser, page: Served) -> Iterator[Callable[..., Page]]:
    """Return a function that shows the unit's first address on a display that can be touched."""
    contexts = []
    (fragment,) = re.findall(r"^Environment=PAGE=\S+?/(#\S+)", UNIT.read_text(encoding="utf-8"), re.MULTILINE)

    def shown(*, language: str = "en", fragment: str = fragment, port: int = page.port) -> Page:
        address = f"http://127.0.0.1:{port}"
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


def sign_in_by_touch(seen: Page, code: str) -> None:
    seen.locator("#code").tap()
    type_on(seen, code.lower())
    seen.locator("#pin").tap()
    type_on(seen, PIN)
    tap(seen, "⏎")
    seen.wait_for_url(lambda url: "/sign-in" not in url)


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
    sign_in_by_touch(seen, "OPE")
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


def test_a_button_below_is_pressed_though_the_keyboard_goes(
    display: Callable[..., Page], page: Served
) -> None:
    count_into(page.store, "T-1", 3)
    seen = display()
    sign_in_by_touch(seen, "REV")
    asked = []
    seen.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    seen.goto("/specimens/T-1/review")
    seen.get_by_text("Discard it").first.tap()
    seen.locator("#why").tap()
    type_on(seen, "clotted")
    button = seen.locator("#discard button")
    button.evaluate("each => scrollBy(0, each.getBoundingClientRect().top - 20)")  # as far as it goes, nearly
    box = button.bounding_box()
    assert box["y"] == pytest.approx(20, abs=1)
    seen.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    seen.wait_for_timeout(300)
    assert len(asked) == 1
    assert seen.locator("#keyboard").is_hidden()


def test_a_space_behind_goes_when_the_field_is_left(display: Callable[..., Page]) -> None:
    seen = display()
    seen.locator("#code").tap()
    type_on(seen, "ope ")
    seen.locator("#pin").tap()
    assert seen.locator("#code").input_value() == "ope"


def test_enter_presses_no_button_that_is_disabled(display: Callable[..., Page]) -> None:
    seen = display()
    sign_in_by_touch(seen, "OPE")
    sent = []
    seen.on("request", lambda asked: sent.append(asked.url) if asked.method == "POST" else None)
    seen.locator("#specimen_id").tap()
    type_on(seen, "s1")
    tap(seen, "⏎")  # as a bar-code reader's: it goes on to the next field
    assert seen.evaluate("document.activeElement.id") == "total"
    seen.locator("#start button.first").evaluate("each => { each.disabled = true; }")
    tap(seen, "⏎")
    seen.wait_for_timeout(300)
    assert seen.locator("#keyboard").is_hidden()
    assert sent == []


@pytest.mark.parametrize("size", [DISPLAY, {"width": 480, "height": 800}, {"width": 1280, "height": 720}])
def test_who_looks_at_cells_can_say_who_it_is(
    display: Callable[..., Page], tmp_path: Path, size: dict[str, int]
) -> None:
    open_to_all = Served(tmp_path)
    try:
        count_into(open_to_all.store, "T-2", 30)
        seen = display(port=open_to_all.port)
        seen.set_viewport_size(size)
        seen.goto("/specimens/T-2")
        seen.locator(".cell").first.tap()
        field = seen.locator("#operator")
        field.tap()
        box, board = field.bounding_box(), seen.locator("#keyboard").bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= board["y"]
        type_on(seen, "mt.01")
        assert field.input_value() == "mt.01"
        keep(seen, f"en-touch-display-gallery-{size['width']}")
        seen.locator("[data-act=confirm]").tap()
        seen.locator(".cell .person").first.wait_for()
    finally:
        open_to_all.close()


def test_why_a_signed_specimen_is_changed_is_typed_by_touch(
    display: Callable[..., Page], page: Served
) -> None:
    (cell_id, *_) = count_into(page.store, "T-3", 3, target=3)
    service = SpecimenService(load_config(page.config))
    service.sign(SignSpecimen(specimen_id="T-3", operator="REV"))
    seen = display()
    sign_in_by_touch(seen, "OPE")
    seen.goto("/specimens/T-3")
    seen.locator(f'.cell[data-cell="{cell_id}"]').tap()
    for answer in ("Cancel", "Change"):
        seen.locator("[data-act=exclude]").tap()
        seen.locator("#reason").tap()
        type_on(seen, "a smudge")
        keep(seen, "en-touch-display-why")
        assert barriers(seen) == []
        seen.locator("#why").get_by_role("button", name=answer).tap()
        seen.locator("#why").wait_for(state="hidden")
        assert seen.locator("#keyboard").is_hidden()
    seen.locator(f'.cell.excluded[data-cell="{cell_id}"]').wait_for()
    (change,) = service.differential("T-3").changes
    assert change.why == "a smudge"


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


@pytest.mark.parametrize("language", ["en", "ar"])
def test_where_no_file_can_be_chosen_it_is_said_and_none_is_offered(
    page: Served, display: Callable[..., Page], window: Callable[..., Page], language: str
) -> None:
    if "F-1" not in {each.specimen_id for each in SpecimenService(load_config(page.config)).entries()}:
        count_into(page.store, "F-1", 4, target=4)
    seen = display(language=language)
    sign_in_by_touch(seen, "OPE")
    seen.goto("/pictures")
    seen.locator("#own-display").wait_for()
    assert seen.locator("#files").is_hidden()
    keep(seen, f"{language}-touch-display-pictures")
    assert barriers(seen) == []
    seen.goto("/specimens/F-1/report")
    seen.locator("#print").wait_for()
    assert [each.is_visible() for each in seen.locator("a[download]").all()] == [False, False]
    elsewhere = window("OPE", language=language)
    elsewhere.goto("/pictures")
    assert elsewhere.locator("#files").is_visible()
    assert elsewhere.locator("#own-display").is_hidden()
    elsewhere.goto("/specimens/F-1/report")
    assert [each.is_visible() for each in elsewhere.locator("a[download]").all()] == [True, True]
