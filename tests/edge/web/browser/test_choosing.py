"""Which cells an order of the gallery is for, by mouse, by key and by finger, and what it says of them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from stored import count_into

from edge.config import load_config
from edge.messages.commands import ReviewCells
from edge.specimens.service import SpecimenService

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
    assert tiles.window.locator("#selected").inner_text() == "Selected: 0"
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
