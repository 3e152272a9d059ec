"""How a connection ends, and whose doing that is."""

from __future__ import annotations

import pytest
from far_end import CONNACK, DISCONNECTED, FarEnd

from edge.mqtt.broker_words import NO_QOS, NO_RETAIN
from edge.mqtt.connection import (
    ConnectionLostError,
    Outgoing,
    RefusedError,
    TakenOverError,
    UnexplainedError,
)

RECEIVE_MAXIMUM, MAXIMUM_QOS, RETAIN_AVAILABLE, MAXIMUM_PACKET_SIZE = b"\x21", b"\x24", b"\x25", b"\x27"
NOT_AUTHORIZED, TAKEN_OVER, QUOTA_EXCEEDED, SHUTTING_DOWN = 0x87, 0x8E, 0x97, 0x8B


def message(number=1, size=10, *, topic="a/topic", retain=False):
    return Outgoing(("field", str(number)), topic, b"x" * size, retain)


@pytest.mark.parametrize(
    ("says", "config", "sentence"),
    [
        (RETAIN_AVAILABLE + b"\0", {}, NO_RETAIN),
        (RETAIN_AVAILABLE + b"\0", {"retain": False}, None),
        (RETAIN_AVAILABLE + b"\1", {}, None),
        (MAXIMUM_QOS + b"\0", {}, NO_QOS),
        (MAXIMUM_QOS + b"\0", {"qos": 0}, None),
        (MAXIMUM_QOS + b"\1", {}, None),
        (MAXIMUM_QOS + b"\0" + RETAIN_AVAILABLE + b"\0", {}, NO_RETAIN),
        (MAXIMUM_QOS + b"\0" + RETAIN_AVAILABLE + b"\0", {"retain": False}, NO_QOS),
        (MAXIMUM_QOS + b"\0" + RETAIN_AVAILABLE + b"\0", {"retain": False, "qos": 0}, None),
        (b"", {}, None),
    ],
)
def test_a_broker_without_retain_or_qos_is_left_only_where_they_are_wanted(far, says, config, sentence):
    connection = far.connection(**config)
    far.read()
    far.accept(says)
    if sentence is None:
        far.turn(lambda: connection.ready)
        return
    error = far.end()
    assert isinstance(error, RefusedError)
    assert str(error) == sentence
    assert not connection.ready
    assert far.read().kind == 14, "it takes its leave"


def test_a_broker_that_refuses_is_not_taken_for_one_that_hangs_up(far):
    far.connection()
    far.read()
    far.say(CONNACK, bytes([0, NOT_AUTHORIZED, 0]))
    error = far.end()
    assert isinstance(error, RefusedError)
    assert "user and a password" in str(error)


# How it ends


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (TAKEN_OVER, TakenOverError, "Session taken over"),
        (SHUTTING_DOWN, ConnectionLostError, "Server shutting down"),
        (QUOTA_EXCEEDED, ConnectionLostError, "Quota exceeded"),
    ],
)
def test_how_a_broker_takes_its_leave_is_told(far, code, kind, said):
    far.accepted()
    far.say(DISCONNECTED, bytes([code, 0]))
    error = far.end()
    assert type(error) is kind
    assert str(error) == f"it ended the connection: {said}"


def test_a_broker_that_hangs_up_without_a_word_leaves_it_unexplained(far):
    connection = far.accepted()
    far.hang_up()
    assert type(far.end()) is UnexplainedError
    with pytest.raises(UnexplainedError):
        connection.send(message())
    with pytest.raises(UnexplainedError):
        connection.turn(0.0, far.ears)
    connection.say_goodbye()  # which nobody hears any more
    connection.close()


def test_a_broker_that_hangs_up_before_it_has_answered_is_another_matter(far):
    far.connection()
    far.hang_up()
    error = far.end()
    assert type(error) is ConnectionLostError
    assert str(error).startswith("it hung up before it answered")


def test_a_goodbye_keeps_the_will_back_and_a_mere_end_does_not(far):
    connection = far.accepted()
    connection.say_goodbye()
    assert far.read().kind == 14
    with FarEnd() as other:
        other.accepted().close()
        with pytest.raises((EOFError, ConnectionResetError)):
            other.read()


@pytest.mark.parametrize("answered", [False, True])
def test_who_does_not_answer_within_ten_seconds_is_no_broker(far, clock, answered):
    # Over MQTT 3.1.1 it must grant the subscriptions, too.
    clock.now = 50.0
    connection = far.connection(protocol="3.1.1")
    far.read()
    if answered:
        far.accept()
        far.turn(lambda: connection.ready)
    clock.now += 9.5
    connection.turn(0.0, far.ears)
    clock.now += 1.0
    with pytest.raises(ConnectionLostError, match="it does not answer as an MQTT broker does"):
        connection.turn(0.0, far.ears)


@pytest.mark.parametrize("quiet_s", [0.0, 100_000.0])
def test_a_quiet_connection_lives_as_long_as_nothing_waits_for_an_answer(far, clock, quiet_s):
    clock.now = 5.0  # the machine has just started
    connection = far.accepted()
    clock.now += quiet_s
    connection.turn(0.0, far.ears)
    for number in (1, 2):
        connection.send(message(number))
    clock.now += 55
    connection.turn(0.0, far.ears)
    far.acknowledge(far.published())
    far.turn(lambda: len(connection.in_flight) == 1)
    clock.now += 55
    connection.send(message(3))  # does not make the second one younger
    connection.turn(0.0, far.ears)
    clock.now += 10
    with pytest.raises(ConnectionLostError, match="it has acknowledged nothing for 60 s"):
        connection.turn(0.0, far.ears)


def test_a_call_ends_the_wait(far):
    connection = far.accepted()
    far.mouth.send(b"\0")
    connection.turn(300.0, far.ears)  # longer than the test may take
