"""One connection to an MQTT broker, from CONNECT to its end, driven by the thread that owns it.

It keeps nothing beyond its end: what was not acknowledged is in the store. paho would carry its own queue
over to the next connection, in memory and with its own idea of what was sent.
"""

from __future__ import annotations

import logging
import select
import ssl
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from paho.mqtt.client import MQTT_ERR_SUCCESS, Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.mqtt.broker_words import NO_QOS, NO_RETAIN, hung_up, refused_connection

if TYPE_CHECKING:
    import socket

    from paho.mqtt.client import ConnectFlags, DisconnectFlags
    from paho.mqtt.reasoncodes import ReasonCode

    from edge.config import MqttConfig

log = logging.getLogger(__name__)

WINDOW = 20
"""Messages in flight: what a broker must take from a client that asked for no more."""

CONNECT_S = 5.0
_CONNACK_S = 10.0
_ACK_S = 60.0  # a broker that is silent for longer on a living connection has lost the message
_MAX_INCOMING = 256 * 1024
_SESSION_TAKEN_OVER = 0x8E  # MQTT 5, section 3.14.2.1
_OVERHEAD = 64  # bytes of an MQTT packet beside its topic and payload, rounded up

Command = tuple[str, bytes, bool]
"""Topic, payload, and whether the broker kept it from before."""


class ConnectionLostError(Exception):
    """The connection has ended. Its message says why, for the log."""


class UnexplainedError(ConnectionLostError):
    """The other side hung up, or the network did, without a word."""


class TakenOverError(ConnectionLostError):
    """The broker gave the session to another client of the same id, and said so."""


class RefusedError(ConnectionLostError):
    """The broker is there and does not take what this device is configured to send: it will not tomorrow."""


class Outgoing(NamedTuple):
    """A message for QoS 1. key: what the caller knows it by."""

    key: tuple[str, str]
    topic: str
    payload: bytes
    retain: bool = False


class Outcome(NamedTuple):
    """What became of a message: acknowledged, or refused for a reason."""

    key: tuple[str, str]
    refusal: str | None


