"""The audit trail as administrators read it on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edge.web.pages import local_time
from edge.web.sentences import in_words
from edge.web.words import mark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.people import AuditEntry
    from edge.web.languages import Words

ACTIONS = {
    "sign-in": mark("Sign in"),
    "signature": mark("Sign"),
    "PIN asked again": mark("PIN asked again"),
    "add person": mark("Add a person"),
    "person added": mark("Add a person"),
    "remove person": mark("Remove a person"),
    "person removed": mark("Remove a person"),
    "change PIN": mark("Another PIN"),
    "PIN reset": mark("Another PIN"),
    "specimen start": mark("Start a specimen"),
    "specimen stop": mark("Stop counting"),
    "specimen review": mark("Name cells"),
    "specimen sign": mark("Sign"),
    "specimen discard": mark("Discard it"),
    "specimen rename": mark("Set a number right"),
    "specimen wbc-count": mark("Set a total white count"),
    "adapt the model": mark("Fit the model"),
    "measure the light": mark("Measure the light"),
    "use the calibration": mark("Use the measurement"),
    "discard the calibration": mark("Discard the measurement"),
}

_OUTCOMES = {
    "done": mark("Done."),
    "wrong code or PIN": mark("Wrong code or PIN."),
    "wrong PIN": mark("Wrong PIN."),
    "the last guess for a while": mark("The last try for a quarter of an hour."),
}
_HERE = mark("the device itself")
_REFUSED = "refused: "


class AuditLine(NamedTuple):
    """One entry in the reader's words."""

    at: str
    who: str
    action: str
    about: str
    address: str
    outcome: str


def audit_lines(entries: Iterable[AuditEntry], words: Words) -> list[AuditLine]:
    """Return entries of the trail in the reader's language, in their order."""
    return [
        AuditLine(
            local_time(entry.at),
            entry.code or "",
            words(ACTIONS.get(entry.action, entry.action)),
            entry.about or "",
            words(_HERE) if entry.address == _HERE else entry.address,
            _outcome(entry.outcome, words),
        )
        for entry in entries
    ]


def _outcome(outcome: str | None, words: Words) -> str:
    if outcome is None:
        return words(mark("Cut off."))
    if outcome.startswith(_REFUSED):
        why = outcome.removeprefix(_REFUSED)
        why = why.partition(": ")[2] if why[:3].isdecimal() else why  # behind its status
        said = words(_OUTCOMES[why]) if why in _OUTCOMES else in_words(why, words)
        return words(mark("Refused: %(why)s"), why=said)
    return words(_OUTCOMES.get(outcome, outcome))
