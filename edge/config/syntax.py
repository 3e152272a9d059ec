"""Lines that are no TOML: what is wrong with each, and what to write instead.

A line is mended as its sentence says, so that what else is wrong with the file can be said at once.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, NamedTuple

from edge.config.words import quoted

_MOST = 20  # lines
_QUOTES = str.maketrans("\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u00ab\u00bb", '""""\'\'\'""')
_PAIR = re.compile(r"^\s*(?P<key>[^=:\[\]{}#]+?)\s*(?P<sign>[=:])\s*(?P<value>.*?)\s*$")
_WORD = re.compile(r"[A-Za-z0-9_.-]+\Z")
_ITEM = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s,\[\]]+")
_MARKS = "\"'"
_SECRET = re.compile(r"pass|secret|pwd", re.IGNORECASE)
_SECRET_GIVEN = re.compile(rf"({_SECRET.pattern})(?!\w*file)\w*[\"']?\s*[=:]", re.IGNORECASE)
_COMMENTS = ";", "//", "--"  # of other languages
_LOGIN = re.compile(r"//[^/\s\"']*@")
_LISTS = {"paths"}
_SWITCHES = {"empty", "native_rate", "retain"}
_YES, _NO = {"yes", "on", "true"}, {"no", "off", "false"}


class Mended(NamedTuple):
    """A faulty line: what is wrong with it, what to do about it, and what it is to be.

    line: None where nobody can say; ends: whose line the following are, nobody can say either.
    """

    why: str
    instead: str
    line: str | None = None
    ends: bool = False


_PASSWORD = Mended("a password stands in a file of its own", 'write password_file = "FILE"', "")


def mended(text: str) -> tuple[dict[str, Any] | None, str, dict[int, Mended]]:
    """Return what a file says once its faulty lines are mended, that file, and the faults by line number.

    The first is None where a line cannot be mended.
    """
    lines = text.split("\n")
    said: dict[int, Mended] = {}
    for _ in range(_MOST):
        try:
            raw = tomllib.loads("\n".join(lines))
        except tomllib.TOMLDecodeError as error:
            number = _line_of(error, lines)
            if number in said:  # mended, it is still wrong
                break
            said[number] = fault = _diagnosed(lines, number)
            if fault.ends:
                break
            lines[number - 1] = fault.line or ""
        except RecursionError:
            break
        else:
            whole = all(fault.line is not None for fault in said.values())
            return (raw if whole else None), "\n".join(lines), said
    return None, text, said


def _line_of(error: tomllib.TOMLDecodeError, lines: list[str]) -> int:
    found = re.search(r"at line (\d+)", str(error))
    if found and not ("Unclosed" in str(error) or int(found[1]) > len(lines)):
        return int(found[1])
    # What is not closed is noticed at the end, or where something else begins.
    last = int(found[1]) if found else len(lines)
    for number in range(min(last, len(lines)), 0, -1):
        pair = _PAIR.match(lines[number - 1])
        if pair and (pair["value"][:1] in {"[", "{"} or pair["value"][:3] in {'"""', "'''"} or not found):
            try:
                tomllib.loads(lines[number - 1])
            except tomllib.TOMLDecodeError:
                return number
    return max(1, min(last, len(lines)))


def _diagnosed(lines: list[str], number: int) -> Mended:
    line = lines[number - 1]
    stripped = line.strip()
    if stripped.startswith("["):
        return _header(stripped, lines, number)
    for mark in _COMMENTS:
        if stripped.startswith(mark):  # what else stands there is not repeated: it may be a password
            return Mended("a comment begins with #", f"write # instead of {mark}", "")
    pair = _PAIR.match(line)
    if _SECRET_GIVEN.search(stripped.partition(" #")[0]) or (pair is None and _SECRET.search(stripped)):
        return _PASSWORD
    if pair is None:
        return Mended(
            f"{quoted(_without_login(stripped))} says nothing",
            "write a [section], key = value, or a # comment",
        )
    key, value = pair["key"].strip(_MARKS), pair["value"]
    value = "" if value.startswith("#") else value
    if pair["sign"] == "=" and _is_right(f"{key} = {value}"):
        return _twice(key, lines, number)
    return _pair(key, value, ":" in pair["sign"])