class Connection:
    """Opens on construction (bounded by CONNECT_S an address; raises OSError), answers after some turns.

    will: what the broker says in our name when we vanish. command_topic: what to listen to. What it sends on
    the will's own topic is heard as well where the broker would not say that it drops what is published, that
    is, over MQTT 3.1.1: `echoes`, once `listening`.
    """

    def __init__(
        self,
        config: MqttConfig,
        client_id: str,
        password: str | None,
        will: Outgoing,
        command_topic: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.ready = False
        self.hears_itself = config.protocol != "5"
        self.listening = not self.hears_itself
        self.echoes: list[bytes] = []
        self.in_flight: dict[int, tuple[str, str]] = {}
        self.outcomes: deque[Outcome] = deque()
        self.commands: deque[Command] = deque()
        self._window = WINDOW
        self._max_packet: int | None = None
        self._command_topic = command_topic
        self._echo_topic = will.topic
        self._config = config
        self._client_id = client_id
        self._echo_subscription: int | None = None
        self._why: ConnectionLostError | None = None
        self._progress = self._opened = time.monotonic()
        self._client = self._make_client(password, will)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.connect(config.host, config.port, config.keepalive_s, properties=_limits(config))

    def _make_client(self, password: str | None, will: Outgoing) -> Client:
        config = self._config
        version = MQTTProtocolVersion.MQTTv5 if config.protocol == "5" else MQTTProtocolVersion.MQTTv311
        # Without reconnect_on_failure, paho answers a refusal neither by another version nor another id.
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=version,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_S
        if config.username:
            client.username_pw_set(config.username, password)
        client.will_set(will.topic, will.payload, qos=config.qos, retain=will.retain and config.retain)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        return client

    @property
    def room(self) -> int:
        """How many messages may be sent now."""
        if not self.ready or (not self._config.qos and self.congested):
            return 0
        return max(0, self._window - len(self.in_flight))

    @property
    def congested(self) -> bool:
        """Whether bytes are waiting because the network takes no more."""
        return self._client.want_write()

    def too_large(self, topic: str, payload: bytes) -> bool:
        """Whether the broker said that it takes nothing of this size: it would end the connection."""
        size = len(topic.encode()) + len(payload) + _OVERHEAD
        return self._max_packet is not None and size > self._max_packet

    def send(self, message: Outgoing) -> None:
        """Send; what becomes of it shows up in `outcomes`. Raises ConnectionLostError.

        With QoS 0 nothing more becomes of it than that it is on its way.
        """
        if self.too_large(message.topic, message.payload):
            self.outcomes.append(Outcome(message.key, f"the broker takes at most {self._max_packet} bytes"))
            return
        if not self.in_flight:
            self._progress = time.monotonic()
        qos, retain = self._config.qos, message.retain and self._config.retain
        info = self._client.publish(message.topic, message.payload, qos=qos, retain=retain)
        if info.rc != MQTT_ERR_SUCCESS:
            raise self._end()
        if qos:
            self.in_flight[info.mid] = message.key
        else:
            self.outcomes.append(Outcome(message.key, None))

    def send_and_forget(self, topic: str, payload: bytes) -> None:
        """Send with QoS 0."""
        if not self.too_large(topic, payload):
            self._client.publish(topic, payload, qos=0)

    def turn(self, timeout_s: float, wake: socket.socket) -> None:
        """Wait until the network or `wake` has something, or the time is up, and do what is due.

        Raises ConnectionLostError.
        """
        sock: Any = self._client.socket()
        if sock is None:
            raise self._end()
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            timeout_s = 0.0  # decrypted already: select() does not see it
        writers = [sock] if self._client.want_write() else []
        readable, writable, _ = select.select([sock, wake], writers, [], timeout_s)
        if sock in readable or (isinstance(sock, ssl.SSLSocket) and sock.pending()):
            self._client.loop_read()
        if sock in writable or self._client.want_write():
            self._client.loop_write()
        self._client.loop_misc()
        if self._client.socket() is None or (self._why is not None and not self.ready):
            raise self._end()
        now = time.monotonic()
        if not (self.ready and self.listening) and now - self._opened > _CONNACK_S:
            raise ConnectionLostError("it does not answer as an MQTT broker does")
        if self.in_flight and now - self._progress > _ACK_S:
            raise ConnectionLostError(f"it has acknowledged nothing for {_ACK_S:.0f} s")

    def say_goodbye(self) -> None:
        """End it in order: the broker keeps the will to itself."""
        self._client.disconnect()
        if self._client.socket() is not None:
            self._client.loop_write()

    def close(self) -> None:
        """End it as it stands. Without a goodbye, the broker says the will."""
        sock: Any = self._client.socket()
        if sock is not None:
            sock.close()

    def _end(self) -> ConnectionLostError:
        if self._why is not None:
            return self._why
        if self.ready:
            return UnexplainedError("the connection was lost")
        return ConnectionLostError(hung_up(self._config))

    def _on_connect(
        self,
        client: Client,
        _data: Any,
        _flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self._why = RefusedError(refused_connection(code, self._config, self._client_id))
            return
        if self._config.retain and getattr(properties, "RetainAvailable", 1) == 0:
            self._why = RefusedError(NO_RETAIN)
        elif getattr(properties, "MaximumQoS", 2) < self._config.qos:
            self._why = RefusedError(NO_QOS)
        if self._why is not None:
            client.disconnect()
            return
        self.ready = True
        self._window = min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))
        self._max_packet = getattr(properties, "MaximumPacketSize", None)
        client.subscribe(self._command_topic, qos=self._config.qos)
        if self.hears_itself:
            _, self._echo_subscription = client.subscribe(self._echo_topic, qos=self._config.qos)

    def _on_disconnect(
        self,
        _client: Client,
        _data: Any,
        flags: DisconnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            kind = TakenOverError if code.value == _SESSION_TAKEN_OVER else ConnectionLostError
            self._why = kind(f"it ended the connection: {code}")

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, code: ReasonCode, _properties: Properties
    ) -> None:
        # Called for QoS 0 as well, as soon as it is written: those are not in flight.
        key = self.in_flight.pop(mid, None)
        if key is not None:
            self._progress = time.monotonic()
            self.outcomes.append(Outcome(key, str(code) if code.is_failure else None))

    def _on_subscribe(
        self, _client: Client, _data: Any, mid: int, codes: list[ReasonCode], _properties: Properties
    ) -> None:
        if mid == self._echo_subscription:
            self.listening = True  # allowed or not: whether something is heard will show
        elif any(code.is_failure for code in codes):
            log.warning("the broker does not let this device have commands: %s", codes[0])

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if message.topic != self._echo_topic:
            self.commands.append((message.topic, bytes(message.payload), message.retain))
        elif not message.retain:  # else it is of an earlier connection
            self.echoes.append(bytes(message.payload))


def _limits(config: MqttConfig) -> Properties | None:
    if config.protocol != "5":
        return None
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = _MAX_INCOMING  # a command is small; a device's memory is, too
    return properties
