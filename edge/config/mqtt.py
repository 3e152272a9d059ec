"""The section `[mqtt]` of the configuration: the broker, and how it is spoken to."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge.config.hosts import host_fault
from edge.config.texts import SomeText, Text  # noqa: TC001 (msgspec reads annotations at run time)

Seconds = Annotated[float, Meta(ge=0, le=86400)]

_PORT = "the port of the broker for plain MQTT, mostly port = 1883"
_TLS = "the section [mqtt.tls]"
_WRITTEN_AS = {**dict.fromkeys(("mqtt", "tcp"), ""), **dict.fromkeys(("mqtts", "ssl", "tls"), _TLS)}


class TlsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Encryption and certificates: the section `[mqtt.tls]`, even an empty one, switches encryption on."""

    ca_file: Text = ""  # the authority of the broker's certificate; empty: those that this machine trusts
    certificate_file: Text = ""  # the device's own certificate; empty: none
    key_file: Text = ""  # the secret key to it; empty: the systemd credential `mqtt-key`, where there is one


class MqttConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The broker. The password stands in a file, never here."""

    host: SomeText = "localhost"  # the broker's name or address alone
    port: Annotated[int, Meta(ge=1, le=65535)] = 1883  # the broker's port; with TLS mostly 8883
    protocol: Literal["5", "3.1.1"] = "5"  # the version of MQTT
    username: Annotated[Text, Meta(max_length=1000)] = ""  # the device's user at the broker; empty: none
    # A file that holds the password alone; empty: the systemd credential `mqtt-password`.
    password_file: Text = ""
    tls: TlsConfig | None = None
    # false: for a broker without retained messages; who subscribes later then gets no status and no count.
    retain: bool = True
    qos: Annotated[int, Meta(ge=0, le=1)] = 1  # 0: for a broker without QoS 1; results can then be lost
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 30  # after this silence the connection is checked
    health_interval_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0  # seconds between messages on `health`
    drain_s: Seconds = 10.0  # how many seconds a finished run waits for its last acknowledgements

    def __post_init__(self) -> None:
        """Refuse a whole address as host: it would be looked for in vain, for ever."""
        fault = host_fault(self.host, _WRITTEN_AS, _PORT)
        if fault is not None:
            raise ValueError(f"host: {fault}")
