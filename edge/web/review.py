"""What stands between a count and its signature, and what was changed of it, in the reader's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edge.web.sentences import in_words
from edge.web.words import CAUSES, FAMILIARITY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from edge.messages import Differential
    from edge.messages.differential import Change
    from edge.specimens.records import SpecimenSummary
    from edge.web.languages import Words


class Condition(NamedTuple):
    """One thing to see to before signing, and whether it is seen to; None: that cannot be told yet."""

    done: bool | None
    words: str


def conditions(differential: Differential, summary: SpecimenSummary, words: Words) -> list[Condition]:
    """Return what is to be seen to. summary: the same specimen in a line."""
    verdict = differential.familiar.verdict
    stopped = differential.ended is not None or differential.stopped_at is not None
    needs_reason = ""
    if differential.signature is None:
        needs_reason = " \u2013 " + words("signing then needs a reason.")
    by_itself = differential.counted < differential.target and not summary.lacks_cells
    ended = f" \u2013 {in_words(differential.ended, words)}" if by_itself and differential.ended else ""
    return [
        Condition(
            stopped,
            words("Counting has ended.") if stopped else words("It is still being counted: stop it first."),
        ),
        Condition(
            not summary.lacks_cells,
            words("%(counted)s of %(target)s cells", counted=differential.counted, target=differential.target)
            + (needs_reason if summary.lacks_cells else ended),
        ),
        Condition(
            not summary.doubtful,
            words("Doubtful cells to look at: %(number)s", number=summary.doubtful) + needs_reason
            if summary.doubtful
            else words("All doubtful cells are looked at."),
        ),
        Condition(
            None if verdict is None else verdict == "familiar", words(FAMILIARITY[verdict or "unknown"])
        ),
    ]


def reason_asked(summary: SpecimenSummary, words: Words) -> str | None:
    """Return for what a signature needs a reason; None where it needs none."""
    if summary.lacks_cells and summary.doubtful:
        return words("Why fewer cells are enough, and the doubtful ones need no look")
    if summary.lacks_cells:
        return words("Why fewer cells are enough")
    return words("Why the doubtful cells need no look") if summary.doubtful else None


class ChangeLine(NamedTuple):
    """One change in the reader's words. who: a person's code; None where no person did it."""

    at: datetime
    who: str | None
    what: str
    why: str


def change_lines(changes: Iterable[Change], words: Words) -> list[ChangeLine]:
    """Return changes in the reader's words, in their order."""
    return [
        ChangeLine(each.at, each.operator, in_words(each.what, words), _cause(each, words))
        for each in changes
    ]


def _cause(change: Change, words: Words) -> str:
    if change.why in CAUSES:
        return words(CAUSES[change.why])
    # What a person has typed stays as it is.
    return in_words(change.why, words) if change.operator is None else change.why
