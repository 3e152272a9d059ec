"""What a broker's codes become: a sentence with the key to change, for each kind of configuration."""

from __future__ import annotations

import ssl

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge.config import MqttConfig, TlsConfig
from edge.mqtt.broker_words import NO_QOS, NO_RETAIN, hung_up, refused_connection, refused_topic, unreachable

LOGIN = "it lets nobody in without a user and a password; set mqtt.username and mqtt.password_file"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (0x80, "it refused the connection: Unspecified error"),
        (0x83, "it refused the connection: Implementation specific error"),
        (0x84, 'it does not speak MQTT 5; set mqtt.protocol = "3.1.1"'),
        (0x85, "it does not take the client id me; set another device_id"),
        (0x86, LOGIN),
        (0x87, LOGIN),
        (0x88, "it refused the connection: Server unavailable"),
        (0x89, "it refused the connection: Server busy"),
        (0x8A, LOGIN),
        (0x8C, "it refused the connection: Bad authentication method"),
        (0x97, "it refused the connection: Quota exceeded"),
        (0x9A, NO_RETAIN),
        (0x9B, NO_QOS),
        (0x9C, "it refused the connection: Use another server"),
    ],
)
def test_each_code_of_a_refused_connection_has_its_sentence(code, sentence):
    said = ReasonCode(PacketTypes.CONNACK, identifier=code)
    assert refused_connection(said, MqttConfig(), "me") == sentence


@pytest.mark.parametrize(("protocol", "other"), [("5", "3.1.1"), ("3.1.1", "5")])
def test_a_protocol_that_is_not_spoken_is_answered_with_the_other_one(protocol, other):
    said = ReasonCode(PacketTypes.CONNACK, identifier=0x84)
    assert refused_connection(said, MqttConfig(protocol=protocol), "me") == (
        f'it does not speak MQTT {protocol}; set mqtt.protocol = "{other}"'
    )


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (MqttConfig(), LOGIN),
        (MqttConfig(tls=TlsConfig()), LOGIN),
        (MqttConfig(username="me"), 'it does not take the user "me" with this password'),
        (
            MqttConfig(tls=TlsConfig(certificate_file="c")),
            "it does not let this device in with its certificate",
        ),
        (
            MqttConfig(username="me", tls=TlsConfig(certificate_file="c")),
            'it does not take the user "me" with this password',
        ),
    ],
)
def test_a_refused_login_names_what_the_device_came_with(config, sentence):
    said = ReasonCode(PacketTypes.CONNACK, identifier=0x87)
    assert refused_connection(said, config, "me").startswith(sentence)


TLS_ONLY = "it may speak TLS only (section [mqtt.tls], mostly mqtt.port = 8883)"
CERTIFICATE = "it may want a certificate (mqtt.tls.certificate_file)"
OLDER = 'or speak an older protocol only (mqtt.protocol = "3.1.1")'
LESS = "or take no retained messages (mqtt.retain = false) or no QoS 1 (mqtt.qos = 0)"


@pytest.mark.parametrize(
    ("tls", "protocol", "first", "second"),
    [
        (None, "5", TLS_ONLY, OLDER),
        (None, "3.1.1", TLS_ONLY, LESS),
        (TlsConfig(), "5", CERTIFICATE, OLDER),
        (TlsConfig(), "3.1.1", CERTIFICATE, LESS),
    ],
)
def test_a_broker_that_hangs_up_may_want_what_the_device_has_not(tls, protocol, first, second):
    assert (
        hung_up(MqttConfig(tls=tls, protocol=protocol)) == f"it hung up before it answered; {first}, {second}"
    )


def test_a_topic_that_is_refused_for_another_reason_is_said_with_the_brokers_own():
    assert refused_topic("a/b", "Quota exceeded", "d") == "it does not take a/b: quota exceeded"
    for code in ("A reason that comes before", "Z, and one behind"):
        assert "access list" not in refused_topic("a/b", code, "d")
    assert "topic write leukoscope/d/#" in refused_topic("a/b", "Not authorized", "d")


def test_an_error_without_words_is_not_silent():
    assert unreachable(OSError("a sentence of its own"), MqttConfig()) == "a sentence of its own"
    assert unreachable(OSError(113, "No route to host"), MqttConfig()) == "No route to host"
    untrusted = ssl.SSLCertVerificationError(1, "x")
    untrusted.verify_message = "it has expired"
    assert "is not to be trusted (it has expired)" in unreachable(untrusted, MqttConfig(tls=TlsConfig()))
