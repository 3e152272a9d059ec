"""The page's languages: one catalogue a language, which a person can mend with any text editor.

The English words are the keys. What a catalogue lacks is shown in English.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent / "locales"
"""Where the catalogues lie, `fr.po` and so on."""

COOKIE = "language"
"""What remembers the language that a person chose."""

_PERCENT = re.compile(r" %(?!\()")  # a percent sign, which stays with its number


def isolated(value: object) -> str:
    """Return a value that keeps its own direction in a sentence of another one."""
    return f"\u2068{value}\u2069"


def left_to_right(text: str) -> str:
    """Return a text that reads from left to right in every language: a number with its unit, an interval."""
    return f"\u2066{text}\u2069"


class Language(NamedTuple):
    """One language. name: its own. decimal: what stands before the tenths.

    read_by_a_speaker: whether somebody whose language it is has read the page in it.
    """

    code: str
    name: str
    direction: Literal["ltr", "rtl"] = "ltr"
    decimal: str = "."
    read_by_a_speaker: bool = False


LANGUAGES = {
    each.code: each
    for each in (
        Language("en", "English", read_by_a_speaker=True),
        Language("fr", "Français", decimal=","),
        Language("es", "Español", decimal=","),
        Language("pt", "Português", decimal=","),
        Language("ar", "العربية", direction="rtl"),
        Language("sw", "Kiswahili"),
        Language("bn", "বাংলা"),
    )
}
ENGLISH = LANGUAGES["en"]


@lru_cache(maxsize=len(LANGUAGES))
def catalogue(code: str) -> Mapping[str, str]:
    """Return a language's words by the English ones; empty for English."""
    path = FOLDER / f"{code}.po"
    if code == ENGLISH.code:
        return {}
    import polib  # noqa: PLC0415 (English needs none)

    return {entry.msgid: entry.msgstr for entry in polib.pofile(str(path)) if entry.translated()}


def choose(cookie: str | None, accepted: str) -> Language:
    """Return the language to speak.

    cookie: the code of the one that was chosen here, if one was. accepted: the browser's Accept-Language.
    """
    if cookie in LANGUAGES:
        return LANGUAGES[cookie]
    wanted = []
    for place, part in enumerate(accepted[:400].split(",")):
        tag, _, weight = part.partition(";q=")
        try:
            wanted.append((-float(weight or 1), place, tag.strip().split("-")[0].lower()))
        except ValueError:
            continue
    return next((LANGUAGES[code] for _, _, code in sorted(wanted) if code in LANGUAGES), ENGLISH)


class Words:
    """What a page is written with: words, numbers and intervals of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._catalogue = catalogue(language.code)

    def __call__(self, text: str, **values: object) -> str:
        """Return a text in the language, with its values put in."""
        found = self._catalogue.get(text, text)
        if self.language.direction == "rtl":  # "26-00777" would be turned round to "00777-26"
            values = {name: isolated(value) for name, value in values.items()}
        return _PERCENT.sub("\u00a0%", found % values if values else found)

    def number(self, value: float | None, digits: int = 1) -> str:
        """Return a number with so many digits after the point or comma; a dash for None."""
        return "\u2013" if value is None else f"{value:.{digits}f}".replace(".", self.language.decimal)

    def interval(self, low: float | None, high: float | None, digits: int = 1) -> str:
        """Return an interval, which reads from left to right in every language."""
        if low is None or high is None:
            return "\u2013"
        return left_to_right(f"{self.number(low, digits)}\u2013{self.number(high, digits)}")
