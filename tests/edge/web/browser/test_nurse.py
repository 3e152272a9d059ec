"""A nurse counts a specimen from its start to its signature, and touches nothing but the page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mqtt_partners import wait_for
from page_device import PATIENCE_S, PIN, TARGET, go_to, sign_in

from edge.specimens.service import SpecimenService

if TYPE_CHECKING:
    from page_device import PageDevice
    from playwright.sync_api import Page

LABELS = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")


def figures(page: Page) -> list[list[str]]:
    """Return the report's class and count, as they stand on it."""
    rows = page.locator("article table").first.locator("tbody tr")
    return [[row.locator("th").inner_text(), row.locator("td").first.inner_text()] for row in rows.all()]


def finish(page: Page, specimen_id: str) -> None:
    """Give the reason, where one is asked for, and the PIN; sign; be at the report."""
    page.wait_for_url(f"**/specimens/{specimen_id}/review")
    if page.locator("#reason").count():
        page.locator("#reason").fill("enough for today")
    page.locator("#pin").fill(PIN)


def test_from_the_start_to_the_signature_by_clicks(device: PageDevice, open_page) -> None:
    page = open_page(device.address, width=1280)
    sign_in(page)
    page.locator("#specimen_id").fill("S-1")
    page.locator("#total").fill("6,8")
    page.get_by_role("button", name="Start counting").click()
    page.wait_for_url("**/live")
    page.locator("#enough").wait_for(state="visible")
    assert page.locator("#picture").evaluate("image => image.naturalWidth") == 640
    assert re.fullmatch(rf"\d+ of {TARGET} cells", page.locator("#counted").inner_text())
    page.get_by_role("button", name="Stop counting").click()
    page.wait_for_url("**/specimens/S-1")

    page.get_by_role("button", name="Doubtful").click()
    page.get_by_role("button", name="All", exact=True).click()
    for number in range(3):
        tile = page.locator(".group:not(:has-text('Not counted')) .cell").nth(number)
        cell_id = tile.get_attribute("data-cell")
        tile.click()
        other = next(label for label in LABELS if label != device_cell(device, cell_id).model_label)
        page.locator(f'[data-act="relabel"][data-label="{other}"]').click()
        page.locator(f'.cell[data-cell="{cell_id}"] .person').wait_for()
        assert device_cell(device, cell_id).person_label == other
    # What is doubtful is looked at one by one, and the model was right.
    page.get_by_role("button", name="Doubtful").click()
    for cell_id in [tile.get_attribute("data-cell") for tile in page.locator(".cell").all()]:
        page.locator(f'.cell[data-cell="{cell_id}"]').click()
        page.get_by_role("button", name="Right").click()
        page.locator(f'.cell[data-cell="{cell_id}"]:not(.doubtful)').wait_for()
    page.locator("nav.row").get_by_role("link", name="Review and sign").click()
    finish(page, "S-1")
    page.get_by_role("button", name="Sign", exact=True).click()
    page.wait_for_url("**/specimens/S-1/report")

    shown = figures(page)
    said = device.differential("S-1")
    assert said.signature is not None
    assert said.signature.operator == "anna"
    assert said.renamed == 3
    assert said.wbc_count == 6.8
    assert [[each.label.capitalize(), str(each.count)] for each in said.classes] == shown
    wait_for(lambda: device.heard("S-1").signature is not None, "the signature on MQTT", PATIENCE_S)
    heard = device.heard("S-1")
    assert (heard.classes, heard.reviewed, heard.renamed) == (said.classes, said.reviewed, said.renamed)
    printed = device.cli("specimen", "show", "S-1")
    for label, count in shown:
        assert re.search(rf"{label.lower()}\s+{count}\b", printed), printed


def test_by_the_keyboard_alone(device: PageDevice, open_page) -> None:
    page = open_page(device.address, language="ar", width=1280)
    page.goto("/sign-in")
    go_to(page, "#code")
    page.keyboard.type("anna")
    go_to(page, "#pin")
    page.keyboard.type(PIN)
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    count_by_keys(page)
    name_by_keys(page, device)
    go_to(page, 'nav.row a[href$="/review"]', backwards=True)
    page.keyboard.press("Enter")
    page.wait_for_url("**/review")
    if page.locator("#reason").count():
        go_to(page, "#reason")
        page.keyboard.type("enough")
    go_to(page, "#pin")
    page.keyboard.type(PIN)
    page.keyboard.press("Enter")
    page.wait_for_url("**/report")
    assert device.differential("S-2").signature is not None


def count_by_keys(page: Page) -> None:
    """Start S-2 as a bar-code reader does, wait for its cells, stop."""
    page.locator("#specimen_id:focus").wait_for()
    page.keyboard.type("S-2")
    page.keyboard.press("Enter")  # as the reader ends: it goes on, and starts nothing
    page.locator("#total:focus").wait_for()
    go_to(page, "main button.first")
    page.keyboard.press("Enter")
    page.wait_for_url("**/live")
    page.locator("#enough").wait_for(state="visible")
    go_to(page, "#stop")
    page.keyboard.press("Enter")
    page.wait_for_url("**/specimens/S-2")
    page.locator(".cell").first.wait_for()


def name_by_keys(page: Page, device: PageDevice) -> None:
    """Go about in the gallery from right to left; exclude, take back, select two and rename both."""
    go_to(page, ".cell")
    ids = [tile.get_attribute("data-cell") for tile in page.locator(".cell").all()]
    page.keyboard.press("ArrowLeft")
    assert page.locator(".cell:focus").get_attribute("data-cell") == ids[1]
    page.keyboard.press("ArrowRight")
    assert page.locator(".cell:focus").get_attribute("data-cell") == ids[0]
    page.keyboard.press("x")
    page.locator(f'.cell.excluded[data-cell="{ids[0]}"]').wait_for()
    assert device_cell(device, ids[0]).excluded
    page.keyboard.press("u")
    page.locator(f'.cell:not(.excluded)[data-cell="{ids[0]}"]').wait_for()
    assert not device_cell(device, ids[0]).excluded
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    page.keyboard.press("2")
    for cell_id in ids[:2]:
        page.locator(f'.cell[data-cell="{cell_id}"] .person').wait_for()
    second = SpecimenService(device.config).classes()[1]
    assert {device_cell(device, cell_id).person_label for cell_id in ids[:2]} == {second}


def test_a_wrong_pin_is_said_and_signs_nothing(device: PageDevice, open_page) -> None:
    page = open_page(device.address)
    page.goto("/sign-in")
    page.locator("#code").fill("anna")
    page.locator("#pin").fill("000000")
    page.locator("form[data-post] button").click()
    page.locator(".error:not(:empty)").wait_for()
    assert page.url.endswith("/sign-in")


def device_cell(device: PageDevice, cell_id: str):
    found = SpecimenService(device.config).cell(cell_id)
    assert found is not None
    return found.record
