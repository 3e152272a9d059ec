"""The broker's end of one connection, in the test's own thread: it reads what came, and answers."""

from __future__ import annotations

import socket
import struct
import time
from typing import NamedTuple

from mqtt_partners import PATIENCE_S
from samples import DEVICE
from scripted_broker import Packet, packet_of, read_packet

from edge.config import MqttConfig
from edge.mqtt.connection import Connection
from edge.mqtt.payloads import status_message

CONNACK, PUBACK, SUBACK, DISCONNECTED = 0x20, 0x40, 0x90, 0xE0
ROOT = f"leukoscope/{DEVICE}"


class Published(NamedTuple):
    """What is in a PUBLISH. size: of the whole packet."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    message_id: bytes
    size: int


class FarEnd:
    """A listening socket, and the one connection that comes to it."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.ears, self.mouth = socket.socketpair()
        self._five = True
        self._guest: socket.socket | None = None
        self._connection: Connection | None = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._connection is not None:
            self._connection.close()
        for each in (self._server, self.ears, self.mouth, self._guest):
            if each is not None:
                each.close()

    def connection(self, password: str | None = None, **config) -> Connection:
        """Have a device connect; what it sends is not answered yet."""
        host, port = self._server.getsockname()
        settings = MqttConfig(host=host, port=port, **config)
        self._five = settings.protocol == "5"
        will = status_message(DEVICE, "offline")
        self._connection = Connection(settings, "a-device", password, will, f"{ROOT}/cmd/#")
        self._guest, _ = self._server.accept()
        self._guest.settimeout(PATIENCE_S)
        return self._connection

    def accepted(self, properties: bytes = b"", **config) -> Connection:
        """Have a device connect, let it in, and grant its subscriptions."""
        connection = self.connection(**config)
        self.read()
        self.accept(properties)
        self.turn(lambda: connection.ready)
        for _ in range(1 if self._five else 2):
            self.grant()
        self.turn(lambda: connection.listening)
        return connection

    def accept(self, properties: bytes = b"") -> None:
        """Say that the device may come in; properties: what the broker says of itself, encoded."""
        self.say(CONNACK, b"\0\0" + (bytes([len(properties)]) + properties if self._five else b""))

    def grant(self, code: int = 1) -> bytes:
        """Answer the next subscription, and return it."""
        subscription = self.read().body
        self.say(SUBACK, subscription[:2] + (b"\0" if self._five else b"") + bytes([code]))
        return subscription

    def say(self, first: int, body: bytes = b"") -> None:
        """Send a packet."""
        self._guest.sendall(packet_of(first, body))

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send a message, with QoS 0."""
        body = struct.pack(">H", len(topic)) + topic.encode() + (b"\0" if self._five else b"") + payload
        self.say(0x30 | retain, body)

    def acknowledge(self, message: Published, code: int = 0) -> None:
        """Say that the broker has a message, or with a code of 0x80 or more that it does not take it."""
        self.say(PUBACK, message.message_id + (bytes([code]) if code else b""))

    def hang_up(self) -> None:
        """End the connection without a word."""
        self._guest.close()

    def read(self) -> Packet:
        """Return the next packet of the device."""
        return read_packet(self._guest)

    def published(self) -> Published:
        """Return the next message of the device."""
        packet = self.read()
        (length,) = struct.unpack_from(">H", packet.body)
        qos = packet.flags >> 1 & 3
        topic, rest = packet.body[2 : 2 + length], packet.body[2 + length :]
        message_id, rest = (rest[:2], rest[2:]) if qos else (b"", rest)
        payload = rest[1:] if self._five else rest  # no message has properties
        whole = len(packet.body) + (2 if len(packet.body) < 128 else 3)
        return Published(topic.decode(), payload, qos, bool(packet.flags & 1), message_id, whole)

    def turn(self, done) -> None:
        """Let the device look after its connection until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline
            self._connection.turn(0.02, self.ears)

    def end(self) -> Exception:
        """Let the device look after its connection until it sees that it has ended, and return how."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                self._connection.turn(0.02, self.ears)
            except Exception as error:  # noqa: BLE001 (the test says which one it is to be)
                return error
        raise AssertionError("the connection lives")
