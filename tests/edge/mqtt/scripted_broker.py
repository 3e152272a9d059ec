"""A broker that does to each field what the test says: take it, late or never, refuse it, or hang up."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import threading
import time
from typing import NamedTuple

CONNECT, PUBLISH, SUBSCRIBE, DISCONNECT = 1, 3, 8, 14
NOT_AUTHORIZED, TAKEN_OVER = 0x87, 0x8E


class Packet(NamedTuple):
    """One MQTT packet: its kind, its flags, what stands behind its length."""

    kind: int
    flags: int
    body: bytes


class ScriptedBroker:
    """MQTT 5, QoS 1, one guest at a time.

    behave: of the number of the connection, from 1, and of that of the field on it, from 1: "take", "refuse",
    "hang up", "silent", "take over": another client has the session, seconds until it is acknowledged, or
    "take alone": only if no other field follows it. farewell: the same of the last words, "take" as a rule.
    offered: the field ids, a list a connection. heard: topics and payloads. goodbyes: how often it was left.
    properties: what the broker says of itself in CONNACK, encoded.
    """

    def __init__(self, host, port, behave, properties=b"", farewell="take") -> None:
        self.offered: list[list[str]] = []
        self.heard: list[tuple[str, bytes]] = []
        self.goodbyes = 0
        self._farewell = farewell
        self._behave = behave
        self._properties = properties
        self._guests: list[socket.socket] = []
        self._server = socket.create_server((host, port))
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        for each in (self._server, *self._guests):
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                guest, _ = self._server.accept()
                self._guests.append(guest)
                self.offered.append([])
                with contextlib.suppress(OSError, EOFError):
                    self._serve(guest, len(self.offered))
                _part(guest)

    def _serve(self, guest: socket.socket, number: int) -> None:
        while (packet := read_packet(guest)).kind != DISCONNECT:
            self._take(guest, number, packet)
        self.goodbyes += 1

    def _take(self, guest: socket.socket, number: int, packet: Packet) -> None:
        if packet.kind == CONNECT:
            guest.sendall(packet_of(0x20, b"\0\0" + bytes([len(self._properties)]) + self._properties))
        elif packet.kind == SUBSCRIBE:
            guest.sendall(packet_of(0x90, packet.body[:2] + b"\0\1"))
        elif packet.kind == PUBLISH:
            self._answer(guest, number, packet)

    def _answer(self, guest: socket.socket, number: int, packet: Packet) -> None:
        (length,) = struct.unpack_from(">H", packet.body)
        topic, rest = packet.body[2 : 2 + length], packet.body[2 + length :]
        message_id, rest = (rest[:2], rest[2:]) if packet.flags & 6 else (b"", rest)
        payload = rest[1 + rest[0] :]
        self.heard.append((topic.decode(), payload))
        if not message_id:
            return
        what = self._farewell if b'"state":"offline"' in payload else "take"
        if topic.endswith(b"result/field"):
            self.offered[-1].append(json.loads(payload)["field_id"])
            what = self._behave(number, len(self.offered[-1]))
        if what == "hang up":
            raise EOFError
        if what == "take over":
            guest.sendall(packet_of(0xE0, bytes([TAKEN_OVER, 0])))
            raise EOFError
        if what == "take alone":
            self._hang_up_on_another_field(guest, number)
        if isinstance(what, float):
            time.sleep(what)
        if what != "silent":
            reason = bytes([NOT_AUTHORIZED]) if what == "refuse" else b""
            guest.sendall(packet_of(0x40, message_id + reason))

    def _hang_up_on_another_field(self, guest: socket.socket, number: int) -> None:
        """Wait whether one follows; what else the device says meanwhile, as its health, is none."""
        until = time.monotonic() + 0.3
        while (left := until - time.monotonic()) > 0 and select.select([guest], [], [], left)[0]:
            packet = read_packet(guest)
            if _is_field(packet):
                raise EOFError
            self._take(guest, number, packet)


def _is_field(packet: Packet) -> bool:
    if packet.kind != PUBLISH:
        return False
    (length,) = struct.unpack_from(">H", packet.body)
    return packet.body[2 : 2 + length].endswith(b"result/field")


def _part(guest: socket.socket) -> None:
    """Close it so that the other side still reads what was said: not with its own words unread."""
    with contextlib.suppress(OSError):
        guest.shutdown(socket.SHUT_WR)
        guest.settimeout(5)
        while guest.recv(4096):
            pass
    guest.close()


def packet_of(first: int, body: bytes) -> bytes:
    assert len(body) < 128
    return bytes([first, len(body)]) + body


def read_packet(guest: socket.socket) -> Packet:
    first = _exactly(guest, 1)[0]
    length = shift = 0
    while True:
        byte = _exactly(guest, 1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return Packet(first >> 4, first & 15, _exactly(guest, length))


def _exactly(guest: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = guest.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data
