"""What a nurse meets who has never seen the page: nothing cut off, nothing to be guessed, plain words."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import cv2
import pytest
from barriers import PHONE, keep
from served import PIN
from stored import count_into

from edge.cameras import open_camera
from edge.config import SimulatedConfig
from edge.messages.commands import ReviewCells, SignSpecimen
from edge.web.languages import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page
    from served import Served

    from edge.specimens.service import SpecimenService

    Window = Callable[..., Page]

WIDTHS = (PHONE, 768, 820, 1024, 1280)
"""A phone, tablets held upright and across, a desk."""

LEAST_PX = 11
"""How high a line is at least that can be read."""


@pytest.fixture(scope="module")
def waiting(page: Served, service: SpecimenService) -> str:
    """Return a specimen of 400 cells with its total white count, of which 130 were looked at."""
    ids = count_into(page.store, "N-1", 400, target=400)
    named = {"specimen_id": "N-1", "action": "relabel", "label": "immature granulocyte", "operator": "OPE"}
    service.review(ReviewCells(cell_ids=tuple(ids[:130]), **named))
    count = {"wbc_count": "104.25"}
    path = "/api/v1/specimens/N-1/wbc-count"
    assert page.ask("POST", path, count, cookie=page.sign_in("REV")).status == 200
    return "N-1"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_figure_is_cut_off_however_wide_the_screen(waiting: str, window: Window, language: str) -> None:
    seen = window("REV", language=language)
    for screen in ("review", "report"):
        for width in WIDTHS:
            seen.set_viewport_size({"width": width, "height": 900})
            seen.goto(f"/specimens/{waiting}/{screen}")
            for table in seen.locator(".table").all():
                assert table.evaluate("each => each.scrollWidth - each.clientWidth") <= 0, (screen, width)


def test_the_figures_are_seen_before_the_signature(waiting: str, window: Window) -> None:
    seen = window("REV", width=PHONE)
    seen.goto(f"/specimens/{waiting}/review")
    keep(seen, "en-phone-first-use-review")
    top = {part: seen.locator(part).first.bounding_box()["y"] for part in (".conditions", "table", "#sign")}
    assert top[".conditions"] < top["table"] < top["#sign"]
    seen.set_viewport_size({"width": 1280, "height": 800})
    figures, sign = (seen.locator(part).bounding_box() for part in (".figures", "#sign"))
    assert sign["x"] + sign["width"] < figures["x"], "they stand beside each other"
    assert figures["y"] < sign["y"] < figures["y"] + figures["height"]


@pytest.mark.parametrize("width", [640, 4000])
@pytest.mark.parametrize("screen", [PHONE, 1280])
def test_the_name_over_a_cell_can_be_read(width: int, screen: int, window: Window, tmp_path: Path) -> None:
    with closing(open_camera(SimulatedConfig())) as camera:
        pixels = cv2.cvtColor(camera.read().pixels, cv2.COLOR_RGB2BGR)
    path = tmp_path / "photograph.jpg"
    cv2.imwrite(str(path), cv2.resize(pixels, (width, width * 3 // 4), interpolation=cv2.INTER_CUBIC))
    seen = window("OPE", width=screen)
    seen.goto("/pictures")
    seen.locator("#files").set_input_files(path)
    seen.locator(".picture svg text").first.wait_for()
    for name in seen.locator(".picture svg text").all():
        assert name.bounding_box()["height"] > LEAST_PX
        size = float(name.get_attribute("font-size"))
        assert name.evaluate("each => parseFloat(getComputedStyle(each).fontSize)") == pytest.approx(
            size, rel=0.01
        )


def test_the_name_over_a_cell_of_the_live_picture_can_be_read_on_a_phone(window: Window) -> None:
    seen = window("OPE", width=PHONE)
    seen.goto("/live")
    high = seen.evaluate(
        """async () => {
          const { outline } = await import("/static/preview.js");
          const svg = document.getElementById("outlines");
          outline(svg, 1640, 1232, [{ box: [800, 600, 120, 120], label: "x" }], () => "Neutrophil");
          return svg.querySelector("text").getBoundingClientRect().height;
        }"""
    )
    assert high > LEAST_PX


def test_the_cell_that_an_order_is_for_is_marked_among_the_others(page: Served, window: Window) -> None:
    count_into(page.store, "N-2", 8, target=8)
    seen = window("OPE", width=PHONE)
    seen.goto("/specimens/N-2")
    seen.locator(".cell").first.click()
    seen.get_by_role("button", name="Right").click()
    seen.locator("#selected", has_text="Done.").wait_for()
    styles = seen.locator(".cell").evaluate_all(
        "all => all.map((each) => getComputedStyle(each).borderTopStyle)"
    )
    large = seen.locator("#large-picture").get_attribute("src")
    marked = [number for number, style in enumerate(styles) if style == "dashed"]
    assert marked == [1]
    assert seen.locator(".cell img").nth(1).get_attribute("src") == large


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_rarer_names_are_in_sight_on_a_phone(waiting: str, window: Window, language: str) -> None:
    seen = window("OPE", language=language, width=PHONE)
    seen.goto(f"/specimens/{waiting}")
    seen.locator(".cell").first.wait_for()
    keep(seen, f"{language}-phone-gallery-rarer")
    panel, rarer = (seen.locator(part).bounding_box() for part in (".gallery-side", ".rarer > summary"))
    assert rarer["y"] + rarer["height"] <= panel["y"] + panel["height"]


def test_what_was_signed_and_then_discarded_passes_for_discarded(
    page: Served, service: SpecimenService, window: Window
) -> None:
    count_into(page.store, "N-3", 4, target=4)
    service.sign(SignSpecimen(specimen_id="N-3", operator="REV"))
    body = {"pin": PIN, "reason": "mixed up"}
    path = "/api/v1/specimens/N-3/discard"
    assert page.ask("POST", path, body, cookie=page.sign_in("REV")).status == 200
    seen = window("REV", width=PHONE)
    asked = []
    seen.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    seen.goto("/specimens/N-3/review")
    assert "Discarded: mixed up" in seen.locator("#discarded").inner_text()
    assert seen.get_by_role("heading", name="Signed").count() == 0
    assert seen.get_by_text("signing then needs a reason").count() == 0
    seen.goto("/specimens/N-3")
    assert "Discarded: mixed up" in seen.locator("#discarded").inner_text()
    seen.locator(".cell").first.click()
    seen.get_by_role("button", name="Right").click()
    seen.locator(".gallery-side .error:not(:empty)").wait_for()
    assert asked == [], "no reason is asked for what is refused all the same"


def test_a_space_that_nobody_sees_keeps_nobody_out(page: Served, window: Window) -> None:
    seen = window("OPE ", width=PHONE)
    seen.goto("/")
    seen.locator("#specimen_id").fill(" N-4 ")
    seen.get_by_role("button", name="Start counting").click()
    seen.wait_for_url("**/live")
    page.ask("POST", "/api/v1/specimens/N-4/stop", {}, cookie=page.sign_in("OPE"))


def test_a_refusal_says_its_place_as_the_screen_does(window: Window) -> None:
    seen = window("OPE", width=PHONE)
    seen.goto("/")
    for number, total, start in (
        ("...", "", "Number of the specimen: it has a letter"),
        ("N-5", "68000", "Total white count: 68000 10^9/L: a white count is above 0"),
        ("N-3", "", "Specimen N-3 is there already"),
    ):
        seen.locator("#specimen_id").fill(number)
        seen.locator("#total").fill(total)
        seen.get_by_role("button", name="Start counting").click()
        seen.locator("#start .error", has_text=start).wait_for()
        assert seen.locator("#start .error").inner_text().startswith(start)
    assert "A to Z" in seen.locator("#specimen_id").get_attribute("title")
    seen.goto("/specimens/none")
    assert seen.locator("h1").inner_text() == "There is no specimen none"


@pytest.mark.parametrize("language", LANGUAGES)
def test_cells_are_in_sight_on_a_phone_before_anything_is_touched(
    waiting: str, window: Window, language: str
) -> None:
    seen = window("REV", language=language, width=PHONE)
    seen.goto(f"/specimens/{waiting}")
    seen.locator(".cell").first.wait_for()
    panel, photo = (seen.locator(part).first.bounding_box() for part in (".gallery-side", ".cell .photo"))
    assert photo["y"] + photo["height"] <= panel["y"] + 1
