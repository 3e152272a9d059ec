"""The retained messages of a device that is gone: a broker would show them for ever."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
from paho.mqtt.client import MQTT_ERR_SUCCESS, Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.errors import BrokerError, ConfigError
from edge.messages import Status, decode
from edge.mqtt.broker_words import hung_up, refused_connection, unreachable
from edge.mqtt.connection import CONNECT_S
from edge.mqtt.credentials import certificate_name, password, tls_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from paho.mqtt.reasoncodes import ReasonCode

    from edge.config import MqttConfig

_PATIENCE_S = 10.0  # for what the broker must answer
_QUIET_S = 1.0  # retained messages come at once: after so long without one there is none left


def forget(config: MqttConfig, device_id: str, own_id: str | None = None) -> list[str]:
    """Clear every retained message below `leukoscope/<device_id>/`; return their topics, sorted.

    own_id: of the device whose configuration it is. Raises BrokerError, also where the device is online: it
    would say them again. Raises ConfigError where the certificate is a device's own: a broker that knows its
    users by their certificates would end that device's connection, and say it is offline.
    """
    name = certificate_name(config)
    if config.tls is not None and name is not None and name in (device_id, own_id):
        raise ConfigError(
            f"{config.tls.certificate_file}: is the certificate of {name} itself, whose connection the broker"
            " may end for this command; use a configuration with that of somebody who is no device"
        )
    try:
        return _Forgetting(config, device_id).topics()
    except OSError as error:
        raise BrokerError(f"broker {config.host}:{config.port}: {unreachable(error, config)}") from None


class _Forgetting:
    def __init__(self, config: MqttConfig, device_id: str) -> None:
        self._config = config
        self._device_id = device_id
        self._retained: dict[str, bytes] = {}
        self._refusal: str | None = None
        self._is_in = self._subscribed = False
        self._waiting: set[int | str] = set()
        self._heard_at = 0.0
        version = MQTTProtocolVersion.MQTTv5 if config.protocol == "5" else MQTTProtocolVersion.MQTTv311
        self._client = client = Client(
            CallbackAPIVersion.VERSION2, protocol=version, reconnect_on_failure=False
        )
        client.connect_timeout = CONNECT_S
        if config.username:
            client.username_pw_set(config.username, password(config))
        tls = tls_context(config)
        if tls is not None:
            client.tls_set_context(tls)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish

    def topics(self) -> list[str]:
        """Clear them and return which they were."""
        self._client.connect(self._config.host, self._config.port, self._config.keepalive_s)
        try:
            self._turn(lambda: self._subscribed, "did not answer")
            quiet = self._heard_at + _QUIET_S
            while time.monotonic() < quiet:
                self._step()
                quiet = self._heard_at + _QUIET_S
            self._check_that_it_is_gone()
            for topic in self._retained:
                sent = self._client.publish(topic, b"", qos=self._config.qos, retain=True)
                # At QoS 0 nobody acknowledges it, but as a subscriber this client hears of it.
                self._waiting.add(sent.mid if self._config.qos else topic)
            self._turn(lambda: not self._waiting, "did not acknowledge")
        finally:
            self._client.disconnect()
        return sorted(self._retained)

    def _turn(self, done: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not done():
            if self._refusal is not None:
                raise BrokerError(f"{self._broker}: {self._refusal}")
            if time.monotonic() > deadline:
                raise BrokerError(f"{self._broker}: it {failure} within {_PATIENCE_S:.0f} s")
            self._step()

    def _step(self) -> None:
        """Let the broker say something. Raises BrokerError where it hung up and has not said why."""
        if self._client.loop(0.1) == MQTT_ERR_SUCCESS or self._refusal is not None:
            return
        raise BrokerError(
            f"{self._broker}: {'it ended the connection' if self._is_in else hung_up(self._config)}"
        )

    def _check_that_it_is_gone(self) -> None:
        payload = self._retained.get(f"leukoscope/{self._device_id}/status")
        try:
            status = None if payload is None else decode(payload)
        except msgspec.MsgspecError:
            return  # of another version
        if isinstance(status, Status) and status.state == "online":
            raise BrokerError(
                f"{self._broker}: device {self._device_id} is online and would say all of it again;"
                " stop it first"
            )

    @property
    def _broker(self) -> str:
        return f"broker {self._config.host}:{self._config.port}"

    def _on_connect(
        self, client: Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        if code.is_failure:
            self._refusal = refused_connection(code, self._config, "of this command")
            return
        self._is_in = True
        client.subscribe(f"leukoscope/{self._device_id}/#", qos=self._config.qos)

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        self._subscribed, self._heard_at = True, time.monotonic()
        if any(code.is_failure for code in codes):
            self._refusal = f"its access list does not let this user read leukoscope/{self._device_id}/#"
            self._subscribed = False

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._heard_at = time.monotonic()
        if not message.payload:
            self._waiting.discard(message.topic)
        elif message.retain:
            self._retained[message.topic] = bytes(message.payload)

    def _on_publish(self, _client: Client, _data: Any, mid: int, code: ReasonCode, _properties: Any) -> None:
        self._waiting.discard(mid)
        if code.is_failure:
            self._refusal = f"its access list does not let this user write leukoscope/{self._device_id}/#"
            self._waiting.add(mid)
