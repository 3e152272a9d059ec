"""What needs only the page and its store: people, two windows at once, a large gallery's speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from page_device import sign_in
from served import PEOPLE, PIN, Served
from stored import count_into

from edge.config import load_config
from edge.messages.commands import ReviewCells
from edge.specimens.history import history_of
from edge.specimens.service import SpecimenService
from edge.store.fields import Store

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

BEN, FIRST_PIN, OTHER_PIN = "ben", "582016", "640935"
CELLS = 400
WITHIN_MS, FRAME_MS = 1000.0, 1000 / 60


def test_a_person_comes_gets_another_pin_and_goes(page: Served, window) -> None:
    ada = window("ADA")
    ada.on("dialog", lambda dialog: dialog.accept())
    ada.get_by_role("link", name="People").click()
    add(ada, BEN, "123456")
    ada.locator("#add .error:not(:empty)").wait_for()
    assert "guessed first" in ada.locator("#add .error").inner_text()
    ada.locator("#pin").fill(FIRST_PIN)
    ada.get_by_role("button", name="Add").click()
    ada.get_by_role("heading", name="Ben").wait_for()
    assert (BEN, "Ben", "reviewer") in page.people.all()

    his = window(BEN, FIRST_PIN, language="fr", width=360)
    assert his.locator("nav a[href='/people']").count() == 0
    his.get_by_role("link", name="Ben").click()
    his.get_by_role("heading", name="Ben").wait_for()
    assert his.locator(".card").count() == 1, "of the others he sees nothing"
    assert his.get_by_role("button", name="Retirer").count() == 0

    card = ada.locator("section.card", has=ada.get_by_role("heading", name="Ben"))
    card.locator("summary").click()
    card.get_by_label("New PIN").fill(OTHER_PIN)
    card.get_by_label("Your own PIN").fill("000000")
    card.get_by_role("button", name="Set the PIN").click()
    card.locator(".error:not(:empty)").first.wait_for()
    assert card.locator(".error").first.inner_text() == "Wrong PIN."
    card.get_by_label("Your own PIN").fill(PIN)
    card.get_by_role("button", name="Set the PIN").click()
    said = card.get_by_role("status")
    said.get_by_text("The new PIN of Ben is set.").wait_for()
    assert card.get_by_label("New PIN").input_value() == "", "nobody who comes by later reads it"
    assert card.locator(".error").first.inner_text() == ""
    his.goto("/people")
    assert "/sign-in" in his.url, "his session has ended with the old PIN"
    sign_in(his, code=BEN, pin=OTHER_PIN)

    own = ada.locator("section.card", has=ada.get_by_role("heading", name="Name of ADA"))
    own.get_by_role("button", name="Remove").click()
    own.locator(".error:not(:empty)").wait_for()
    assert "last administrator" in own.locator(".error").last.inner_text()
    with ada.expect_navigation():
        card.get_by_role("button", name="Remove").click()
    assert {each.code for each in page.people.all()} == {code for code, _ in PEOPLE}
    his.goto("/specimens")
    assert "/sign-in" in his.url
    ada.get_by_text("What was done and tried").click()
    tried = [row.inner_text().split("\t") for row in ada.locator("#trail tbody tr").all()]
    said = {(who, what, outcome) for _, who, what, outcome, _ in tried}
    assert {
        ("ADA", "Remove a person ben", "Done."),
        ("ADA", "Another PIN ben", "Refused: Wrong PIN."),
        (BEN, "Sign in", "Done."),
    } <= said


def test_who_has_changed_the_own_pin_is_told_so_at_the_sign_in(page: Served, window) -> None:
    hers = window("REV")
    hers.goto("/people")
    hers.get_by_text("Another PIN").click()
    hers.get_by_label("New PIN").fill(OTHER_PIN)
    hers.get_by_label("Your own PIN").fill(PIN)
    hers.get_by_role("button", name="Set the PIN").click()
    try:
        hers.get_by_role("status").get_by_text("Your PIN is set. Sign in with it now.").wait_for()
        hers.locator("#code").fill("REV")
        hers.locator("#pin").fill(OTHER_PIN)
        hers.get_by_role("button", name="Sign in").click()
        hers.get_by_role("heading", name="Name of REV").wait_for()
    finally:
        page.people.reset("REV", PIN)


def test_the_first_person_is_told_to_sign_in_with_the_new_pin(tmp_path: Path, open_page) -> None:
    nobodys = Served(tmp_path)
    try:
        seen = open_page(f"http://127.0.0.1:{nobodys.port}")
        count_into(nobodys.store, "P-1", 2, target=2)
        seen.goto("/specimens/P-1/review")
        seen.locator("#sign #code").fill("Amina Hassan")
        seen.locator("#sign button").click()
        assert seen.locator("#sign #code:invalid").count() == 1, "a code is no name"
        seen.goto("/people")
        seen.locator("#code").fill("K7")
        seen.locator("#pin").fill(FIRST_PIN)
        seen.get_by_role("button", name="Add").click()
        seen.get_by_role("status").get_by_text("Your PIN is set. Sign in with it now.").wait_for()
    finally:
        nobodys.close()


def add(window: Page, code: str, pin: str) -> None:
    window.locator("#code").fill(code)
    window.locator("#name").fill(code.capitalize())
    window.get_by_label("Reviewer").check()
    window.locator("#pin").fill(pin)
    window.get_by_role("button", name="Add").click()


def test_of_two_who_sign_at_once_one_has_signed_and_the_other_is_told(page: Served, window) -> None:
    count_into(page.store, "W-1", 20, target=20)
    windows = {"REV": window("REV"), "ADA": window("ADA", language="fr")}
    for each in windows.values():
        each.goto("/specimens/W-1/review")
        each.locator("#pin").fill(PIN)
    for each in windows.values():  # neither waits for the other's answer
        each.evaluate("() => { document.getElementById('sign').requestSubmit(); }")
    for each in windows.values():
        each.locator("#sign .error:not(:empty), article").first.wait_for()
    signed = [code for code, each in windows.items() if each.url.endswith("/report")]
    assert len(signed) == 1
    (told,) = (each for code, each in windows.items() if code not in signed)
    words = {"REV": f"is signed by {signed[0]} already", "ADA": f"est déjà signé par {signed[0]}"}
    assert (
        words[next(code for code in windows if code not in signed)]
        in told.locator("#sign .error").inner_text()
    )
    with Store.open(page.store) as store:
        assert [each.operator for each in history_of(store, "W-1") if each.kind == "signed"] == signed


def test_who_has_not_seen_a_change_does_not_sign_it(page: Served, window) -> None:
    count_into(page.store, "W-2", 20, target=20)
    signer, namer = window("REV"), window("OPE")
    signer.goto("/specimens/W-2/review")
    namer.goto("/specimens/W-2")
    namer.locator(".cell").first.click()
    namer.get_by_role("button", name="Not a white cell").click()
    namer.locator(".cell.excluded").wait_for()
    signer.locator("#pin").fill(PIN)
    signer.get_by_role("button", name="Sign", exact=True).click()
    signer.locator("#sign .error:not(:empty)").wait_for()
    assert "has changed since you looked" in signer.locator("#sign .error").inner_text()
    with Store.open(page.store) as store:
        assert store.ledger.find("W-2").signature is None


def test_why_a_model_is_not_fitted_is_said_in_the_readers_language(page: Served, window) -> None:
    ids = count_into(page.store, "W-3", 8)
    service = SpecimenService(load_config(page.config))
    named = {"specimen_id": "W-3", "operator": "ADA"}
    service.review(ReviewCells(cell_ids=tuple(ids[:7]), action="confirm", **named))
    service.review(ReviewCells(cell_ids=(ids[7],), action="relabel", label="blast", **named))
    fitter = window("ADA", language="fr")
    fitter.goto("/microscope")
    fitter.locator("#adapt button").click()
    fitter.locator("#remarks li").first.wait_for()
    assert "1 nommées Blaste : apprises comme autre" in fitter.locator("#remarks").inner_text()
    assert fitter.locator("#adapt .error").inner_text().startswith("Trop peu de cellules nommées : ")
    assert "Neutrophile: 2" in fitter.locator("#adapt .error").inner_text()


SCROLL = """() => new Promise((done) => {
  let y = 0, frames = 0;
  const step = () => {
    scrollTo(0, y += 60);
    frames += 1;
    if (y < document.documentElement.scrollHeight) requestAnimationFrame(step); else done(frames);
  };
  requestAnimationFrame(step);
})"""


def test_a_gallery_of_400_cells_is_there_at_once_and_scrolls_smoothly(page: Served, window) -> None:
    # In computing of the page's own thread: how much else the machine has to do must not decide.
    count_into(page.store, "W-400", CELLS)
    looker = window("OPE")
    devtools = looker.context.new_cdp_session(looker)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def computed_ms() -> float:
        found = devtools.send("Performance.getMetrics")["metrics"]
        return next(1000 * each["value"] for each in found if each["name"] == "TaskDuration")

    looker.goto("/specimens/W-400")  # what was measured before, a navigation forgets
    looker.locator(".cell").nth(CELLS - 1).wait_for(state="attached")
    looker.locator(".cell").first.click()
    looker.locator("#large").wait_for(state="visible")
    assert computed_ms() < WITHIN_MS
    before = computed_ms()
    frames = looker.evaluate(SCROLL)
    assert frames > 60
    assert (computed_ms() - before) / frames < FRAME_MS
