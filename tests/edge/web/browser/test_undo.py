"""Words taken back in the gallery: those that were given there and hold; and what a signature asks for."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from stored import count_into

from edge.config import load_config
from edge.messages.commands import ReviewCells, SignSpecimen
from edge.specimens.service import SpecimenService

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page, Route
    from served import Served

OTHER = "M2"
NOTHING = "Nothing to undo."

_numbers = itertools.count(1)


class Gallery:
    """A specimen of eight cells in a browser, and the store under it, in which others name cells, too."""

    def __init__(self, page: Served, window: Page) -> None:
        self.specimen_id = f"U-{next(_numbers)}"
        self.ids = count_into(page.store, self.specimen_id, 8, target=8)
        self.service = SpecimenService(load_config(page.config))
        self.window = window

    def open(self) -> None:
        """Show it."""
        self.window.goto(f"/specimens/{self.specimen_id}")
        self.window.locator(".cell").nth(7).wait_for(state="attached")

    def press(self, key: str, cell_id: str | None = None) -> None:
        """Press a key, with the focus on a cell, which does not choose it."""
        if cell_id is not None:
            self.tile(cell_id).focus()
        self.window.keyboard.press(key)

    def choose(self, *ids: str) -> None:
        """Choose cells."""
        for cell_id in ids:
            self.press("Space", cell_id)

    def tile(self, cell_id: str, state: str = ""):
        """Return a cell's tile, where it is in a state."""
        return self.window.locator(f'.cell{state}[data-cell="{cell_id}"]')

    def exclude(self, *ids: str) -> None:
        """Call cells no white cells, and see that the page has it."""
        if len(ids) > 1:
            self.choose(*ids)
        self.press("x", ids[-1])
        for cell_id in ids:
            self.tile(cell_id, ".excluded").wait_for(state="attached")
        self.expect("Done.")  # until then the page takes no other order

    def expect(self, words: str) -> None:
        """Wait until the page says this of an order, and clear it away."""
        said = self.window.locator("#selected")
        said.and_(self.window.get_by_text(words, exact=True)).wait_for()
        said.evaluate("element => { element.textContent = ''; }")

    def asked(self, key: str, answer: str | None, cell_id: str | None = None) -> str:
        """Press a key, and return what is asked then. answer: what is typed, or nothing to refuse."""
        found: list[str] = []

        def take(dialog: Dialog) -> None:
            found.append(dialog.message)
            dialog.dismiss() if answer is None else dialog.accept(answer)

        self.window.once("dialog", take)
        with self.window.expect_event("dialog"):
            self.press(key, cell_id)
        return found[0]

    def asked_why(self, key: str, reason: str | None, cell_id: str | None = None) -> str:
        """Press a key, and return what is asked then. reason: what is typed, or nothing to cancel."""
        self.press(key, cell_id)
        dialog = self.window.locator("#why")
        dialog.wait_for()
        question = dialog.locator("label").inner_text()
        if reason is None:
            self.window.keyboard.press("Escape")
        else:
            self.window.keyboard.type(reason)  # the field has the focus
            self.window.keyboard.press("Enter")
        dialog.wait_for(state="hidden")
        return question

    def name(self, cell_id: str, label: str, operator: str = OTHER) -> None:
        """Somebody else names a cell."""
        order = {"specimen_id": self.specimen_id, "cell_ids": (cell_id,), "operator": operator}
        self.service.review(ReviewCells(action="relabel", label=label, **order))

    def name_meanwhile(self, cell_id: str, label: str) -> None:
        """Somebody else names a cell while the page's next order is on its way."""

        def before(route: Route) -> None:
            self.name(cell_id, label)
            route.continue_()

        self.window.route("**/review", before, times=1)

    def sign(self) -> None:
        """Somebody signs it."""
        self.service.sign(SignSpecimen(specimen_id=self.specimen_id, operator="REV", reason="all seen"))

    def word(self, cell_id: str) -> tuple[str | None, str | None]:
        """Return what a person calls a cell, and who it is: None twice where nobody has said anything."""
        record = self.service.cell(cell_id).record
        return record.person_label, record.reviewed_by


@pytest.fixture
def gallery(page: Served, window) -> Gallery:
    return Gallery(page, window("OPE"))


def test_undo_takes_back_what_was_said_here_and_no_word_of_others(gallery: Gallery) -> None:
    mine, theirs, *_ = gallery.ids
    gallery.name(mine, "basophil")
    gallery.name(theirs, "monocyte")
    gallery.open()
    gallery.exclude(mine)
    gallery.choose(mine)
    gallery.press("u")
    gallery.tile(mine, ":not(.excluded)").wait_for()
    assert gallery.word(mine) == ("basophil", OTHER)
    for _ in range(2):
        gallery.press("u", theirs)
        gallery.expect(NOTHING)
    assert gallery.word(mine) == ("basophil", OTHER), "its one word from here is taken back already"
    assert gallery.word(theirs) == ("monocyte", OTHER)


def test_who_chooses_a_cell_that_somebody_else_has_named_is_asked(gallery: Gallery) -> None:
    theirs = gallery.ids[0]
    gallery.name(theirs, "monocyte")
    gallery.open()
    gallery.choose(theirs)
    assert gallery.asked("u", None) == f"Said by {OTHER}. Take it back?"
    assert gallery.word(theirs) == ("monocyte", OTHER)
    gallery.asked("u", "")
    gallery.tile(theirs, ":not(:has(.person))").wait_for()
    assert gallery.word(theirs) == (None, None)


