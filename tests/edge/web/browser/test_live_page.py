"""The Live screen: a lost request, a count that ends by itself, a device that starts none by command."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec
import pytest
from PIL import Image
from samples import LABELS, cell, field
from served import Served

from edge.messages.live import PICTURE, STATE, LiveCell, LiveFrame
from edge.store.fields import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page, Response

SOUNDS = """
  window.sounds = 0;
  const level = { setValueAtTime() {}, exponentialRampToValueAtTime() {} };
  const part = { connect: (to) => to, start() {}, stop() {}, frequency: {}, gain: level };
  window.AudioContext = class {
    currentTime = 0;
    createOscillator() { window.sounds += 1; return part; }
    createGain() { return part; }
  };
"""
"""Counts what would be heard: two sounds a chime."""

_numbers = itertools.count(1)


@pytest.fixture
def specimen_id(page: Served) -> Iterator[str]:
    """Return a specimen that is counted: 4 of its 8 cells."""
    found = f"L-{next(_numbers)}"
    with Store.open(page.store) as store:
        store.ledger.start(found, target=8, wbc_count=None, resume=False)
    count(page, found)
    yield found
    with Store.open(page.store) as store:
        if store.ledger.open_by_command() is not None:
            store.ledger.stop()


@pytest.fixture
def live(specimen_id: str, window) -> Page:
    """Return the screen while it is counted, with the sound on: one chime was heard."""
    found = window("OPE")
    found.add_init_script(SOUNDS)
    found.goto("/live")
    found.get_by_role("heading", name=specimen_id).wait_for()
    found.get_by_text("4 of 8 cells").wait_for()
    found.get_by_role("button", name="Sound when enough").click()
    assert found.evaluate("sounds") == 2
    return found


def count(page: Served, specimen_id: str, *, last: bool = False) -> None:
    """Count four cells more. last: they are enough, and the daemon stops with them."""
    with Store.open(page.store) as store, store.transaction():
        assert store.add(field(store.next_sequence(), *map(cell, LABELS), specimen_id=specimen_id))
        if last:
            store.ledger.stop(specimen_id, "the target of 8 cells is reached")


def wait_for_answers(live: Page, specimen_id: str, number: int) -> None:
    """Until the screen has asked for the count so many times more."""
    for _ in range(number):
        with live.expect_response(f"**/api/v1/specimens/{specimen_id}"):
            pass


def test_a_lost_request_is_said_until_the_next_one_is_answered(live: Page, specimen_id: str) -> None:
    live.route(f"**/api/v1/specimens/{specimen_id}", lambda route: route.abort())
    lost = live.locator("#live .error:not(:empty)")
    lost.wait_for()
    assert "does not answer" in lost.inner_text()
    live.unroute(f"**/api/v1/specimens/{specimen_id}")
    lost.wait_for(state="detached")


def test_why_an_order_was_refused_stays_while_the_count_is_asked_for(live: Page, specimen_id: str) -> None:
    live.route("**/stop", lambda route: route.fulfill(status=409, json={"error": "it cannot be stopped"}))
    live.get_by_role("button", name="Stop counting").click()
    live.locator("#live .error:not(:empty)").wait_for()
    wait_for_answers(live, specimen_id, 2)
    assert live.locator("#live .error:not(:empty)").inner_text() == "It cannot be stopped"


def test_a_stop_that_was_lost_is_said_until_the_device_answers_again(live: Page, specimen_id: str) -> None:
    live.route("**/stop", lambda route: route.abort())
    live.route(f"**/api/v1/specimens/{specimen_id}", lambda route: route.abort())
    live.get_by_role("button", name="Stop counting").click()
    lost = live.locator("#live .error:not(:empty)")
    lost.wait_for()
    wait_for_lost(live, specimen_id, 2)
    assert lost.count() == 1, "it is said once"
    live.unroute(f"**/api/v1/specimens/{specimen_id}")
    lost.wait_for(state="detached")
    assert live.get_by_role("button", name="Stop counting").is_enabled()


def wait_for_lost(live: Page, specimen_id: str, number: int) -> None:
    """Until the screen has asked in vain for the count so many times more."""
    for _ in range(number):
        with live.expect_event(
            "requestfailed", lambda asked: asked.url.endswith(f"/api/v1/specimens/{specimen_id}")
        ):
            pass


def test_a_cell_that_the_model_is_not_sure_of_or_was_not_asked_of_is_outlined_with_a_question_mark(
    page: Served, window
) -> None:
    cells = (
        LiveCell((40, 40, 60, 60), "monocyte", 0.98, None),
        LiveCell((200, 100, 60, 60), "basophil", 0.4, "uncertain"),
        LiveCell((400, 300, 60, 60), "", 0.0, None),
    )
    state = LiveFrame(
        run_id="r",
        number=1,
        sequence=None,
        specimen_id=None,
        width=640,
        height=480,
        cells=cells,
        refused=None,
        focus=1.0,
        simulated=False,
    )
    Image.new("RGB", (640, 480)).save(page.folder / "run" / PICTURE, "JPEG")
    (page.folder / "run" / STATE).write_bytes(msgspec.json.encode(state))
    seen = window("OPE")
    seen.goto("/live")
    seen.locator("#outlines rect").first.wait_for(state="attached")
    said = [each.text_content() for each in seen.locator("#outlines text").all()]
    assert said == ["Monocyte", "Basophil ?", "?"]
    dashed = [
        each.evaluate("each => getComputedStyle(each).strokeDasharray")
        for each in seen.locator("#outlines rect").all()
    ]
    assert dashed[0] == "none"
    assert "none" not in dashed[1:]


@pytest.mark.parametrize("screen", ["live", "microscope"])
def test_a_device_that_does_not_answer_is_not_taken_for_a_counter_that_does_not_run(
    screen: str, window
) -> None:
    seen = window("OPE")
    seen.route("**/events", lambda route: route.abort())
    seen.goto(f"/{screen}")
    seen.locator("#verdict", has_text="The device does not answer").wait_for()


def test_a_count_that_ends_with_its_last_cells_is_said_and_chimes(
    page: Served, live: Page, specimen_id: str
) -> None:
    count(page, specimen_id, last=True)
    notice = live.locator("#enough:not([hidden])")
    notice.wait_for()
    assert "enough cells are counted, and counting has ended" in notice.inner_text()
    assert specimen_id in notice.inner_text()
    assert live.evaluate("sounds") == 4
    live.get_by_text("Nothing is being counted.").wait_for()
    assert notice.is_visible()
    assert live.locator("#review").get_attribute("href") == f"/specimens/{specimen_id}"
    assert live.locator("#stop").is_hidden()
    assert live.locator("#to-start").is_visible()


def test_the_last_word_is_asked_for_until_it_is_there(page: Served, live: Page, specimen_id: str) -> None:
    live.route(f"**/api/v1/specimens/{specimen_id}", lambda route: route.abort())
    live.locator("#missed:not(:empty)").wait_for()
    count(page, specimen_id, last=True)
    live.get_by_text("Nothing is being counted.").wait_for()
    live.unroute(f"**/api/v1/specimens/{specimen_id}")
    live.locator("#enough:not([hidden])").wait_for()
    assert live.locator("#missed").inner_text() == ""
    assert live.evaluate("sounds") == 4


def test_enough_that_a_person_then_stops_chimes_once(page: Served, live: Page, specimen_id: str) -> None:
    count(page, specimen_id)
    live.get_by_text("Stop, then review and sign.").wait_for()
    with Store.open(page.store) as store:
        store.ledger.stop(specimen_id)
    live.get_by_text("counting has ended").wait_for()
    assert live.evaluate("sounds") == 4


def test_a_count_that_is_stopped_early_is_not_enough(page: Served, live: Page, specimen_id: str) -> None:
    def is_of_the_stopped(answer: Response) -> bool:
        here = answer.url.endswith(f"/specimens/{specimen_id}")
        return here and answer.json()["summary"]["state"] == "stopped"

    with live.expect_response(is_of_the_stopped):
        with Store.open(page.store) as store:
            store.ledger.stop(specimen_id)
        live.get_by_text("Nothing is being counted.").wait_for()
    live.evaluate("() => new Promise(requestAnimationFrame)")
    assert live.locator("#enough").is_hidden()
    assert live.evaluate("sounds") == 2


def test_where_the_camera_says_what_a_specimen_is_nobody_is_offered_to_start_or_stop(
    tmp_path: Path, open_page
) -> None:
    by_source = Served(tmp_path, camera='kind = "usb"\n[specimen]\nlifecycle = "source"')
    try:
        live = open_page(f"http://127.0.0.1:{by_source.port}")
        live.goto("/live")
        live.get_by_text("Nothing is being counted.").wait_for()
        assert live.locator("#to-start").is_hidden()
        with Store.open(by_source.store) as store:
            store.ledger.begin_endless("ward-3", "a camera")
        live.get_by_role("heading", name="ward-3").wait_for()
        assert live.locator("#review").is_visible()
        assert live.locator("#stop").is_hidden()
    finally:
        by_source.close()
