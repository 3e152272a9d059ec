"""What is typed and shown in other scripts than Latin: digits of their own, and lines from right to left."""

from __future__ import annotations

import pytest
from stored import count_into


@pytest.mark.parametrize(
    ("language", "typed", "unit", "kept"),
    [
        ("ar", "\u0667\u0660\u0660", "/uL", 0.7),
        ("ar", "\u0666\u066b\u0668", "10^9/L", 6.8),
        ("ar", "\u06f6\u06f8\u06f0\u06f0", "/uL", 6.8),
        ("bn", "\u09ed\u09e8\u09e6\u09e6", "/uL", 7.2),
        ("bn", " 7200/uL ", "10^9/L", 7.2),
        ("en", "7,2", "10^9/L", 7.2),
    ],
)
def test_a_count_in_other_digits_is_the_same_count_with_its_unit(page, window, language, typed, unit, kept):
    nurse = window("OPE", language=language)
    nurse.locator("#specimen_id").fill(f"26-{language}-{unit[:2].strip('/')}-{ord(typed[1])}")
    nurse.locator("#total").fill(typed)
    nurse.locator("#unit").select_option(unit)
    nurse.locator("#start button").click()
    nurse.wait_for_url("**/live")
    cookie = page.sign_in("OPE")
    started = page.ask("GET", "/api/v1/specimens?limit=1", cookie=cookie).json[0]
    page.ask("POST", f"/api/v1/specimens/{started['specimen_id']}/stop", {}, cookie=cookie)
    assert started["wbc_count"] == pytest.approx(kept)


def test_a_number_in_an_arabic_line_reads_as_it_was_typed(page, window):
    """By where its parts lie on the screen."""
    count_into(page.store, "26-00777", 4)
    page.ask("POST", "/api/v1/specimens", {"specimen_id": "26-00778"}, cookie=page.sign_in("OPE"))
    try:
        nurse = window("OPE", language="ar")
        notice = nurse.locator(".notice")
        assert "26-00778" in notice.inner_text()
        left, right = notice.evaluate(
            """(notice) => {
              const text = notice.firstChild;
              const at = text.data.indexOf("26-00778");
              return [[0, 2], [3, 8]].map(([from, to]) => {
                const range = document.createRange();
                range.setStart(text, at + from);
                range.setEnd(text, at + to);
                return range.getBoundingClientRect().left;
              });
            }"""
        )
        assert left < right
    finally:
        page.ask("POST", "/api/v1/specimens/26-00778/stop", {}, cookie=page.sign_in("OPE"))