def test_a_word_that_somebody_else_has_named_over_is_not_taken_back(gallery: Gallery) -> None:
    first, second, *_ = gallery.ids
    gallery.open()
    gallery.exclude(first)
    gallery.exclude(second)
    gallery.name(second, "monocyte")
    gallery.press("u")
    gallery.tile(first, ":not(.excluded)").wait_for()
    gallery.expect("Done.")
    assert gallery.word(first) == (None, None), "the one before it is the last that holds"
    gallery.press("u")
    gallery.expect(NOTHING)
    assert gallery.word(second) == ("monocyte", OTHER)


def test_a_word_that_comes_while_one_is_taken_back_stays(gallery: Gallery) -> None:
    cell_id = gallery.ids[0]
    gallery.open()
    gallery.exclude(cell_id)

    gallery.name_meanwhile(cell_id, "monocyte")
    gallery.press("u")
    gallery.expect(NOTHING)
    assert gallery.word(cell_id) == ("monocyte", OTHER)
    assert gallery.window.locator(".error:not(:empty)").count() == 0


def test_what_somebody_else_does_beside_it_does_not_hinder_an_undo(gallery: Gallery) -> None:
    cell_id, other, *_ = gallery.ids
    gallery.open()
    gallery.exclude(cell_id)

    gallery.name_meanwhile(other, "monocyte")
    gallery.press("u")
    gallery.tile(cell_id, ":not(.excluded)").wait_for()
    assert gallery.word(cell_id) == (None, None)
    assert gallery.word(other) == ("monocyte", OTHER)


def test_an_undo_that_is_lost_can_be_ordered_again(gallery: Gallery) -> None:
    first, second, *_ = gallery.ids
    gallery.open()
    gallery.exclude(first)
    gallery.exclude(second)
    gallery.window.route("**/review", lambda route: route.abort())
    gallery.press("u")
    gallery.window.locator(".error:not(:empty)").wait_for()
    gallery.window.unroute("**/review")
    gallery.press("u")
    gallery.tile(second, ":not(.excluded)").wait_for()
    gallery.expect("Done.")
    assert gallery.word(second) == (None, None), "the last word"
    assert gallery.word(first) == (None, "OPE"), "not the one before it"


def test_many_are_taken_back_at_once_but_those_that_hold_no_longer(gallery: Gallery) -> None:
    gallery.open()
    gallery.exclude(*gallery.ids)
    gallery.name(gallery.ids[0], "monocyte")
    gallery.press("u")
    gallery.expect("Done.")
    words = [gallery.word(cell_id) for cell_id in gallery.ids]
    assert words == [("monocyte", OTHER)] + 7 * [(None, None)]
    assert gallery.tile(gallery.ids[0]).inner_text().startswith("✓ Monocyte"), "shown, too"


def test_who_signs_meanwhile_makes_the_page_ask_why_once(gallery: Gallery) -> None:
    first, second, *_ = gallery.ids
    gallery.open()
    gallery.sign()
    assert "signed" in gallery.asked_why("x", None, first)
    assert gallery.word(first) == (None, None), "no reason, no order"
    gallery.asked_why("x", "dirt", first)
    gallery.tile(first, ".excluded").wait_for()
    gallery.expect("Done.")
    (change,) = gallery.service.differential(gallery.specimen_id).changes
    assert change.why == "dirt"
    gallery.exclude(second)  # the signature is void: nothing is asked, and the reason holds on
    assert gallery.word(second) == (None, "OPE")
    changes = gallery.service.differential(gallery.specimen_id).changes
    assert [each.why for each in changes] == ["dirt", "dirt"]


def test_what_was_corrected_elsewhere_asks_why_here(gallery: Gallery) -> None:
    first, second, *_ = gallery.ids
    gallery.sign()
    order = {"specimen_id": gallery.specimen_id, "cell_ids": (first,), "operator": OTHER, "reason": "dirt"}
    gallery.service.review(ReviewCells(action="exclude", **order))
    gallery.open()
    assert "was signed" in gallery.asked_why("x", "a crushed one", second)
    gallery.tile(second, ".excluded").wait_for()
    whys = [each.why for each in gallery.service.differential(gallery.specimen_id).changes]
    assert whys == ["dirt", "a crushed one"]


def test_an_undo_after_a_signature_asks_why(gallery: Gallery) -> None:
    cell_id = gallery.ids[0]
    gallery.open()
    gallery.exclude(cell_id)
    gallery.sign()
    assert "signed" in gallery.asked_why("u", "it was one")
    gallery.tile(cell_id, ":not(.excluded)").wait_for()
    assert gallery.word(cell_id) == (None, None)


def test_a_specimen_that_was_signed_before_asks_why_once(gallery: Gallery) -> None:
    first, second, *_ = gallery.ids
    gallery.sign()
    gallery.open()
    gallery.asked_why("x", "dirt", first)
    gallery.tile(first, ".excluded").wait_for()
    gallery.expect("Done.")
    gallery.exclude(second)
    gallery.sign()
    assert "signed" in gallery.asked_why("c", None, first), "signed again"
    assert gallery.window.evaluate("document.activeElement.dataset.cell") == first
