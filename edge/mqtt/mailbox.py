"""The differentials that wait for the broker: what the daemon's threads hand to the publisher's."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from edge.messages import Differential

_MOST_FORMER = 200  # specimens in one outage; of any beyond, the next start of the daemon speaks


class Version(NamedTuple):
    """A differential on its way: which one of this process, and which event of the ledger it knows last."""

    number: int
    differential: Differential | None
    event: int


class Mailbox:
    """What the daemon's thread hands to the publisher's, and how far that one got.

    Plain assignments and a deque's own steps only, each by one thread, so no lock is needed.
    """

    def __init__(self) -> None:
        self.news = False
        self.current = Version(0, None, 0)
        self.former: deque[Version] = deque(maxlen=_MOST_FORMER)
        self.acknowledged = 0  # the version that the broker took last
        self.refused = 0  # and the one that it did not take last
        self._set_aside: dict[str, Version] = {}
        self._unmade: set[str] = set()
        self.ask_again_at = 0.0

    def put(self, differential: Differential, event: int) -> None:
        """Let this be the current differential. Another specimen's is sent before it, if it was not yet."""
        last = self.current
        if last.differential is not None and last.differential.specimen_id != differential.specimen_id:
            self.former.append(last)
        self.current = Version(last.number + 1, differential, event)

    def next(self) -> Version:
        """Return what the broker is to have now: of other specimens first, then the current one.

        To be asked after each answer: the first of the others is done with when it was the last answered.
        """
        while self.former and self.former[0].number in {self.acknowledged, self.refused}:
            gone = self.former.popleft()
            if gone.number == self.refused:
                self._set_aside[_specimen(gone)] = gone  # until it is offered again
        return self.former[0] if self.former else self.current

    def take(self, version: Version) -> None:
        """The broker has taken a version: an older one of its specimen is never to follow it."""
        self.acknowledged = version.number
        self._set_aside.pop(_specimen(version), None)

    def pass_over(self, version: Version) -> bool:
        """Whether it is the first version of its specimen of which no message can be made."""
        self.refused = version.number
        known = _specimen(version) in self._unmade
        self._unmade.add(_specimen(version))
        return not known

    def offer_again(self) -> bool:
        """Whether the broker has refused any; they then wait again. Only while it has all answered."""
        self.next()
        again = bool(self._set_aside) or self.refused == self.current.number > 0
        self.former.extendleft(reversed(self._set_aside.values()))
        self._set_aside.clear()
        self.refused = 0
        return again

    @property
    def settled(self) -> bool:
        """Whether the broker has answered to the current differential, if there is one."""
        return self.current.number in {self.acknowledged, self.refused}

    @property
    def delivered(self) -> bool:
        """Whether the broker has the current differential, if there is one."""
        return self.acknowledged == self.current.number


def _specimen(version: Version) -> str:
    said = version.differential
    return "" if said is None else said.specimen_uuid or said.specimen_id
