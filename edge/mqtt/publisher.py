"""From the store to the broker: oldest first, again and again until the broker has acknowledged.

One thread owns the network and a connection of its own to the store. The daemon only says that there is
something new (`notify`, `publish_differential`), and at the end how long to wait (`close`).
"""

from __future__ import annotations

import logging
import random
import select
import socket
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import msgspec

from edge.errors import StoreError
from edge.mqtt.broker_words import unreachable
from edge.mqtt.commands import Commands
from edge.mqtt.connection import CONNECT_S, WINDOW, Connection, ConnectionLostError, TakenOverError
from edge.mqtt.credentials import password, tls_context
from edge.mqtt.delivery import Delivery
from edge.mqtt.duplicate_clients import DuplicateClientDetector
from edge.mqtt.mailbox import Mailbox
from edge.mqtt.payloads import status_message
from edge.store.fields import Store

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from edge.config import MqttConfig
    from edge.messages import Differential, Health, Info
    from edge.specimens.orders import CommandHandler

log = logging.getLogger(__name__)

_STEADY_S = 10.0  # a connection that lasted this long was a good one: the next failure is again the first
_SUSPICIOUS = 2  # connections in a row without one field acknowledged: from here on one field at a time
_GUILTY = 5  # ... and then that field is set aside, or everything behind it would wait for ever
_FAREWELL_S = 2.0
_TURN_S = 1.0  # paho looks after its keepalive once a turn


