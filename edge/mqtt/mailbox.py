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
        self.acknowledged = 0
        self.refused = 0
        self.ask_again_at = 0.0

    def put(self, differential: Differential, event: int) -> None:
        """Let this be the current differential. Another specimen's is sent before it, if it was not yet."""
        last = self.current
        if last.differential is not None and last.differential.specimen_id != differential.specimen_id:
            self.former.append(last)
        self.current = Version(last.number + 1, differential, event)

    def next(self) -> Version:
        """Return what the broker is to have now: of other specimens first, then the current one."""
        while self.former and self.former[0].number <= max(self.acknowledged, self.refused):
            self.former.popleft()
        return self.former[0] if self.former else self.current

    @property
    def settled(self) -> bool:
        """Whether the broker has answered to the current differential, if there is one."""
        return max(self.acknowledged, self.refused) >= self.current.number

    @property
    def delivered(self) -> bool:
        """Whether the broker has the current differential, if there is one."""
        return self.acknowledged >= self.current.number
