"""An administrator adds a person, sets another PIN, removes; who is none sees only himself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from page_device import PIN, sign_in

from edge.people import People

if TYPE_CHECKING:
    from page_device import PageDevice
    from playwright.sync_api import Page

BEN, FIRST_PIN, OTHER_PIN = "ben", "582016", "640935"


def test_a_person_comes_gets_another_pin_and_goes(drawn: PageDevice, open_page) -> None:
    page, his = open_page(drawn.address), open_page(drawn.address, language="fr", width=360)
    people = People.beside(drawn.config.store.path)
    page.on("dialog", lambda dialog: dialog.accept())
    sign_in(page)
    page.get_by_role("link", name="People").click()
    add(page, BEN, "123456")
    page.locator("#add .error:not(:empty)").wait_for()
    assert "guessed first" in page.locator("#add .error").inner_text()
    page.locator("#pin").fill(FIRST_PIN)
    page.get_by_role("button", name="Add").click()
    page.get_by_role("heading", name="Ben").wait_for()
    assert [(each.code, each.role) for each in people.all()] == [("anna", "administrator"), (BEN, "reviewer")]

    sign_in_as(his, BEN, FIRST_PIN)
    assert his.locator("nav a[href='/people']").count() == 0
    his.get_by_role("link", name="Ben").click()
    his.locator(".card").wait_for()
    assert his.locator(".card").count() == 1, "of the others he sees nothing"
    assert his.get_by_role("button", name="Retirer").count() == 0

    card = page.locator("section.card", has=page.get_by_role("heading", name="Ben"))
    card.locator("summary").click()
    card.get_by_label("New PIN").fill(OTHER_PIN)
    card.get_by_label("Your own PIN").fill("000000")
    card.get_by_role("button", name="Set the PIN").click()
    card.locator(".error:not(:empty)").first.wait_for()
    assert card.locator(".error").first.inner_text() == "Wrong PIN."
    card.get_by_label("Your own PIN").fill(PIN)
    with page.expect_navigation():
        card.get_by_role("button", name="Set the PIN").click()
    his.goto("/people")
    assert "/sign-in" in his.url, "his session has ended with the old PIN"
    sign_in_as(his, BEN, OTHER_PIN)

    own = page.locator("section.card", has=page.get_by_role("heading", name="Anna"))
    own.get_by_role("button", name="Remove").click()
    own.locator(".error:not(:empty)").wait_for()
    assert "last administrator" in own.locator(".error").last.inner_text()
    with page.expect_navigation():
        card.get_by_role("button", name="Remove").click()
    assert [each.code for each in people.all()] == ["anna"]
    his.goto("/specimens")
    assert "/sign-in" in his.url


def add(page: Page, code: str, pin: str) -> None:
    page.locator("#code").fill(code)
    page.locator("#name").fill(code.capitalize())
    page.get_by_label("Reviewer").check()
    page.locator("#pin").fill(pin)
    page.get_by_role("button", name="Add").click()


def sign_in_as(page: Page, code: str, pin: str) -> None:
    page.goto("/sign-in")
    page.locator("#code").fill(code)
    page.locator("#pin").fill(pin)
    page.locator("form[data-post] button").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
