"""Why a broker does not take what this device sends, and what to change: one sentence each."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paho.mqtt.reasoncodes import ReasonCode

    from edge.config import MqttConfig

# MQTT 5, section 3.2.2.2; paho gives the codes of 3.1.1 by these numbers as well.
_LOGIN = {0x86, 0x87, 0x8A}  # bad user or password, not authorized, banned
_PROTOCOL, _CLIENT_ID, _RETAIN, _QOS = 0x84, 0x85, 0x9A, 0x9B

NO_RETAIN = "it keeps no retained messages; set mqtt.retain = false, and who comes late hears no status"
"""Of a broker without retain."""

NO_QOS = "it takes no messages with QoS 1; set mqtt.qos = 0, over which a result can be lost on its way"
"""Of a broker without QoS 1."""


def refused_connection(code: ReasonCode, config: MqttConfig, client_id: str) -> str:
    """Say why a broker answered a connection with this code, and what to change."""
    if code.value in _LOGIN:
        return _refused_login(config)
    other = "3.1.1" if config.protocol == "5" else "5"
    sentences = {
        _PROTOCOL: f'it does not speak MQTT {config.protocol}; set mqtt.protocol = "{other}"',
        _CLIENT_ID: f"it does not take the client id {client_id}; set another device_id",
        _RETAIN: NO_RETAIN,
        _QOS: NO_QOS,
    }
    return sentences.get(code.value, f"it refused the connection: {code}")


def hung_up(config: MqttConfig) -> str:
    """Say what can be the matter with a broker that ends a connection before it has answered."""
    if config.tls is None:
        first = "speak TLS only (section [mqtt.tls], mostly mqtt.port = 8883)"
    else:
        first = "want a certificate (mqtt.tls.certificate_file)"
    if config.protocol == "5":
        second = 'speak an older protocol only (mqtt.protocol = "3.1.1")'
    else:
        second = "take no retained messages (mqtt.retain = false) or no QoS 1 (mqtt.qos = 0)"
    return f"it hung up before it answered; it may {first}, or {second}"


def unheard(device_id: str) -> str:
    """Say that a broker of MQTT 3.1.1 took this device's status and did not pass it on."""
    return (
        f"it takes this device's messages and drops them: its access list does not let it write below"
        f" leukoscope/{device_id}/ or read leukoscope/{device_id}/status. Allow both (mosquitto: topic write"
        f" leukoscope/{device_id}/#, topic read leukoscope/{device_id}/status), or set"
        ' mqtt.protocol = "5", over which a broker says what it refuses'
    )


def refused_topic(topic: str, code: str, device_id: str) -> str:
    """Say that a broker does not take what is sent to a topic. code: in MQTT's words."""
    if code == "Not authorized":
        return (
            f"it does not let this device write to {topic}; allow it in the broker's access list"
            f" (mosquitto: topic write leukoscope/{device_id}/#)"
        )
    return f"it does not take {topic}: {code[:1].lower()}{code[1:]}"


def unreachable(error: OSError, config: MqttConfig) -> str:  # noqa: PLR0911 (one a kind of error)
    """Say why no connection came about, and which key it hangs on."""
    match error:
        case socket.gaierror():
            return f"mqtt.host: no computer of the name {config.host} is known to this network"
        case ConnectionRefusedError():
            return "nothing answers there; is the broker running, and are mqtt.host and mqtt.port right?"
        case TimeoutError():
            return "nothing answers there; are mqtt.host and mqtt.port right, and is the network up?"
        case ssl.SSLCertVerificationError():
            return (
                f"its certificate is not to be trusted ({error.verify_message}); mqtt.tls.ca_file names who"
                " vouches for it, and mqtt.host must be the name in it"
            )
        case ConnectionResetError() if config.tls is None:
            return hung_up(config)
        case ConnectionResetError() | ssl.SSLError():
            return (
                "no encrypted connection came about; is mqtt.port the one for TLS, mostly 8883? Without the"
                " section [mqtt.tls] nothing is encrypted"
            )
    return error.strerror or str(error)


def _refused_login(config: MqttConfig) -> str:
    if config.username:
        return (
            f'it does not take the user "{config.username}" with this password; see mqtt.username and the'
            " file that mqtt.password_file names"
        )
    if config.tls is not None and config.tls.certificate_file:
        return "it does not let this device in with its certificate; see mqtt.tls.certificate_file"
    return "it lets nobody in without a user and a password; set mqtt.username and mqtt.password_file"
