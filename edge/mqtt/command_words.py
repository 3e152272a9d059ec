"""What is wrong with what a command carries, in one sentence: which key, and what to write there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edge.messages.ids import refused
from edge.messages.target import MOST_CELLS

if TYPE_CHECKING:
    import msgspec

NO_OBJECT = 'the payload is not a JSON object, such as {"correlation_id": "1"}'

MEANT = {
    "action": '"confirm", "relabel", "exclude" or "undo"',
    "cell_id": "the id of a cell in quotes, as its field's message has it",
    "cell_ids": "a list of 1 to 2000 ids of cells, each in quotes, as their fields' messages have them",
    "correlation_id": "a text of at most 128 characters in quotes, or leave it out",
    "label": 'a class in quotes, such as "lymphocyte"',
    "new_id": "an id in quotes",
    "operator": "a code in quotes, no name",
    "reason": "a text of 1 to 200 characters in quotes, on one line",
    "resume": "true or false",
    "revision": "the whole number that the specimen's count had",
    "shown": "a list of names in quotes, one for each of the cells",
    "specimen_id": "an id in quotes",
    "target": f"a whole number from 1 to {MOST_CELLS}",
    "wbc_count": '"7.2" or "7,2" (10^9/L), "7200/uL", or a number above 0 and at most 2000 (10^9/L)',
}
"""What may stand in each key that a command has."""

_IDS = {"specimen_id", "new_id", "operator"}
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_LONGEST = 40  # of a strange key, characters that are said again


def what_is_wrong(error: msgspec.ValidationError, keys: tuple[str, ...]) -> str:
    """Return the sentence for a payload that is none of a command with these keys."""
    if unknown := _UNKNOWN.match(str(error)):
        return f"{unknown[1][:_LONGEST]}: is no key of this command; it has {', '.join(keys)}"
    # The last one: what the sender wrote stands before it, and may look the same.
    what, at, where = str(error).rpartition(" - at `$.")
    if at:
        key = re.sub(r"\W.*", "", where, flags=re.DOTALL)
        rule = refused(what) if key in _IDS else None
        return f"{key}: {rule}" if rule is not None else f"{key}: write {MEANT[key]}"
    if missing := _MISSING.match(str(error)):
        return f"{missing[1]}: is missing; write {MEANT[missing[1]]}"
    return NO_OBJECT