class Publisher:
    """The device at the broker.

    store: the file; what it holds undelivered goes out on every connect. health: called in the publisher's
    thread with the backlog. backoff_s: the first and the longest pause between attempts to connect.
    handlers: what does each command, see `edge.mqtt.commands.Commands`; called in the publisher's thread.
    """

    def __init__(
        self,
        config: MqttConfig,
        *,
        store: Path,
        info: Info,
        health: Callable[[int], Health],
        backoff_s: tuple[float, float] = (1.0, 60.0),
        handlers: Mapping[str, CommandHandler] | None = None,
    ) -> None:
        self._config = config
        self._info = info
        self._store_path = store
        self._health = health
        self._backoff_s = backoff_s
        self._mailbox = Mailbox()
        self._commands = Commands(info.device_id, handlers)
        self._deadline: float | None = None
        self._fruitless = 0
        self._problem: str | None = None
        self._client_id = f"leukoscope-{info.device_id}"
        self._duplicates = DuplicateClientDetector(self._client_id, backoff_s[1])
        self._password: str | None = None
        self._tls: ssl.SSLContext | None = None
        self._ears, self._mouth = socket.socketpair()
        self._ears.setblocking(False)
        self._mouth.setblocking(False)
        self._delivery: Delivery | None = None
        self.delivered = 0  # fields, over all connections that have ended
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Connect, and go on trying for as long as it takes. Raises BrokerError where trying is in vain."""
        self._password, self._tls = password(self._config), tls_context(self._config)
        self._thread.start()

    def notify(self) -> None:
        """There is something new in the store."""
        self._mailbox.news = True
        self._wake()

    def publish_differential(self, differential: Differential, event: int = 0, *, news: bool = False) -> None:
        """Let this be the differential from now on. Only the latest one of each specimen is sent.

        event: the number in the store's ledger up to which it knows; noted there when the broker has it.
        news: there is something new in the store as well; both in one call wake the thread once.
        One thread at a time.
        """
        self._mailbox.put(differential, event)
        if news:
            self._mailbox.news = True
        self._wake()

    def reconfigure(self, config: MqttConfig) -> None:
        """Take over what may change: how often health is said. From any thread."""
        self._config = config
        delivery = self._delivery
        if delivery is not None:
            delivery.health_interval_s = config.health_interval_s

    def introduce(self, info: Info) -> None:
        """Say from now on this of the device: another model answers. From any thread."""
        self._info = info
        delivery = self._delivery
        if delivery is not None:
            delivery.info = info
        self._wake()

    def close(self, drain_s: float) -> int:
        """Wait until all is acknowledged or the time is up, say offline, and give how many results remain.

        Call it once, after all else.
        """
        self._deadline = time.monotonic() + drain_s
        self._wake()
        if self._thread.is_alive():
            self._thread.join(drain_s + CONNECT_S + 2 * _FAREWELL_S)
        if not self._thread.is_alive():  # else it is stuck in the resolver, and still holds its end
            self._ears.close()
            self._mouth.close()
        with Store.open(self._store_path) as store:
            # The differential is made from results that are kept, but whoever waits for it has not got it.
            return max(store.backlog(), int(not self._mailbox.delivered))

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # it is full of calls already
            self._mouth.send(b"\0")

    def _listen(self) -> None:
        with suppress(BlockingIOError):
            while self._ears.recv(4096):
                pass

    def _run(self) -> None:
        pause = self._backoff_s[0]
        while not self._finished():
            began = time.monotonic()
            try:
                self._connect_and_deliver()
            except OSError as error:
                self._report(unreachable(error, self._config))
            except ConnectionLostError as error:
                self._report(self._duplicates.notice or str(error))
            except StoreError as error:
                self._report(str(error))
            except Exception as error:  # noqa: BLE001 (whatever a broker sends: delivering must go on)
                self._report(f"{type(error).__name__}: {error}")
            # Two devices of one name throw each other out, each for as long as the other one rests: without
            # the second condition neither would ever come to the longest pause.
            if time.monotonic() - began > max(_STEADY_S, 2 * pause):
                pause = self._backoff_s[0]
            self._rest(pause)
            pause = min(2 * pause, self._backoff_s[1])

    @property
    def problem(self) -> str | None:
        """Why the broker has not all results, in one sentence that names it; None where nothing is wrong."""
        problem = self._problem or (self._delivery and self._delivery.complaint)
        return f"{self.broker}: {problem}" if problem else None

    def _report(self, problem: str) -> None:
        problem = " ".join(problem.split())
        if problem != self._problem:  # an outage of a week is one line, not one every minute
            end = "" if problem.endswith("?") else "."
            log.warning("%s: %s%s Results are kept, and it is tried again", self.broker, problem, end)
        self._problem = problem

    @property
    def broker(self) -> str:
        """What a person calls it."""
        return f"broker {self._config.host}:{self._config.port}"

    def _finished(self) -> bool:
        if self._deadline is None:
            return False
        if time.monotonic() >= self._deadline:
            return True
        try:
            with Store.open(self._store_path) as store:
                return self._mailbox.settled and not store.undelivered(1, refused=False)
        except StoreError:
            return True

    def _rest(self, pause: float) -> None:
        # The jitter keeps a ward of devices from knocking all at once after a power cut.
        until = time.monotonic() + pause * random.uniform(0.5, 1.0)  # noqa: S311
        while (now := time.monotonic()) < until:
            if self._deadline is not None:
                if self._finished():
                    return
                until = min(until, self._deadline, now + self._backoff_s[0])
            select.select([self._ears], [], [], max(0.0, until - now))
            self._listen()

    def _connect_and_deliver(self) -> None:
        device_id = self._info.device_id
        connection = Connection(
            self._config,
            self._client_id,
            self._password,
            will=status_message(device_id, "offline"),
            tls=self._tls,
            command_topic=f"leukoscope/{device_id}/cmd/#",
        )
        # Not durable: a delivery mark that is lost in a power cut costs a second delivery, no result.
        with closing(connection), Store.open(self._store_path, durable=False) as store:
            self._delivery = delivery = Delivery(
                connection,
                store,
                self._mailbox,
                self._info,
                self._commands,
                window=WINDOW if self._fruitless < _SUSPICIOUS else 1,
                health=self._health_with_notice,
                health_interval_s=self._config.health_interval_s,
            )
            try:
                self._deliver(connection, delivery)
                self.delivered += delivery.delivered
            except ConnectionLostError as error:
                delivery.settle()  # what was acknowledged just before
                self.delivered += delivery.delivered
                told = isinstance(error, TakenOverError)
                if told or (connection.ready and (delivery.delivered or not delivery.fields_in_flight)):
                    self._duplicates.connection_lost(error)
                if not told:
                    self._suspect(delivery, store)
                raise

    def _deliver(self, connection: Connection, delivery: Delivery) -> None:
        since: float | None = None
        while True:
            deadline = self._deadline  # read before the mail: what came before it is then seen, too
            if delivery.accepted and since is None:
                since = time.monotonic()
                if self._duplicates.notice is None or self._problem != self._duplicates.notice:
                    self._problem = None  # else there would be a line for each turn that the other one has
                    log.info("%s: connected", self.broker)
            if since is not None and self._duplicates.has_left(time.monotonic() - since):
                self._problem = None
                log.info("%s: no other client uses this device's id any more", self.broker)
            delivery.step()
            if deadline is not None and (delivery.drained or time.monotonic() >= deadline):
                self._part(connection, delivery)
                return
            connection.turn(_TURN_S if deadline is None else 0.1, self._ears)
            self._listen()

    def _health_with_notice(self, backlog: int) -> Health:
        health, notice = self._health(backlog), self._duplicates.notice
        if notice is None:
            return health
        return msgspec.structs.replace(health, notices={**health.notices, "device_id": notice})

    def _part(self, connection: Connection, delivery: Delivery) -> None:
        if not connection.room:
            return  # the broker will say the will instead
        offline = status_message(self._info.device_id, "offline")
        connection.send(offline)
        until = time.monotonic() + _FAREWELL_S
        while offline.key in connection.in_flight.values() and time.monotonic() < until:
            connection.turn(0.1, self._ears)
        delivery.settle()
        if offline.key not in connection.in_flight.values():
            connection.say_goodbye()

    def _suspect(self, delivery: Delivery, store: Store) -> None:
        """Find the field on which a broker hangs up: one that is too large for it, when it cannot say so."""
        lost = delivery.fields_in_flight
        if delivery.delivered or not lost:
            self._fruitless = 0 if delivery.delivered else self._fruitless
            return
        self._fruitless += 1
        if self._fruitless >= _GUILTY:
            self._fruitless = _SUSPICIOUS
            log.warning("field %s is set aside: the broker hangs up when it is offered", lost[0])
            store.mark_refused(lost[0], "the broker ended the connection each time this field was offered")
