"""A connection on paper: the test says what is answered, and what time it is."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from edge.mqtt.connection import Outcome

if TYPE_CHECKING:
    from edge.mqtt.connection import Command, Outgoing


class StoppedClock:
    """Stands in for the module `time`: it goes on when the test says so."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now


class PaperConnection:
    """What `Delivery` needs of a `Connection`. most: messages that the broker takes at once."""

    def __init__(self, *, most: int = 20, hears_itself: bool = False) -> None:
        self.ready = self.listening = True
        self.congested = False
        self.hears_itself = hears_itself
        self.echoes: list[bytes] = []
        self.in_flight: dict[int, tuple[str, str]] = {}
        self.outcomes: deque[Outcome] = deque()
        self.commands: deque[Command] = deque()
        self.most = most
        self.sent: list[Outgoing] = []
        self.told: list[tuple[str, bytes]] = []  # with QoS 0
        self._seen = 0

    @property
    def room(self) -> int:
        return max(0, self.most - len(self.in_flight))

    def send(self, message: Outgoing) -> None:
        assert self.room, "the broker takes no more at once"
        self.in_flight[len(self.sent)] = message.key
        self.sent.append(message)

    def send_and_forget(self, topic: str, payload: bytes) -> None:
        self.told.append((topic, payload))

    def answer(self, *kinds: str, refusal: str | None = None) -> None:
        """Have the broker take what is in flight, or refuse it: all, or these kinds only."""
        for number, key in list(self.in_flight.items()):
            if not kinds or key[0] in kinds:
                del self.in_flight[number]
                self.outcomes.append(Outcome(key, refusal))

    def new(self) -> list[Outgoing]:
        """What was sent since the last time."""
        new, self._seen = self.sent[self._seen :], len(self.sent)
        return new

    def topics(self) -> list[str]:
        """The topics of it, without the device's own part."""
        return [message.topic.split("/", 2)[2] for message in self.new()]

    def fields(self) -> list[str]:
        """The fields of it."""
        return [message.key[1] for message in self.new() if message.key[0] == "field"]