def _pair(key: str, value: str, colon: bool) -> Mended:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", key)
    if _SECRET.search(key) and key != "password_file":
        return _PASSWORD
    bare = value.partition(" #")[0].rstrip()
    if not value:
        return Mended(f"{key} has no value", "write one behind the =, or leave the line out")
    if name == "tls":
        return Mended(
            f"tls is {bare}", "for encryption write [mqtt.tls] on a line of its own, else nothing", ""
        )
    if value.startswith("[") and "]" not in value:
        return Mended(f"{key} is a list that is not closed", "write ] behind its last text", ends=True)
    right = value if _is_right(f"{name} = {value}") else _value(name, value)
    if right is None:
        opened = value.startswith(("[", "{", '"""', "'''"))
        rest = "and close what is open" if opened else "and text in quotes"
        return Mended(
            f"{key} has a value that cannot be read", f"write it as {name} = VALUE, {rest}", ends=opened
        )
    if name != key:
        why = f"{key} is no name of a key"
    elif colon:
        why = f"{key} has a colon behind it"
    else:
        why = f"{key} {_why(bare, right)}"
    return Mended(_without_login(why), f"write {name} = {_without_login(right)}", f"{name} = {right}")


def _header(stripped: str, lines: list[str], number: int) -> Mended:
    if _SECRET_GIVEN.search(stripped):
        return _PASSWORD._replace(line=None, ends=True)
    said = stripped.partition("#")[0].rstrip()
    name = ".".join(part.strip() for part in said.strip("[] \t").split("."))
    header = f"[{name}]"
    if not _WORD.match(name):
        return Mended(f"{said} is no name of a section", "write one as [camera] or [mqtt.tls]", ends=True)
    before = [n for n, line in enumerate(lines[: number - 1], 1) if line.partition("#")[0].strip() == header]
    if before:
        return Mended(f"{header} stands twice", f"put its keys below the one in line {before[0]}", ends=True)
    if _is_right(stripped):
        return Mended(f"{header} was said before in another way", "write the section once", ends=True)
    return Mended("a section stands in square brackets", f"write {header} on a line of its own", header)


def _twice(key: str, lines: list[str], number: int) -> Mended:
    for before in range(number - 1, 0, -1):
        pair = _PAIR.match(lines[before - 1])
        if pair and pair["key"] == key:
            return Mended(f"{key} stands twice, here and in line {before}", "keep one of them", "")
        if lines[before - 1].lstrip().startswith("["):
            break
    return Mended(f"{key} is a section elsewhere in this file, or stands twice", "keep one of them", "")


def _value(key: str, value: str) -> str | None:
    """Return a value as it is to be written; None where nobody can say what it is."""
    plain = value.translate(_QUOTES)
    bare = plain.split(" #")[0].strip()
    right: str | None
    if key in _SWITCHES and bare.strip("\"'").lower() in _YES | _NO:
        right = "true" if bare.strip("\"'").lower() in _YES else "false"
    elif number := re.match(r"([+-]?)0*(\d*)(?:([.,])(\d*))?\s*(?:[A-Za-z%\u00b5]+/?[A-Za-z]*)?\Z", bare):
        sign, whole, point, rest = number.groups(default="")
        right = f"{sign}{whole or 0}{f'.{rest or 0}' if point else ''}" if whole or rest else None
        right = right or (quoted(bare) if not point else None)
    elif key in _LISTS or bare.startswith("["):
        items = _ITEM.findall(bare)
        right = f"[{', '.join(item if item[0] in _MARKS else quoted(item) for item in items)}]"
    elif bare.startswith(("{", '"""', "'''")):
        right = None
    else:
        right = _text(bare)
    return right if right is not None and _is_right(f"{key} = {right}") else None


def _text(bare: str) -> str:
    mark = bare[0] if bare[0] in _MARKS else ""
    inside = bare[1:] if mark else bare
    end = inside.find(mark) if mark else -1
    inside = inside[:end] if end >= 0 else inside.rstrip(_MARKS)
    # A backslash is what a path of Windows is written with.
    return f"'{inside}'" if "\\" in inside and "'" not in inside else quoted(inside)


def _why(value: str, right: str) -> str:
    begins = value[0]
    reasons = (
        (value.translate(_QUOTES) != value, "has typographic quotes, not straight ones"),
        (right[0] == "[", "is a list: texts in quotes, with commas between, in brackets"),
        (right in {"true", "false"}, f"is {value}, and can be true or false"),
        (right[0] not in _MARKS and "," in value, "has a comma in its number, not a point"),
        (right[0] not in _MARKS, f"is {value}, and a number stands alone, without a unit"),
        (begins not in _MARKS, f"is {value}, and text stands in quotes"),
        ("\\" in value and right[0] == "'", "has a backslash in double quotes"),
        (value.count(begins) % 2 == 1, "has no closing quote"),
    )
    return next((reason for holds, reason in reasons if holds), "has something behind its value")


def _without_login(text: str) -> str:
    """Return text without who logs in, and with what password, at an address: it goes into the log."""
    return _LOGIN.sub("//...@", text)


def _is_right(line: str) -> bool:
    try:
        tomllib.loads(line)
    except (tomllib.TOMLDecodeError, RecursionError):
        return False
    return True
