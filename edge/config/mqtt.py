"""The section `[mqtt]` of the configuration: the broker, and how it is spoken to."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge.config.texts import SomeText, Text  # noqa: TC001 (msgspec reads annotations at run time)

Seconds = Annotated[float, Meta(ge=0, le=86400)]

_ADDRESS = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?:[^/@]*@)?(?P<rest>[^/]*)(?P<path>.*)")
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[0-9]*))?")
_NO_NAME = 'is no name of a computer; write its name or address alone, such as host = "192.168.1.5"'
_PLAIN, _ENCRYPTED = {"", "mqtt", "tcp"}, {"mqtts", "ssl", "tls"}


class TlsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Encryption, and who is who: the section `[mqtt.tls]`, even an empty one, switches it on."""

    ca_file: Text = ""  # who vouches for the broker; empty: whom this machine trusts anyway
    certificate_file: Text = ""  # the device's own
    key_file: Text = ""  # the secret key to it; empty: the systemd credential `mqtt-key`, where there is one


class MqttConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The broker. The password stands in a file, never here."""

    host: SomeText = "localhost"  # the broker's name or address alone
    port: Annotated[int, Meta(ge=1, le=65535)] = 1883  # with TLS mostly 8883
    protocol: Literal["5", "3.1.1"] = "5"  # the version of MQTT
    username: Annotated[Text, Meta(max_length=1000)] = ""  # empty: none
    password_file: Text = ""  # a file with it alone; empty: the systemd credential `mqtt-password`
    tls: TlsConfig | None = None
    # False for a broker that keeps no retained messages: who comes late then hears no status and no count.
    retain: bool = True
    qos: Annotated[int, Meta(ge=0, le=1)] = 1  # 0 for a broker without QoS 1: a result can be lost on its way
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 30  # silence after which either side asks
    health_interval_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0  # between two messages on `health`
    drain_s: Seconds = 10.0  # how long a finished run waits for its last acknowledgements

    def __post_init__(self) -> None:
        """Refuse an address where a host is meant: it would be looked for in vain, for ever."""
        fault = _host_fault(self.host)
        if fault is not None:
            raise ValueError(f"host: {fault}")


def _host_fault(host: str) -> str | None:
    """Say what to write instead of a host that cannot be one; None where it can."""
    stripped = host.strip()
    if stripped.count(":") > 1 and re.fullmatch(r"[0-9A-Fa-f:.]+(%\w+)?", stripped):
        return None if stripped == host else f'has a space in it; write host = "{stripped}"'  # IPv6
    found = _ADDRESS.fullmatch(stripped)
    inner = None if found is None else _HOST_AND_PORT.fullmatch(found["rest"])
    if found is None or inner is None or re.search(r"\s", stripped):
        return _NO_NAME
    name, port, scheme = inner["host"].strip("[]"), inner["port"], (found["scheme"] or "").lower()
    if not _may_be_looked_up(name):
        return _NO_NAME
    if name == host:
        return None
    if scheme not in _PLAIN | _ENCRYPTED:
        return (
            f'begins with {scheme}://, which is not spoken; write host = "{name}" and the port of the'
            " broker for plain MQTT, mostly port = 1883"
        )
    parts = [f'host = "{name}"'] + ([f"port = {port}"] if port else [])
    if scheme in _ENCRYPTED:
        parts.append("the section [mqtt.tls]")
    if name == stripped:
        what = "has a space in it"
    elif scheme or found["path"]:
        what = "is a whole address"
    else:
        what = "has the port in it" if port else "has more than the name in it"
    return f"{what}; write {' and '.join(parts)}"


def _may_be_looked_up(name: str) -> bool:
    """Whether the system can be asked for a name: between its dots stand 1 to 63 characters."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True
