"""Which cells an order of the gallery is for, by mouse, by key and by finger, and what it says of them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec
import pytest
from barriers import barriers
from samples import cell, field
from stored import count_into

from edge.config import load_config
from edge.messages.commands import ReviewCells
from edge.slide.contribution import SMEARED, UNSTEADY, standing
from edge.specimens.service import SpecimenService
from edge.store.fields import Store
from edge.web.languages import LANGUAGES

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from served import Served

_numbers = itertools.count(1)


class Tiles:
    """A specimen of twelve cells in a browser: its tiles, and what the store has of them."""

    def __init__(self, page: Served, window: Page) -> None:
        self.specimen_id = f"C-{next(_numbers)}"
        count_into(page.store, self.specimen_id, 12, target=12)
        self.service = SpecimenService(load_config(page.config))
        self.window = window
        window.goto(f"/specimens/{self.specimen_id}")
        self.all.nth(11).wait_for(state="attached")

    @property
    def all(self) -> Locator:
        return self.window.locator(".cell")

    def excluded(self) -> list[int]:
        """Return which tiles are of no white cell by now, once the page says that the order is done."""
        self.window.locator("#selected", has_text="Done.").wait_for()
        ids = [tile.get_attribute("data-cell") for tile in self.all.all()]
        return [ids.index(each.cell_id) for each in self.service.words(self.specimen_id)]


@pytest.fixture
def tiles(page: Served, window) -> Tiles:
    return Tiles(page, window("OPE"))


@pytest.mark.parametrize("how", ["x", "button"])
@pytest.mark.parametrize("step", ["ArrowRight", "Tab"])
def test_an_order_is_for_the_cell_that_is_seen_large_not_for_one_that_was_clicked_before(
    tiles: Tiles, step: str, how: str
) -> None:
    tiles.all.nth(0).click()
    if step == "Tab":  # Tab goes to one cell only, so this is what it does
        tiles.all.nth(2).focus()
    else:
        tiles.window.keyboard.press("ArrowRight")
        tiles.window.keyboard.press("ArrowRight")
    assert tiles.window.locator(".cell[aria-selected=true]").count() == 0
    assert tiles.window.locator("#selected").inner_text() == ""
    if how == "x":
        tiles.window.keyboard.press("x")
    else:
        tiles.window.get_by_role("button", name="Not a white cell").click()
    assert tiles.excluded() == [2]


def test_one_that_was_clicked_is_the_order_of_the_next_button(tiles: Tiles) -> None:
    tiles.all.nth(4).click()
    assert tiles.all.nth(4).get_attribute("aria-selected") == "true"
    tiles.window.get_by_role("button", name="Not a white cell").click()
    assert tiles.excluded() == [4]


@pytest.mark.parametrize("how", ["Space", "Control", "button"])
def test_several_that_are_chosen_stay_chosen_while_the_focus_moves(tiles: Tiles, how: str) -> None:
    if how == "button":
        tiles.window.locator("#several").click()
    for number in (1, 3):
        if how == "Space":
            tiles.all.nth(number).focus()
            tiles.window.keyboard.press("Space")
        else:
            # The first by a plain click: who then holds Ctrl goes on with it.
            tiles.all.nth(number).click(modifiers=["Control"] if how == "Control" and number == 3 else [])
    tiles.window.keyboard.press("ArrowRight")
    assert tiles.window.locator("#selected").inner_text() == "Selected: 2"
    tiles.window.keyboard.press("x")
    assert sorted(tiles.excluded()) == [1, 3]


KEYS = [
    ("x", "KeyX", "excluded"),
    ("X", "KeyX", "excluded"),  # with Caps Lock
    ("\u0621", "KeyX", "excluded"),  # Arabic
    ("\u0661", "Digit1", "eosinophil"),
    ("1", "Numpad1", "eosinophil"),
    ("\u09e7", "Numpad1", "eosinophil"),
    ("&", "Digit1", "eosinophil"),  # French
    ("q", "KeyX", None),  # Dvorak: what is printed on the key is meant
    ("End", "Numpad1", None),  # without Num Lock
]


@pytest.mark.parametrize(("key", "code", "word"), KEYS)
def test_keys_do_as_they_say_on_every_keyboard(tiles: Tiles, key: str, code: str, word: str | None) -> None:
    pressed = """([key, code]) => document.activeElement.dispatchEvent(
        new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true }))"""
    tiles.all.nth(1).focus()
    tiles.window.evaluate(pressed, [key, code])
    if word is None:
        tiles.window.wait_for_timeout(300)
        assert tiles.service.words(tiles.specimen_id) == []
        return
    tiles.window.locator("#selected", has_text="Done.").wait_for()
    (said,) = tiles.service.words(tiles.specimen_id)
    assert (said.label or "excluded") == word


def sizes(tiles: Tiles) -> dict[str, int]:
    """Return how many cells each group has, as its heading says it."""
    heads = tiles.window.locator("#groups h2").all_text_contents()
    return {name: int(size) for name, size in (head.rsplit(" ", 1) for head in heads)}


def test_the_headings_count_right_while_the_cells_stay_where_they_are(tiles: Tiles) -> None:
    assert sizes(tiles) == {"Neutrophil": 3, "Lymphocyte": 3, "Monocyte": 3, "Eosinophil": 3}
    first = tiles.all.nth(0).get_attribute("data-cell")
    tiles.all.nth(0).click()
    tiles.window.get_by_role("button", name="Monocyte").click()
    tiles.window.locator("#selected", has_text="Done.").wait_for()
    assert sizes(tiles) == {"Neutrophil": 3, "Lymphocyte": 3, "Monocyte": 4, "Eosinophil": 2}
    assert tiles.all.nth(0).get_attribute("data-cell") == first
    tiles.all.nth(0).click()
    tiles.window.get_by_role("button", name="Not a white cell").click()
    tiles.window.locator("#selected", has_text="Done.").wait_for()
    assert sizes(tiles) == {"Neutrophil": 3, "Lymphocyte": 3, "Monocyte": 3, "Eosinophil": 2}
    tiles.window.get_by_role("button", name="All").click()
    left = {"Neutrophil": 3, "Lymphocyte": 3, "Monocyte": 3, "Eosinophil": 2}
    assert sizes(tiles) == {**left, "Not a white cell": 1}


@pytest.mark.parametrize(
    ("aside", "words"),
    [
        (UNSTEADY, "Not counted: not found again in most of the pictures that show it"),
        (SMEARED, "Not counted: its picture is smeared by movement"),
        ("uncertain", "Not counted: the model is not sure"),
    ],
)
def test_why_a_cell_is_not_counted_is_said(page: Served, window, aside: str, words: str) -> None:
    name = f"A-{aside[:3]}"
    with Store.open(page.store) as store:
        store.ledger.start(name, target=4, wbc_count=None, resume=False)
        apart = cell("neutrophil", rejected=aside if aside == "uncertain" else None)
        found = field(store.next_sequence(), cell("monocyte"), apart, specimen_id=name)
        store.add(found, cells=[standing(found.cells[0]), standing(apart, aside)])
        store.ledger.stop(name)
    looker = window("OPE")
    looker.goto(f"/specimens/{name}")
    looker.locator(f'.cell[data-cell="{apart.cell_id}"]').click()
    assert words in looker.locator("#more-words").inner_text()


def test_a_second_guess_of_no_percent_is_none(page: Served, window) -> None:
    with Store.open(page.store) as store:
        store.ledger.start("G-1", target=4, wbc_count=None, resume=False)
        guesses = ({"monocyte": 1 - second, "basophil": second} for second in (0.004, 0.04))
        sure, torn = (msgspec.structs.replace(cell("monocyte"), probabilities=each) for each in guesses)
        found = field(store.next_sequence(), sure, torn, specimen_id="G-1")
        store.add(found, cells=[standing(each) for each in found.cells])
        store.ledger.stop("G-1")
    looker = window("OPE")
    looker.goto("/specimens/G-1")
    said = {}
    for each in (sure, torn):
        tile = looker.locator(f'.cell[data-cell="{each.cell_id}"]')
        tile.click()
        said[each.cell_id] = (
            tile.locator(".second").inner_text(),
            looker.locator("#large-words").inner_text(),
        )
    assert said[sure.cell_id][0] == ""
    assert "Second guess" not in said[sure.cell_id][1]
    assert said[torn.cell_id][0] == "Basophil 4\xa0%"
    assert "Second guess: Basophil, 4\xa0%" in said[torn.cell_id][1]


def test_cells_that_are_kept_no_longer_are_not_said_to_be_none(page: Served, window) -> None:
    count_into(page.store, "P-1", 8)
    with Store.open(page.store) as store:
        store.mark_delivered([each.field_id for each in store.fields("P-1")])
        assert store.upkeep.drop_oldest_delivered(100) == 2
    looker = window("OPE")
    looker.goto("/specimens/P-1?show=doubtful")
    assert "kept no longer" in looker.locator("#groups p").inner_text()


SEEN = """(each) => {
  const box = each.getBoundingClientRect();
  const at = (part) => document.elementFromPoint(box.x + box.width / 2, box.y + part * box.height);
  return [0.1, 0.4].every((part) => each.contains(at(part)));
}"""
"""Whether a thing lies in the window, most of its upper half at least, and nothing over it."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_on_a_phone_cells_and_buttons_are_seen_at_first_sight(page: Served, window, language: str) -> None:
    looker = window("OPE", language=language, width=360)
    shown = Tiles(page, looker)
    assert looker.viewport_size == {"width": 360, "height": 740}
    for each in (
        shown.all.nth(0).locator(".photo"),
        looker.locator("#maps"),
        looker.locator("[data-act=confirm]"),
    ):
        assert each.evaluate(SEEN), each
    assert barriers(looker) == []


