"""What the device says on a connection, and that it keeps to what the broker says that it takes."""

from __future__ import annotations

import struct

import pytest
from far_end import ROOT
from samples import DEVICE

from edge.mqtt.connection import (
    Outgoing,
)
from edge.mqtt.payloads import status_message

RECEIVE_MAXIMUM, MAXIMUM_QOS, RETAIN_AVAILABLE, MAXIMUM_PACKET_SIZE = b"\x21", b"\x24", b"\x25", b"\x27"
NOT_AUTHORIZED, TAKEN_OVER, QUOTA_EXCEEDED, SHUTTING_DOWN = 0x87, 0x8E, 0x97, 0x8B


def message(number=1, size=10, *, topic="a/topic", retain=False):
    return Outgoing(("field", str(number)), topic, b"x" * size, retain)


# What the device says of itself


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("retain", [True, False])
def test_the_will_is_an_offline_that_is_kept_where_the_broker_keeps_anything(far, protocol, qos, retain):
    far.connection(protocol=protocol, qos=qos, retain=retain)
    body = far.read().body
    level, flags = body[6], body[7]
    assert level == (5 if protocol == "5" else 4)
    assert flags >> 6 == 0, "neither a user nor a password"
    assert (flags >> 5 & 1, flags >> 3 & 3, flags >> 2 & 1) == (retain, qos, 1)
    will = status_message(DEVICE, "offline")
    assert b"a-device" in body
    assert body.endswith(struct.pack(">H", len(will.payload)) + will.payload)


def test_user_and_password_are_sent_where_there_are_any(far):
    far.connection("secret", username="me")
    assert far.read().body.endswith(b"\0\2me\0\6secret")


def test_a_device_takes_commands_of_some_size_and_no_flood(far):
    far.connection()
    body = far.read().body
    properties = body[11 : 11 + body[10]]
    at = properties.index(MAXIMUM_PACKET_SIZE)
    (most,) = struct.unpack_from(">I", properties, at + 1)
    assert 64 * 1024 <= most <= 1024 * 1024
    assert body[8:10] == struct.pack(">H", 30), "how long either side may be silent"


@pytest.mark.parametrize(("protocol", "topics"), [("5", ["cmd/#"]), ("3.1.1", ["cmd/#", "status"])])
def test_commands_are_listened_to_and_over_mqtt_3_1_1_its_own_status(far, protocol, topics, caplog):
    connection = far.connection(protocol=protocol)
    far.read()
    assert not connection.ready
    far.accept()
    far.turn(lambda: connection.ready)
    for topic in topics:
        assert not connection.listening or protocol == "5"
        assert f"{ROOT}/{topic}".encode() in far.grant()
    far.turn(lambda: connection.listening)
    assert caplog.messages == []
    far.publish(f"{ROOT}/cmd/ping", b"{}")
    far.publish(f"{ROOT}/cmd/specimen/stop", b"[]", retain=True)
    far.turn(lambda: len(connection.commands) == 2)
    assert list(connection.commands) == [
        (f"{ROOT}/cmd/ping", b"{}", False),
        (f"{ROOT}/cmd/specimen/stop", b"[]", True),
    ]


def test_a_broker_that_grants_no_commands_is_told_of_and_results_go_out(far, caplog):
    connection = far.connection()
    far.read()
    far.accept()
    far.turn(lambda: connection.ready)
    far.grant(NOT_AUTHORIZED)
    far.turn(lambda: caplog.messages)
    assert caplog.messages == ["the broker does not let this device have commands: Not authorized"]
    connection.send(message())
    assert far.published().topic == "a/topic"


def test_over_mqtt_3_1_1_only_what_is_said_on_this_connection_is_an_echo(far):
    connection = far.accepted(protocol="3.1.1")
    far.publish(f"{ROOT}/status", b"of before", retain=True)
    far.publish(f"{ROOT}/status", b"of now")
    far.publish(f"{ROOT}/cmd/ping", b"{}")
    far.turn(lambda: connection.commands)
    assert connection.echoes == [b"of now"]
    assert len(connection.commands) == 1


@pytest.mark.parametrize("code", [0x00, 0x80])
def test_over_mqtt_3_1_1_a_status_that_may_not_be_read_is_no_command_that_may_not_be_had(far, code, caplog):
    connection = far.connection(protocol="3.1.1")
    far.read()
    far.accept()
    far.turn(lambda: connection.ready)
    far.grant()
    far.turn(lambda: not connection._client.want_write())  # noqa: SLF001
    assert not connection.listening
    far.grant(code)
    far.turn(lambda: connection.listening)
    assert caplog.messages == []


