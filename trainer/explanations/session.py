"""What the parts of one explanation share: the time that is left, the bars, and what was not reached."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trainer.explanations.records import Unreached

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress

    from trainer.explanations.deadline import Deadline


@dataclass
class Session:
    """unreached, notes: what goes into the report as not done, and why."""

    deadline: Deadline
    progress: Progress
    unreached: list[Unreached] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def bar(self, words: str, total: int) -> Callable[[int], None]:
        """Return a function that moves a new bar by so many."""
        task = self.progress.add_task(words, total=total, note="")
        return lambda count: self.progress.advance(task, count)

    def short(self, what: str, done: int, wanted: int) -> None:
        """Note what was not reached, where it was not."""
        if done < wanted:
            self.unreached.append(Unreached(what, done, wanted))
