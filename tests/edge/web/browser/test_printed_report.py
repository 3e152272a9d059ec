"""A report on paper: one sheet, A4 or Letter, with all that it may say; nothing of it sticks out."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

import pytest
from barriers import PICTURES
from served import PIN
from stored import count_into

from edge.config import load_config
from edge.messages.commands import ReviewCells, SignSpecimen
from edge.specimens.service import SpecimenService
from edge.web.languages import LANGUAGES
from edge.web.words import CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page
    from served import Served

PAPERS = {"A4": (182, 842), "Letter": (188, 792)}
"""Their width between the margins, in millimetres, and their height in points."""

STICKS_OUT = """() => [...document.querySelectorAll("article *")]
  .filter((each) => each.checkVisibility() && each.getBoundingClientRect().width)
  .filter((each) => {
    const box = each.getBoundingClientRect();
    return box.left < -1 || box.right > innerWidth + 1 || each.scrollWidth > Math.max(1, each.clientWidth) + 1
      && getComputedStyle(each).display !== "inline";
  }).map((each) => each.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def full(page: Served) -> dict[str, str]:
    """Return addresses of a report with every class, flags, a reason and changes; as it is, and as it was."""
    ids = count_into(page.store, "26-004711.B", 120, target=200)
    service = SpecimenService(load_config(page.config))
    named = {"specimen_id": "26-004711.B", "operator": "REV"}
    for cell_id, label in zip(ids, CLASSES, strict=False):
        how = {"action": "exclude"} if label == "not a white cell" else {"action": "relabel", "label": label}
        service.review(ReviewCells(cell_ids=(cell_id,), **how, **named))
    cookie = page.sign_in("REV")

    def order(what: str, body: dict[str, str]) -> int:
        answer = page.ask("POST", f"/api/v1/specimens/26-004711.B/{what}", body, cookie=cookie)
        assert answer.status == 200, answer
        return answer.json["revision"]

    order("wbc-count", {"wbc_count": "14.2"})
    reason = "no more of this blood is left; the smear was looked at by eye, and the doctor on duty was told"
    first = order("sign", {"pin": PIN, "reason": reason})
    for cell_id in ids[40:44]:
        service.review(
            ReviewCells(cell_ids=(cell_id,), action="relabel", label="blast", reason="2nd look", **named)
        )
    order("sign", {"pin": PIN, "reason": reason})
    now = "/specimens/26-004711.B/report"
    return {"now": now, "earlier": f"{now}?revision={first}"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("which", ["now", "earlier"])
def test_a_full_report_is_printed_on_one_sheet(
    full: dict[str, str], window: Callable[..., Page], language: str, which: str
) -> None:
    seen = window("REV", language=language)
    seen.goto(full[which])
    assert seen.locator("table.agreement tbody tr").count() == len(CLASSES)
    assert seen.locator("#superseded").count() == (which == "earlier")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for paper, (width_mm, height) in PAPERS.items():
        path = PICTURES / f"{language}-{which}-{paper}.pdf"
        printed = seen.pdf(path=path, format=paper, prefer_css_page_size=True)
        (tall,) = re.findall(rb"/MediaBox \[0 0 [0-9.]+ ([0-9.]+)\]", printed)[:1]
        assert abs(float(tall) - height) < 2, "it is the printer's paper"
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1, paper
        seen.emulate_media(media="print")
        seen.set_viewport_size({"width": round(width_mm / 25.4 * 96), "height": 900})
        assert seen.evaluate(STICKS_OUT) == [], paper
        seen.emulate_media(media="null")


def test_a_report_of_several_sheets_has_its_number_at_the_foot_of_each(
    page: Served, window: Callable[..., Page]
) -> None:
    ids = count_into(page.store, "LONG-1", 100, target=100)
    service = SpecimenService(load_config(page.config))
    for cell_id in ids:
        service.sign(SignSpecimen(specimen_id="LONG-1", operator="REV", reason="again"))
        service.review(
            ReviewCells(
                specimen_id="LONG-1",
                operator="REV",
                cell_ids=(cell_id,),
                action="exclude",
                reason=f"at {cell_id}",
            )
        )
    seen = window("REV")
    seen.goto("/specimens/LONG-1/report")
    foot = " ".join(seen.locator(".running").text_content().split())
    assert re.match(r"LONG-1 . Revision \d+ . ", foot)
    sheets = [glyphs for glyphs in drawn_glyphs(seen.pdf(prefer_css_page_size=True)) if glyphs]
    assert len(sheets) > 1
    assert len({tuple(glyphs[-len(foot) :]) for glyphs in sheets}) == 1, "each ends with the same words"


def drawn_glyphs(printed: bytes) -> list[list[bytes]]:
    """Return the glyphs of each part of a PDF, by their numbers in its fonts: a sheet's, or none."""
    parts = []
    for packed in re.findall(rb"stream\r?\n(.*?)endstream", printed, re.DOTALL):
        try:
            parts.append(re.findall(rb"<([0-9A-F]{4})> Tj", zlib.decompress(packed)))
        except zlib.error:  # a part that is not packed
            continue
    return parts
