"""Tables for spreadsheets: no text of anybody's becomes a formula, and what was written is read back."""

from __future__ import annotations

import csv
import io

from hypothesis import example, given
from hypothesis import strategies as st

from edge.specimens.tables import written

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"))


@given(st.lists(TEXT, min_size=2, max_size=4))
@example(['=HYPERLINK("http://evil.example")', "+1", "-1", "@SUM(A1)"])
@example(["\t=1", "\r=1", 'a"b', "a,b\nc"])
def test_texts_come_back_and_none_is_a_formula(texts):
    columns = [str(number) for number in range(len(texts))]
    text = written(columns, [texts]).removeprefix("\ufeff")
    _, row = csv.reader(io.StringIO(text, newline=""))
    for given_, found in zip(texts, row, strict=True):
        assert found in {given_, f"'{given_}"}
        assert not found.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_numbers_stay_numbers_and_nothing_is_empty():
    text = written(("a", "b", "c", "d"), [(-1.5, None, True, "x")])
    assert text == "\ufeffa,b,c,d\r\n-1.5,,yes,x\r\n"
