"""What is noted of a specimen, in words that people read and that are read back: what it was before."""

from __future__ import annotations

import re
from typing import NamedTuple

from edge.messages.wbc_count import UNIT

WBC_COUNT = "wbc_count"
"""What is noted where a specimen is given its total white count after its start."""

ADDED_LATE = "fields were added"
"""What is noted where fields came after the signature."""

CLOCK_SET = "clock"
"""What is noted where the device's clock was set after a specimen was begun."""

TIMES_SET_RIGHT = "its times were set right"
"""What is noted with it."""

_NO_COUNT = "there was none"
_FORMER_COUNT = re.compile(rf"it was (\S+) {re.escape(UNIT)}")
_LATE = re.compile(r"they came after the count was final \(fields until then: (\d+)\)")
_RESUMED = re.compile(r"with --resume; it was \w+, (\d+) fields with .*", re.DOTALL)
_SAID = re.compile(r"(?:^|, )(\d+) (?:(?:no longer )?confirmed as|no longer named|renamed from) ")


class Event(NamedTuple):
    """What was noted of a specimen. at: as the store keeps times.

    noted_at: what the clock showed then, where it was set only later and `at` is set right; else None.
    clock_synced: False where `at` is by a clock that was not set.
    """

    number: int
    kind: str
    at: str
    operator: str | None
    what: str | None
    why: str | None
    noted_at: str | None = None
    clock_synced: bool = True


def wbc_count_in_words(noted: str | None) -> str:
    """Return what was noted of a total white count, 10^9/L; None: that there is none."""
    return (
        "its total white count was taken back"
        if noted is None
        else f"its total white count is {noted} {UNIT}"
    )


def former_count_in_words(count: float | None) -> str:
    """Return what is noted with a new total white count: the former one, 10^9/L; None: there was none."""
    return _NO_COUNT if count is None else f"it was {count:.12g} {UNIT}"


def former_count(event: Event) -> float | None:
    """Return the total white count that a specimen had before this event; None: it had none.

    Raises ValueError where it was not noted, as in earlier releases.
    """
    if event.why == _NO_COUNT:
        return None
    if (found := _FORMER_COUNT.fullmatch(event.why or "")) is None:
        raise ValueError(event.why)
    return float(found[1])


def late_in_words(fields: int) -> str:
    """Return why a count is corrected by fields that came late. fields: how many it had until then."""
    return f"they came after the count was final (fields until then: {fields})"


def fields_before(event: Event) -> int | None:
    """Return how many fields a specimen had before this event; None of one that says nothing of it.

    Raises ValueError where fields came, and how many there were was not noted, as in earlier releases.
    """
    if event.kind == "resumed":
        found = _RESUMED.fullmatch(event.why or "")
    elif event.kind == "corrected" and event.what == ADDED_LATE:
        found = _LATE.fullmatch(event.why or "")
    else:
        return None
    if found is None:
        raise ValueError(event.why)
    return int(found[1])


def clock_in_words(behind_s: float) -> str:
    """Return why a specimen's times were set right.

    behind_s: seconds that the clock was behind; below 0, that it was ahead.
    """
    minutes, seconds = divmod(round(abs(behind_s)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    far = " ".join(f"{number} {unit}" for number, unit in parts if number)
    return f"the device's clock was set; until then it was {far} {'slow' if behind_s > 0 else 'fast'}"


def words_said(event: Event) -> int:
    """Return how many words on cells an event stands for: a row of the reviews each."""
    if event.kind not in {"reviewed", "corrected"}:
        return 0
    return sum(int(number) for number in _SAID.findall(event.what or ""))
