"""A store with a publisher on it: a device without camera and model."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mqtt_partners import PATIENCE_S
from samples import DEVICE, LABELS, MODEL, cell, field, info

from edge.config import MqttConfig
from edge.daemon.health import Machine, Progress
from edge.differential.count import SpecimenCount, contribution_of
from edge.messages.differential import SpecimenStatus
from edge.mqtt.publisher import Publisher
from edge.store.fields import Store

if TYPE_CHECKING:
    from pathlib import Path


class Device:
    """A store, and a publisher on it, for one test."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "results.db"
        self.store = Store.open(self.path)
        self.store.start_specimen("S")
        self.publisher: Publisher | None = None
        self.count = SpecimenCount("S", LABELS, 200)
        self._folder = folder

    def start(self, broker, *, backoff_s=(0.3, 0.6), **config) -> Publisher:
        progress, machine = Progress(), Machine(self._folder)
        self.publisher = Publisher(
            MqttConfig(host=broker.host, port=broker.port, **config),
            store=self.path,
            info=info(),
            health=lambda backlog: progress.health(DEVICE, machine, backlog),
            backoff_s=backoff_s,
        )
        self.publisher.start()
        return self.publisher

    def add(self, count: int, *cells, pause_s: float = 0.0) -> list[str]:
        ids = []
        for _ in range(count):
            each = field(self.store.next_sequence(), *(cells or (cell(),)))
            assert self.store.add(each)
            self.count.add(contribution_of(each))
            ids.append(each.field_id)
            if self.publisher is not None:
                self.publisher.notify()
            time.sleep(pause_s)
        return ids

    def say_differential(self, status: SpecimenStatus = SpecimenStatus()) -> None:  # noqa: B008
        said = self.count.differential(
            device_id=DEVICE, model=MODEL, updated_at=datetime.now(UTC), clock_synced=False, status=status
        )
        self.publisher.publish_differential(said)

    def errors(self) -> list[str | None]:
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            return [e for (e,) in database.execute("SELECT error FROM fields ORDER BY sequence").fetchall()]

    def close(self, drain_s: float = PATIENCE_S) -> int:
        publisher, self.publisher = self.publisher, None
        return publisher.close(drain_s)
