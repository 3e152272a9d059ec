"""What stands between a count and its signature, in the reader's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edge.web.words import FAMILIARITY

if TYPE_CHECKING:
    from edge.messages import Differential
    from edge.web.languages import Words


class Condition(NamedTuple):
    """One thing to see to before signing, and whether it is seen to."""

    done: bool
    words: str


def conditions(differential: Differential, doubtful: int, words: Words) -> list[Condition]:
    """Return what is to be seen to. doubtful: how many cells a person should look at, and nobody has."""
    verdict = differential.familiar.verdict
    stopped = differential.ended is not None or differential.stopped_at is not None
    enough = differential.counted >= differential.target
    return [
        Condition(
            stopped,
            words("Counting has ended.") if stopped else words("It is still being counted: stop it first."),
        ),
        Condition(
            enough,
            words("%(counted)s of %(target)s cells", counted=differential.counted, target=differential.target)
            + ("" if enough else " \u2013 " + words("signing then needs a reason.")),
        ),
        Condition(
            not doubtful,
            words("Doubtful cells to look at: %(number)s", number=doubtful)
            if doubtful
            else words("All doubtful cells are looked at."),
        ),
        Condition(verdict in {None, "familiar"}, words(FAMILIARITY[verdict or "unknown"])),
    ]
