"""The other ends of MQTT: a real broker on a port of its own, and somebody who listens to it."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import jsonschema
import msgspec
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge import messages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
PATIENCE_S = 20.0

_valid = jsonschema.Draft202012Validator(messages.json_schema())


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait until the condition holds; fail with `what` when it does not."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.02)


def free_port(host: str) -> int:
    """Return a port that nobody has, and that the kernel gives to nobody who asks for any while it is idle.

    Brokers of tests are away for minutes: one of another run got the port meanwhile, and the device with it.
    """
    while True:
        port = random.randrange(15000, 32000)  # noqa: S311
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((host, port))
            return port


class Mosquitto:
    """A mosquitto of the test's own, on a port that stays the same over its restarts.

    Sessions and retained messages outlive a restart as far as `save` was called before.
    """

    def __init__(self, folder: Path) -> None:
        self.host = "127.0.0.1"
        self.port = free_port(self.host)
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *lines: str, anonymous: bool = True) -> None:
        """Start it with these lines of configuration besides the usual, and wait until it answers."""
        config = self.folder / "mosquitto.conf"
        usual = [
            f"listener {self.port} {self.host}",
            f"allow_anonymous {str(anonymous).lower()}",
            "user root",
            "persistence true",
            f"persistence_location {self.folder}/",
            # What it has acknowledged to the sender is then with the listener's kernel, even if it is killed.
            "max_inflight_messages 0",
        ]
        config.write_text("\n".join([*usual, *lines]) + "\n")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([str(MOSQUITTO), "-c", str(config)], stderr=log, stdout=log)
        wait_for(self._answers, "mosquitto to listen")

    def save(self) -> None:
        """Have it write its sessions to the disk now."""
        database = self.folder / "mosquitto.db"
        before = database.stat().st_mtime_ns if database.exists() else 0
        self.signal(signal.SIGUSR1)
        wait_for(lambda: database.exists() and database.stat().st_mtime_ns > before, "mosquitto to save")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would. Safe to call when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), 1):
                return True
        except OSError:
            return False


class Listener:
    """Collects what is published below leukoscope/, in order; every payload is held to the schema.

    Each is (topic without the device's root, message, whether it was retained). Its session is a lasting one:
    the broker keeps what it misses while it is away.
    """

    def __init__(self, broker: Mosquitto, name: str = "listener") -> None:
        self.seen: list[tuple[str, messages.Message, bool]] = []
        self._payloads: list[bytes] = []
        self._subscribed = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("leukoscope/#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        lasting = Properties(PacketTypes.CONNECT)
        lasting.SessionExpiryInterval = 600
        self._client.connect(broker.host, broker.port, clean_start=False, properties=lasting)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)

    def _on_message(self, _client, _data, message) -> None:
        # An empty payload clears what was retained.
        if message.payload and message.topic.split("/")[2] not in {"cmd", "image"}:
            self._payloads.append(message.payload)
            topic = message.topic.split("/", 2)[2]
            self.seen.append((topic, messages.decode(message.payload), message.retain))

    def send(self, topic: str, payload: bytes, *, retain: bool = False, response_topic: str = "") -> None:
        """Publish something, as an operator's dashboard does."""
        properties = None
        if response_topic:
            properties = Properties(PacketTypes.PUBLISH)
            properties.ResponseTopic = response_topic
        sent = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        sent.wait_for_publish(PATIENCE_S)

    def of(self, topic: str) -> list[messages.Message]:
        """Return the messages of one topic."""
        return [message for seen, message, _ in list(self.seen) if seen == topic]

    def state(self, topic: str) -> str:
        """Return the state that was said last on a topic, "" before any."""
        return next((message.state for message in reversed(self.of(topic))), "")

    def counted(self) -> int:
        """Return the cells of the differential that was said last, -1 before any."""
        return next((message.counted for message in reversed(self.of("result/differential"))), -1)

    def fields(self) -> dict[str, messages.FieldResult]:
        """Return the fields by their ids in the order of their first coming, as a consumer keeps them."""
        found: dict[str, messages.FieldResult] = {}
        for each in self.of("result/field"):
            assert isinstance(each, messages.FieldResult)
            found.setdefault(each.field_id, each)
        return found

    def close(self) -> None:
        """Leave, and hold what came to the schema."""
        self._client.disconnect()
        self._client.loop_stop()
        for payload in self._payloads:
            assert len(payload) <= messages.MAX_PAYLOAD
            _valid.validate(msgspec.json.decode(payload))
        self._payloads.clear()
