"""Review and Start in a browser: the agreement on a phone, counting gone on, a signed specimen discarded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from barriers import PHONE, barriers, keep
from served import PIN
from stored import count_into

from edge.messages.commands import ReviewCells, SignSpecimen
from edge.web.languages import LANGUAGES
from edge.web.words import CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page
    from served import Served

    from edge.specimens.service import SpecimenService

    Window = Callable[..., Page]


@pytest.fixture(scope="module")
def agreed(page: Served, service: SpecimenService) -> str:
    """Return a specimen of which people have called cells all that they may, some of it with three digits."""
    ids = count_into(page.store, "B-1", 120, target=120)
    named = {"specimen_id": "B-1", "operator": "REV"}
    for cell_id, label in zip(ids, CLASSES, strict=False):
        how = {"action": "exclude"} if label == "not a white cell" else {"action": "relabel", "label": label}
        service.review(ReviewCells(cell_ids=(cell_id,), **how, **named))
    rest = tuple(ids[len(CLASSES) :])
    service.review(ReviewCells(cell_ids=rest, action="relabel", label="immature granulocyte", **named))
    return "B-1"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("screen", ["review", "report"])
def test_the_agreement_of_each_class_fits_a_phone(
    agreed: str, window: Window, language: str, screen: str
) -> None:
    seen = window("REV", language=language, width=PHONE)
    seen.goto(f"/specimens/{agreed}/{screen}")
    rows = seen.locator("table.agreement tbody tr")
    assert rows.count() == len(CLASSES)
    table = seen.locator(".table", has=seen.locator("table.agreement"))
    assert table.evaluate("each => each.scrollWidth <= each.clientWidth"), "nothing is to be pushed aside"
    assert barriers(seen) == []
    keep(seen, f"{language}-phone-agreement-{screen}")


@pytest.mark.parametrize("language", ["en", "ar", "sw"])  # the last has the longest words
def test_a_signature_in_the_history_leads_to_its_report_which_fits_a_phone(
    page: Served, service: SpecimenService, window: Window, language: str
) -> None:
    name = f"B-9-{language}"
    (cell,) = count_into(page.store, name, 1, target=1)
    signed = SignSpecimen(specimen_id=name, operator="REV")
    service.sign(signed)
    named = {"specimen_id": name, "cell_ids": (cell,), "operator": "OPE", "reason": "looked again"}
    service.review(ReviewCells(action="relabel", label="blast", **named))
    service.sign(signed)
    seen = window("OPE", language=language, width=PHONE)
    seen.goto(f"/specimens/{name}/review")
    seen.locator('a[href*="revision="]').first.click()
    seen.locator("#superseded").wait_for()
    assert barriers(seen) == []
    keep(seen, f"{language}-phone-earlier-report")
    seen.locator("#superseded a").first.click()
    seen.locator(".agreement").wait_for()
    assert seen.locator("#superseded").count() == 0, "the later signature holds"


def test_after_the_refusal_a_stopped_specimen_is_gone_on_with(
    page: Served, service: SpecimenService, window: Window
) -> None:
    count_into(page.store, "B-2", 8, target=200)
    nurse = window("OPE", width=PHONE)
    nurse.on("dialog", lambda dialog: dialog.accept())
    nurse.goto("/")
    nurse.locator("#specimen_id").fill("B-2")
    nurse.get_by_role("button", name="Start counting").click()
    nurse.locator("#start .error:not(:empty)").wait_for()
    assert "was stopped: resume it" in nurse.locator("#start .error").inner_text()
    nurse.get_by_text("Go on counting one that was stopped").click()
    nurse.locator("#resumed").select_option("B-2")
    assert barriers(nurse) == []
    keep(nurse, "en-phone-resume")
    nurse.get_by_role("button", name="Go on counting").click()
    nurse.wait_for_url("**/live")
    found = service.specimen("B-2")
    assert (found.state, found.cells, found.target) == ("open", 8, 200)
    assert service.history("B-2")[-1].operator == "OPE"
    page.ask("POST", "/api/v1/specimens/B-2/stop", {}, cookie=page.sign_in("OPE"))

    nurse.goto("/specimens/B-2/review")
    nurse.locator("summary", has_text="Go on counting").click()
    nurse.locator("#resume button").click()
    nurse.wait_for_url("**/live")
    assert service.specimen("B-2").state == "open"
    page.ask("POST", "/api/v1/specimens/B-2/stop", {}, cookie=page.sign_in("OPE"))


def test_a_signed_specimen_is_discarded_with_the_pin_and_a_reason(
    page: Served, service: SpecimenService, window: Window
) -> None:
    count_into(page.store, "B-3", 8, target=8)
    service.sign(SignSpecimen(specimen_id="B-3", operator="REV"))
    reviewer = window("REV", width=PHONE)
    reviewer.on("dialog", lambda dialog: dialog.accept())
    reviewer.goto("/specimens/B-3/review")
    reviewer.locator("summary", has_text="Discard it").click()
    assert barriers(reviewer) == []
    keep(reviewer, "en-phone-discard")
    reviewer.locator("#discard #why").fill("mixed up")
    reviewer.locator("#own").fill("000000")
    reviewer.locator("#discard button").click()
    reviewer.locator("#discard .error:not(:empty)").wait_for()
    assert reviewer.locator("#discard .error").inner_text() == "Wrong PIN."
    assert service.specimen("B-3").state == "final"
    reviewer.locator("#own").fill(PIN)
    reviewer.locator("#discard button").click()
    reviewer.wait_for_url("**/specimens")
    assert service.history("B-3")[-1].operator == "REV"
    reviewer.goto("/specimens/B-3/report")
    assert "mixed up" in reviewer.locator(".notice").inner_text()
    assert "REV" in reviewer.locator(".notice").inner_text()
