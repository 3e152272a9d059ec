"""What a device has to deliver, without a broker: a store, a count, and connections on paper."""

from __future__ import annotations

import contextlib
import sqlite3

import msgspec
from counts import message
from paper_connection import PaperConnection
from samples import DEVICE, LABELS, field, info

from edge.daemon.health import Machine, Progress
from edge.differential.count import SpecimenCount
from edge.mqtt.commands import Commands
from edge.mqtt.delivery import Delivery
from edge.mqtt.mailbox import Mailbox
from edge.store.fields import Store

ROOT = f"leukoscope/{DEVICE}"
HELLO = ["status", "info"]
FIELD = "result/field"


class Desk:
    """A store, what waits for the broker, and the connections over which it goes out."""

    def __init__(self, path, clock) -> None:
        self.path = path
        self.clock = clock
        self.store = Store.open(path)
        self.store.start_specimen("S")
        self.mailbox = Mailbox()
        self.commands = Commands(DEVICE, clock=clock.monotonic)

    def connect(self, *, window=20, health_interval_s=30.0, commands=None, **paper):
        """Return a connection and what delivers over it, as after each connect."""
        progress, machine, connection = Progress(), Machine(self.path), PaperConnection(**paper)
        return connection, Delivery(
            connection,
            self.store,
            self.mailbox,
            info(),
            commands or self.commands,
            window=window,
            health=lambda backlog: progress.health(DEVICE, machine, backlog),
            health_interval_s=health_interval_s,
        )

    def add(self, count=1, *cells) -> list[str]:
        ids = []
        for _ in range(count):
            each = field(self.store.next_sequence(), *cells)
            assert self.store.add(each)
            ids.append(each.field_id)
        return ids

    def put(self, specimen="S", state="running", event=0) -> None:
        made = message(SpecimenCount(specimen, LABELS, 100), state)
        self.mailbox.put(msgspec.structs.replace(made, specimen_uuid=f"uuid-{specimen}"), event)

    def waiting(self) -> list[str]:
        return [row.field_id for row in self.store.undelivered(99, refused=True)]

    def errors(self) -> list[str | None]:
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            return [e for (e,) in database.execute("SELECT error FROM fields ORDER BY sequence").fetchall()]

    def change(self, statement, *values) -> None:
        with contextlib.closing(sqlite3.connect(self.path)) as database, database:
            database.execute(statement, values)


def settle(connection, delivery):
    """Let the broker take all, until there is nothing more to say."""
    for _ in range(20):
        delivery.step()
        connection.answer()
    delivery.step()
    connection.new()