# What the broker takes


@pytest.mark.parametrize(("most", "room"), [(None, 20), (1, 1), (3, 3), (19, 19), (200, 20)])
def test_no_more_is_in_flight_than_the_broker_takes_and_never_more_than_twenty(far, most, room):
    connection = far.connection()
    assert connection.room == 0, "it has not answered"
    far.read()
    far.accept(b"" if most is None else RECEIVE_MAXIMUM + struct.pack(">H", most))
    far.turn(lambda: connection.ready)
    assert connection.room == room
    for number in range(room):
        connection.send(message(number))
        assert connection.room == room - number - 1
    far.grant()
    far.acknowledge(far.published())
    far.turn(lambda: connection.room == 1)
    assert len(connection.in_flight) == room - 1


def test_what_became_of_a_message_is_told_of_that_message(far):
    connection = far.accepted()
    for number in (1, 2, 3):
        connection.send(message(number))
    first, second, third = (far.published() for _ in range(3))
    assert [(each.qos, each.retain) for each in (first, second, third)] == [(1, False)] * 3
    far.acknowledge(second, NOT_AUTHORIZED)
    far.acknowledge(third)
    far.turn(lambda: len(connection.outcomes) == 2)
    assert list(connection.outcomes) == [(("field", "2"), "Not authorized"), (("field", "3"), None)]
    assert list(connection.in_flight.values()) == [("field", "1")]


@pytest.mark.parametrize("retain", [True, False])
def test_a_message_is_kept_by_the_broker_where_it_should_be_and_the_broker_keeps_any(far, retain):
    connection = far.accepted(retain=retain)
    connection.send(message(retain=True))
    connection.send(message(retain=False))
    assert [far.published().retain for _ in range(2)] == [retain, False]


@pytest.mark.parametrize("topic", ["a/topic", "leukoscope/" + "ü" * 30])
def test_a_broker_gets_nothing_over_its_limit_and_what_is_well_below_it_does_go_out(far, topic):
    connection = far.accepted(MAXIMUM_PACKET_SIZE + struct.pack(">I", 400))
    refused = []
    for size in [*range(0, 400, 10), *range(290, 400), 5000]:
        connection.send(message(size, size, topic=topic))
        if connection.outcomes:
            ((key, refusal),) = connection.outcomes
            connection.outcomes.clear()
            assert (key, refusal) == (("field", str(size)), "the broker takes at most 400 bytes")
            assert size > 400 - 20 - 2 * 50 - len(topic.encode()), "that is well below"
            assert not connection.in_flight
            refused.append(size)
        else:
            sent = far.published()
            assert (sent.payload, sent.topic) == (b"x" * size, topic)
            assert sent.size <= 400
            far.acknowledge(sent)
            far.turn(lambda: connection.outcomes)
            connection.outcomes.clear()
    assert 5000 in refused


def test_without_a_limit_everything_goes_out(far):
    connection = far.accepted()
    connection.send(message(1, 60_000))
    connection.send_and_forget("a/picture", b"x" * 50_000)
    assert len(far.published().payload) == 60_000
    assert len(far.published().payload) == 50_000


def test_a_picture_over_the_brokers_limit_is_not_sent(far):
    connection = far.accepted(MAXIMUM_PACKET_SIZE + struct.pack(">I", 400))
    connection.send_and_forget("a/picture", b"x" * 500)
    connection.send_and_forget("a/picture", b"x" * 100)
    sent = far.published()
    assert (sent.payload, sent.qos, sent.retain) == (b"x" * 100, 0, False)
    assert not connection.in_flight


def test_with_qos_0_a_message_is_done_with_when_it_is_on_its_way(far):
    connection = far.accepted(qos=0)
    for number in range(25):
        connection.send(message(number))
        assert far.published().qos == 0
    assert [outcome.key for outcome in connection.outcomes] == [("field", str(n)) for n in range(25)]
    assert {outcome.refusal for outcome in connection.outcomes} == {None}
    assert (connection.in_flight, connection.room) == ({}, 20)


@pytest.mark.parametrize(("qos", "room"), [(0, 0), (1, 20)])
def test_with_qos_0_a_network_that_takes_no_more_is_waited_for(far, qos, room):
    connection = far.accepted(qos=qos)
    assert not connection.congested
    for _ in range(200):
        connection.send_and_forget("a/picture", b"x" * 200_000)
        if connection.congested:
            break
    assert connection.congested
    assert connection.room == room