@pytest.mark.parametrize("language", ["en", "fr", "ar"])
def test_on_a_phone_held_across_a_cell_and_its_names_are_seen_together(
    page: Served, window, language: str
) -> None:
    looker = window("OPE", language=language, width=360)
    looker.set_viewport_size({"width": 740, "height": 360})
    shown = Tiles(page, looker)
    shown.all.nth(0).click()
    shown.all.nth(0).evaluate("(each) => each.scrollIntoView({ block: 'center' })")
    for each in (shown.all.nth(0).locator(".photo"), *looker.locator(".actions > [data-act=relabel]").all()):
        assert each.evaluate(SEEN), each
    assert barriers(looker) == []


def test_right_is_said_of_the_name_on_the_screen_or_refused(tiles: Tiles) -> None:
    ids = [tile.get_attribute("data-cell") for tile in tiles.all.all()]
    other = {"specimen_id": tiles.specimen_id, "operator": "REV"}
    tiles.service.review(ReviewCells(cell_ids=(ids[1],), action="relabel", label="basophil", **other))
    for number in (0, 1):
        tiles.all.nth(number).focus()
        tiles.window.keyboard.press("Space")
    tiles.window.keyboard.press("c")
    tiles.window.locator(".gallery-side .error:not(:empty)").wait_for()
    assert "is called basophil by now" in tiles.window.locator(".gallery-side .error").inner_text()
    assert [each.operator for each in tiles.service.words(tiles.specimen_id)] == ["REV"], (
        "nothing has changed"
    )
    assert "Basophil" in tiles.all.nth(1).inner_text(), "and who presses again sees what it is called"
    tiles.window.keyboard.press("c")
    tiles.window.locator("#selected", has_text="Done.").wait_for()
    assert {each.label for each in tiles.service.words(tiles.specimen_id)[1:]} >= {"basophil"}
