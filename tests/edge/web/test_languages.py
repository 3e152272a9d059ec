"""Every word of the page is there in every language, and its numbers are written as they are read there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import polib
import pytest
from jinja2 import Environment
from jinja2.ext import extract_from_ast

from edge import web
from edge.web.languages import FOLDER, LANGUAGES, Words, choose
from edge.web.pages import TEMPLATES
from edge.web.sentences import in_words

OTHERS = [code for code in LANGUAGES if code != "en"]
PLACEHOLDER = re.compile(r"%\(\w+\)s|%%")
SPEAKS = {"_", "mark", "words", "translate"}
"""What the page's Python says its words with."""


@cache
def spoken() -> set[str]:
    """Return the English words of all templates and modules of the page."""
    found = set()
    for template in TEMPLATES.glob("*.html"):
        tree = Environment(autoescape=True).parse(template.read_text(encoding="utf-8"))
        for _, _, message in extract_from_ast(tree, gettext_functions=("_",)):
            found.add(message if isinstance(message, str) else message[0])
    for module in Path(web.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SPEAKS:
                found |= {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
    return found


def entries(code: str) -> dict[str, str]:
    return {entry.msgid: entry.msgstr for entry in polib.pofile(str(FOLDER / f"{code}.po"))}


def test_the_words_are_found_at_all() -> None:
    assert {"Start counting", "Neutrophil", "Counting has ended.", "Undo"} <= spoken()


@pytest.mark.parametrize("code", OTHERS)
def test_every_word_is_there_and_none_that_is_said_no_longer(code: str) -> None:
    known = entries(code)
    missing = "\n".join(f'msgid "{text}"\nmsgstr ""\n' for text in sorted(spoken() - {*known}))
    assert not missing, f"{code}.po lacks:\n{missing}"
    assert not {*known} - spoken()
    assert [text for text, words in known.items() if not words.strip()] == []


@pytest.mark.parametrize("code", OTHERS)
def test_what_is_put_into_a_sentence_is_put_into_its_translation(code: str) -> None:
    for text, words in entries(code).items():
        assert sorted(PLACEHOLDER.findall(words)) == sorted(PLACEHOLDER.findall(text)), text


@pytest.mark.parametrize("code", OTHERS)
def test_a_language_is_no_copy_of_english(code: str) -> None:
    # Words such as "Kappa" are the same in some; most are not.
    known = entries(code)
    assert sum(text == words for text, words in known.items()) < 0.1 * len(known)


@pytest.mark.parametrize(
    ("cookie", "accepted", "code"),
    [
        (None, "", "en"),
        (None, "fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        (None, "en;q=0.2, sw;q=0.9", "sw"),
        (None, "de,xx;q=zz,bn;q=0.1", "bn"),
        ("ar", "fr", "ar"),
        ("../../etc/passwd", "es", "es"),
        (None, "," * 5000, "en"),
    ],
)
def test_the_language_is_the_chosen_one_else_the_browsers(
    cookie: str | None, accepted: str, code: str
) -> None:
    assert choose(cookie, accepted).code == code


def test_numbers_are_written_as_they_are_read() -> None:
    assert Words(LANGUAGES["fr"]).number(61.25, 1) == "61,2"
    assert Words(LANGUAGES["en"]).number(61.25, 1) == "61.2"
    assert Words(LANGUAGES["ar"]).number(None) == "\u2013"
    # Isolated, so that it does not turn round in a line from right to left.
    assert Words(LANGUAGES["ar"]).interval(54.1, 68) == "\u206654.1\u201368.0\u2069"


def test_what_is_put_into_an_arabic_sentence_is_not_turned_round() -> None:
    # As it is stored, "26-00777"; shown without isolates in a line from right to left, "00777-26".
    assert (
        Words(LANGUAGES["ar"])("Selected: %(number)s", number="26-00777").count("\u206826-00777\u2069") == 1
    )
    assert "\u206826-00778\u2069" in in_words("there is no specimen 26-00778", Words(LANGUAGES["ar"]))
    assert "\u2068" not in Words(LANGUAGES["fr"])("Selected: %(number)s", number="26-00777")


def test_a_percent_sign_stays_with_its_number() -> None:
    text = "Of the last specimen's white cells, %(percent)s %% looked like none that the model knows."
    assert "12\u00a0%" in Words(LANGUAGES["en"])(text, percent=12)
    assert "12\u00a0%" in Words(LANGUAGES["sw"])(text, percent=12)
