"""What is said on one connection, and in which order: birth, the current count, the backlog oldest first."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from edge import identity
from edge.messages import Health, Info, encode
from edge.messages.commands import IMAGE, CellImage
from edge.mqtt.broker_words import refused_topic, unheard
from edge.mqtt.connection import Outgoing, RefusedError
from edge.mqtt.mailbox import Version
from edge.mqtt.payloads import field_payload, fitting_info, status_message
from edge.mqtt.retained import RetainedSpecimens

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.mqtt.commands import Commands
    from edge.mqtt.connection import Connection
    from edge.mqtt.mailbox import Mailbox
    from edge.store.fields import Store

log = logging.getLogger(__name__)

LATE_S = 10.0
"""A field that is offered longer after its commit is historical: it must not move a live value."""

_TOPICS = {
    "status": "status",
    "info": "info",
    "differential": "result/differential",
    "specimen": "result/specimen/#",
    "field": "result/field",
}
_ECHO_S = 4.0  # a broker passes a message on in milliseconds
_REFUSED_AGAIN_S = 300.0  # an access list or a quota may have changed; asking more often would be nagging
_MAX_RESPONSES = 100


class Delivery:
    """One connection's worth of delivering. Nothing of it outlives the connection.

    info: what the device says of itself; another one is said at the next step. window: how many fields may be
    in flight at once. health: called with the backlog every health_interval_s.
    """

    def __init__(
        self,
        connection: Connection,
        store: Store,
        mailbox: Mailbox,
        info: Info,
        commands: Commands,
        *,
        window: int,
        health: Callable[[int], Health],
        health_interval_s: float,
    ) -> None:
        self.delivered = 0
        self._connection = connection
        self._store = store
        self._mailbox = mailbox
        self.info = info
        self._commands = commands
        self._device_id = info.device_id
        self._window = window
        self._health = health
        self.health_interval_s = health_interval_s
        self._health_said = -math.inf
        self._born = False
        self._introduced: Info | None = None
        self._unproven = connection.hears_itself
        self._heard_by: float | None = None
        self._outbox: deque[Outgoing] = deque()
        self._cursor = 0  # sequences begin with 1
        self._more = True
        self._with_refused = False
        self._offered = Version(0, None, 0)
        self._retained = RetainedSpecimens(f"leukoscope/{info.device_id}")
        self._said: dict[str, int] = {}
        self._complaints: dict[str, str] = {}

    def step(self) -> None:
        """Do what is due: note what the broker said, answer it, and fill the window.

        Raises ConnectionLostError, StoreError.
        """
        self.settle()
        if not self._connection.ready or not self._connection.listening:
            return
        if not self._born:
            self._born = True
            self._say_hello()
        if self._unproven:
            self._prove()
            return
        self._answer_commands()
        if self._introduced is not self.info:
            self._introduce()
        if self._mailbox.news:
            self._mailbox.news = False  # before looking into the store: what comes meanwhile is news again
            self._more = True
        if time.monotonic() >= self._mailbox.ask_again_at and not self._differential_in_flight:
            self._mailbox.ask_again_at = time.monotonic() + _REFUSED_AGAIN_S
            self._cursor, self._more, self._with_refused = 0, True, True
            if self._mailbox.offer_again():
                self._offered = Version(0, None, 0)
                self._retained = RetainedSpecimens(f"leukoscope/{self._device_id}")
        while self._outbox and self._connection.room:
            self._connection.send(self._outbox.popleft())
        self._offer_differential()
        self._offer_fields()
        self._report_health()

    @property
    def fields_in_flight(self) -> list[str]:
        """Fields that were sent and not answered, the oldest first."""
        return [name for kind, name in self._connection.in_flight.values() if kind == "field"]

    @property
    def drained(self) -> bool:
        """Whether all there is to say was said and answered."""
        return (
            self._born
            and not (self._more or self._mailbox.news or self._outbox)
            and not (self._connection.in_flight or self._connection.outcomes)
            and self._mailbox.settled
            and self.accepted
        )

    @property
    def accepted(self) -> bool:
        """Whether the broker has let this device in and, where that can be known, passes on what it says."""
        return self._born and not self._unproven

    @property
    def complaint(self) -> str | None:
        """What of this device's messages the broker refuses, in a sentence; None while it takes them."""
        return next(iter(self._complaints.values()), None)

    def topic(self, name: str) -> str:
        """Return the full topic."""
        return f"leukoscope/{self._device_id}/{name}"

    def _say_hello(self) -> None:
        self._outbox.append(status_message(self._device_id, "online"))
        self._introduce()
        # What was done before a power cut, or before the last connection was lost.
        for answer in self._store.answers.unsent():
            self._answer(answer.correlation_id, answer.command, answer.payload)

    def _introduce(self) -> None:
        self._introduced = self.info
        payload = fitting_info(self._introduced)
        self._outbox.append(Outgoing(("info", ""), self.topic("info"), payload, retain=True))

    def _prove(self) -> None:
        """Say hello, and wait to hear it: MQTT 3.1.1 has no other way to tell that a broker drops messages.

        Raises RefusedError where it is not heard.
        """
        while self._outbox and self._connection.room:
            self._connection.send(self._outbox.popleft())
        hello = status_message(self._device_id, "online").payload
        if hello in self._connection.echoes:
            self._unproven = False
        elif not self._outbox and not self._connection.in_flight:
            now = time.monotonic()
            self._heard_by = self._heard_by or now + _ECHO_S
            if now > self._heard_by:
                raise RefusedError(unheard(self._device_id))

    def settle(self) -> None:
        """Note what the broker said. Raises StoreError."""
        delivered = []
        outcomes = self._connection.outcomes
        while outcomes:
            (kind, name), refusal = outcomes.popleft()
            if refusal is not None and kind not in self._complaints:
                # A wrong access list is one line, not one a field.
                topic = self.topic(_TOPICS.get(kind, "response/#"))
                self._complaints[kind] = refused_topic(topic, refusal, self._device_id)
                log.warning("broker: %s", self._complaints[kind])
            elif refusal is None:
                self._complaints.pop(kind, None)
            if kind == "differential":
                if refusal is None:
                    self._mailbox.take(self._offered)
                    self._note_said(self._offered)
                else:
                    self._mailbox.refused = int(name)
            elif kind == "response to" and refusal is None:
                self._store.answers.mark_sent(name)
            elif kind == "field" and refusal is None:
                delivered.append(name)
            elif kind == "field":
                self._store.mark_refused(name, refusal or "")
        if delivered:
            self._store.mark_delivered(delivered)
            self.delivered += len(delivered)

    def _answer_commands(self) -> None:
        while self._connection.commands:
            topic, payload, retained = self._connection.commands.popleft()
            if len(self._outbox) >= _MAX_RESPONSES:
                log.warning("commands come faster than their answers can be sent: one is left unanswered")
                continue
            name = topic.removeprefix(self.topic("cmd")).removeprefix("/")
            response = self._commands.answer(
                name, payload, retained=retained, kept=self._store.answers, picture=self._store.pictures.find
            )
            if response is not None and response.ok and name == IMAGE:
                self._send_image(payload)
            if response is not None:
                self._answer(response.correlation_id, response.command, encode(response))

    def _answer(self, correlation: str | None, command: str, payload: bytes) -> None:
        # Only ever to the device's own topic: an MQTT 5 response topic could send it anywhere.
        key = ("response", command) if correlation is None else ("response to", correlation)
        self._outbox.append(Outgoing(key, self.topic(f"response/{command}"), payload))

    @property
    def _differential_in_flight(self) -> bool:
        return any(kind in {"differential", "specimen"} for kind, _ in self._connection.in_flight.values())

    def _offer_differential(self) -> None:
        if self._differential_in_flight or not self._connection.room:
            return
        version = self._mailbox.next()
        differential = version.differential
        if differential is None or version.number == self._offered.number:
            return
        try:
            payload = encode(differential)
        except (ValueError, msgspec.MsgspecError) as error:
            self._offered = version  # it holds up nothing that comes behind it
            if self._mailbox.pass_over(version):
                log.warning("the count of specimen %s cannot be sent: %s", differential.specimen_id, error)
            return
        kept = self._retained.message(version, payload)
        if kept is not None:
            self._connection.send(kept)
            return  # the rest once the broker has this
        self._offered = version
        key = ("differential", str(version.number))
        self._connection.send(Outgoing(key, self.topic("result/differential"), payload, retain=True))

    def _send_image(self, payload: bytes) -> None:
        request = msgspec.json.decode(payload, type=CellImage)
        picture = self._store.pictures.find(request.cell_id)
        if picture is not None:
            self._connection.send_and_forget(self.topic(f"image/{request.cell_id}"), picture)

    def _note_said(self, version: Version) -> None:
        said = version.differential
        # Once an event, not once a field: this is a write to the card.
        if said is not None and version.event > self._said.get(said.specimen_id, 0):
            self._store.ledger.mark_published(said.specimen_id, version.event)
            self._said[said.specimen_id] = version.event

    def _offer_fields(self) -> None:
        in_flight = set(self.fields_in_flight)
        room = min(self._window - len(in_flight), self._connection.room)
        if not self._more or room <= 0:
            return
        rows = self._store.undelivered(room, self._cursor, refused=self._with_refused)
        self._more = len(rows) == room
        for row in rows:
            self._cursor = row.sequence
            if row.field_id in in_flight:
                continue
            late = row.run_id != identity.RUN_ID or time.monotonic() - row.committed_s > LATE_S
            try:
                payload = field_payload(row, late=late)
            except (ValueError, msgspec.MsgspecError) as error:
                log.warning("field %s cannot be sent: %s", row.field_id, error)
                self._store.mark_refused(row.field_id, str(error))
                continue
            self._connection.send(Outgoing(("field", row.field_id), self.topic("result/field"), payload))

    def _report_health(self) -> None:
        now = time.monotonic()
        if now - self._health_said < self.health_interval_s or self._connection.congested:
            return
        self._health_said = now
        refused, reason = self._store.refused()
        health = msgspec.structs.replace(
            self._health(self._store.backlog()), results_refused=refused, refusal=reason
        )
        self._connection.send_and_forget(self.topic("health"), encode(health))
