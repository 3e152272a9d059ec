"""The camera calibrated on the page, while the counter runs; and what stands in the way."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from barriers import DESKTOP, PHONE, barriers, keep
from mqtt_partners import wait_for
from page_device import CODE, PATIENCE_S, go_to, sign_in
from PIL import Image

from edge.cameras.calibration.file import read_calibration
from edge.messages.commands import StartSpecimen, StopSpecimen
from edge.people import People
from edge.specimens.service import SpecimenService
from edge.store.fields import Store
from edge.web.languages import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from page_device import PageDevice
    from playwright.sync_api import Page

DARK = {"fr", "ar"}


@pytest.fixture
def calibration(device: PageDevice) -> Iterator[Path]:
    """Return the file of the calibration in use, which is not there yet; the camera sees clear glass."""
    device.revive()
    device.show("glass")
    folder = device.folder / "calibration"
    for each in folder.glob("*"):
        each.unlink()
    yield folder / "camera.json"
    device.show("slide")


def opened(open_page, device: PageDevice, **how) -> Page:
    """Return the screen, the live picture on it."""
    page = open_page(device.address, **how)
    sign_in(page, "/microscope")
    page.locator("#figure:not(:empty)").wait_for()
    return page


def measured(page: Page) -> None:
    page.locator("#measure button").click()
    page.locator("#measured").wait_for(state="visible")


def refusal(page: Page) -> str:
    """Press the button, and return why it could not be."""
    page.locator("#measure button").click()
    page.locator("#measure .error:not(:empty)").wait_for()
    assert page.locator("#measured").is_hidden()
    assert page.locator("#measuring").inner_text() == ""
    return page.locator("#measure .error").inner_text()


def calibrations_of_fields(device: PageDevice, specimen_id: str) -> set[str | None]:
    """Count a little of a specimen, and return by which calibrations its fields were corrected."""
    service = SpecimenService(device.config)
    service.start(StartSpecimen(specimen_id=specimen_id))

    def found() -> list[str | None]:
        with Store.open(device.folder / "results.db") as store:
            return [each.calibration for each in store.fields(specimen_id)]

    wait_for(lambda: len(found()) > 2, "fields", PATIENCE_S)
    service.stop(StopSpecimen(specimen_id=specimen_id))
    return set(found())


def evenness(page: Page, name: str) -> float:
    """Return the least light over the most of one of the two pictures, in its corners and its middle."""
    answer = page.request.get(f"/api/v1/calibration/{name}.jpg")
    pixels = np.asarray(Image.open(io.BytesIO(answer.body())), float)
    places = [pixels[y : y + 40, x : x + 40] for y in (0, 220, 440) for x in (0, 300, 600)]
    means = np.array([place.mean((0, 1)) for place in places])
    return float(means.min() / means.max())


def test_from_clear_glass_to_even_light_by_the_keyboard_alone(
    device: PageDevice, open_page, calibration: Path
) -> None:
    page = opened(open_page, device)
    assert "Not calibrated yet." in page.locator("#in-use").inner_text()
    go_to(page, "#measure button")
    page.keyboard.press("Enter")
    page.locator("#measured h3:focus").wait_for()
    light = page.locator("#light").inner_text()
    found = re.fullmatch(r"(\d+)\s% of the light in the brightest part; evened out (\d+)\s%", light)
    assert found, light
    assert int(found[1]) < 75
    assert int(found[2]) > 97
    assert page.locator("#exposure").inner_text() == "This camera lets nobody set it."
    assert evenness(page, "before") < 0.7
    assert evenness(page, "after") > 0.95
    for name in ("before", "after"):
        page.wait_for_function(f"document.getElementById('{name}').naturalWidth === 640")
    assert not calibration.exists(), "nothing is changed by measuring"

    go_to(page, "#use button")
    page.keyboard.press("Enter")
    page.get_by_text("Done. The light is evened out").wait_for()
    page.get_by_text("Evened out as measured on").wait_for()
    assert page.locator("#measured").is_hidden()
    made = read_calibration(calibration)
    device.show("slide")
    assert calibrations_of_fields(device, "C-1") == {made.id}
    device.counter.kill()
    device.counter.wait()
    device.start_counter()
    assert calibrations_of_fields(device, "C-2") == {made.id}, "remembered"

    page.goto("/people")
    page.locator("details:has(#trail) summary").click()
    said = [row.inner_text().split("\t") for row in page.locator("#trail tbody tr").all()]
    done = {(who, what): outcome for _, who, what, outcome, _ in said}
    assert done[CODE, "Measure the light"] == "Done."
    assert done[CODE, f"Use the measurement {made.id}"] == "Done."


def test_what_is_discarded_changes_nothing(device: PageDevice, open_page, calibration: Path) -> None:
    page = opened(open_page, device)
    measured(page)
    page.get_by_role("button", name="Use the measurement").click()
    page.get_by_text("Done. The light is evened out").wait_for()
    before = calibration.read_bytes()
    measured(page)
    page.get_by_role("button", name="Discard the measurement").click()
    page.get_by_text("Discarded. Nothing is changed.").wait_for()
    assert calibration.read_bytes() == before
    page.reload()
    page.locator("#figure:not(:empty)").wait_for()
    assert page.locator("#measured").is_hidden()
    done = {each.action for each in People.beside(device.config.store.path).trail(5) if each.code == CODE}
    assert "discard the calibration" in done


@pytest.mark.parametrize(
    ("shown", "english", "french"),
    [
        ("slide", "The field is not empty", "Le champ n'est pas vide"),
        ("dark", "The field is too dark: its brightest channel is at", "Le champ est trop sombre"),
        ("bright", "The field is clipped to white: dim the lamp", "Le champ est saturé de blanc"),
    ],
)
def test_a_field_that_cannot_be_measured_is_refused_in_a_sentence(
    shown: str, english: str, french: str, device: PageDevice, open_page, calibration: Path
) -> None:
    device.show(shown)
    assert refusal(opened(open_page, device)).startswith(english)
    assert refusal(opened(open_page, device, language="fr", width=PHONE)).startswith(french)
    assert list(calibration.parent.glob("*.json")) == [calibration.parent / "state.json"]


def test_while_a_specimen_is_counted_nothing_is_measured_and_nothing_used(
    device: PageDevice, open_page, calibration: Path
) -> None:
    page = opened(open_page, device)
    measured(page)
    service = SpecimenService(device.config)
    service.start(StartSpecimen(specimen_id="C-3"))
    try:
        page.locator("#use button").click()
        page.locator("#use .error:not(:empty)").wait_for()
        assert page.locator("#use .error").inner_text() == "Specimen C-3 is open: stop it first"
        assert not calibration.exists()
        page.locator("#measure button").click()
        page.locator("#measure .error:not(:empty)").wait_for()
        assert page.locator("#measure .error").inner_text() == "Specimen C-3 is open: stop it first"
    finally:
        service.stop(StopSpecimen(specimen_id="C-3"))


def test_killed_between_measuring_and_using_it_is_as_it_was_and_can_still_be_used(
    device: PageDevice, open_page, calibration: Path
) -> None:
    page = opened(open_page, device)
    measured(page)
    page.locator("#use button").click()
    page.get_by_text("Done. The light is evened out").wait_for()
    before = calibration.read_bytes()
    measured(page)
    for process in (device.counter, device.page):
        process.kill()
        process.wait()
    assert calibration.read_bytes() == before
    device.start_counter()
    device.start_page()
    device.show("slide")
    assert calibrations_of_fields(device, "C-4") == {read_calibration(calibration).id}
    page.goto("/microscope")
    page.locator("#measured").wait_for(state="visible")
    page.locator("#use button").click()
    page.get_by_text("Done. The light is evened out").wait_for()
    after = read_calibration(calibration)
    assert calibration.read_bytes() != before
    assert calibrations_of_fields(device, "C-5") == {after.id}


def test_a_counter_that_is_killed_while_it_measures_or_does_not_run_is_said(
    device: PageDevice, open_page, calibration: Path
) -> None:
    page = opened(open_page, device)
    page.locator("#measure button").click()
    wait_for((calibration.parent / "state.json").exists, "measuring", PATIENCE_S)
    device.counter.kill()
    device.counter.wait()
    page.locator("#measure .error:not(:empty)").wait_for()
    assert (
        "The counter ended while it measured; nothing is changed" in page.locator(".error").first.inner_text()
    )
    assert not calibration.exists()
    assert refusal(page).startswith("The counter does not answer")
    device.start_counter()
    page.locator("#measured").wait_for(state="hidden")
    wait_for(lambda: page.locator("#verdict.warn").count() == 0, "a picture", PATIENCE_S)
    measured(page)


@pytest.mark.usefixtures("calibration")
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_was_measured_can_be_read_by_everybody(language: str, device: PageDevice, open_page) -> None:
    page = opened(open_page, device, language=language, dark=language in DARK, width=PHONE)
    measured(page)
    assert barriers(page) == []
    keep(page, f"{language}-phone-calibrating")
    if language in {"en", "ar"}:
        page.set_viewport_size({"width": DESKTOP, "height": 800})
        keep(page, f"{language}-desktop-calibrating")
