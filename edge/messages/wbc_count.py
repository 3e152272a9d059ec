"""The total white count, as people write it: with comma or point, per litre or per microlitre."""

from __future__ import annotations

import re

UNIT = "10^9/L"
"""What is stored and published, whatever was typed."""

_MOST = 2000.0
_TEXT = re.compile(r"(?P<number>[0-9]+(?:[.,][0-9]+)?)\s*(?P<unit>.*)", re.DOTALL)
# What stands before "/L", "/uL" and the like, as a factor.
_PER_LITRE = {"10^9/l", "10*9/l", "10e9/l", "e9/l", "x10^9/l", "x10e9/l", "10⁹/l", "x10⁹/l", "g/l", "gpt/l"}
_THOUSANDS = {"10^3/ul", "10*3/ul", "10e3/ul", "e3/ul", "x10^3/ul", "x10e3/ul", "10³/ul", "x10³/ul", "k/ul"}
_CELLS = {"/ul", "perul", "permicrolitre", "permicroliter", "cells/ul", "/mm3", "/mm³", "cells/mm3"}


def read_wbc_count(given: float | str) -> float:
    """Return a total white count in 10^9/L. given: a number is that already; a text may have its unit.

    Digits are 0 to 9: who reads those of another script knows its decimal sign, too, and writes them so.
    Raises ValueError with a sentence that says what to write instead.
    """
    if not isinstance(given, str):
        return _checked(given, given)
    text = given.strip()
    found = _TEXT.fullmatch(text)
    unit = "" if found is None else _plain(found["unit"])
    if found is None or unit not in {"", *_PER_LITRE, *_THOUSANDS, *_CELLS}:
        raise ValueError(f"{given!r} is not a white count: write it as 7.2 or 7,2 ({UNIT}), or as 7200/uL")
    number = float(found["number"].replace(",", "."))
    if unit in _CELLS:
        if not found["number"].isdecimal():
            # 7,200/uL is 7200 to one reader and 7.2 to another.
            raise ValueError(f"{given!r}: cells per microlitre are a whole number; write it as 7200/uL")
        number /= 1000
    return _checked(number, given, is_of_cells=unit in _CELLS)


_ALIKE = str.maketrans({"\u00b5": "u", "\u03bc": "u", "\u00d7": "x"})  # micro, Greek mu, times


def _checked(number: float, given: float | str, *, is_of_cells: bool = False) -> float:
    """Return a count in 10^9/L that can be. is_of_cells: it was given in cells per microlitre."""
    if not 0 < number <= _MOST:
        meant = ""
        # In cells per microlitre it would be a thousandth; where that is too much as well, nobody can say.
        if _MOST < number <= 1000 * _MOST and not is_of_cells:
            meant = f"; if it is per microlitre, write {round(number)}/uL"
        raise ValueError(f"{given}: a white count is above 0 and at most {_MOST:g} {UNIT}{meant}")
    return number


def _plain(unit: str) -> str:
    return re.sub(r"\s", "", unit).casefold().translate(_ALIKE)
