"""What becomes of the broker's answers: which message each of them is about."""

from __future__ import annotations

import contextlib
import sqlite3

import msgspec
import pytest
from delivery_desk import FIELD, HELLO, ROOT, settle
from samples import DEVICE

from edge.messages import Response, decode, encode
from edge.mqtt.connection import Outcome
from edge.store.command_log import Answer


@pytest.fixture
def all_kinds(desk):
    """Return a connection on which one message of each kind is in flight, and what delivers."""
    desk.add()
    desk.store.answers.keep(Answer("kept", "specimen/stop", b"", response("kept", "specimen/stop")))
    desk.put(event=7)
    connection, delivery = desk.connect()
    connection.commands.append((f"{ROOT}/cmd/ping", b"{}", False))
    delivery.step()
    assert {kind for kind, _ in connection.in_flight.values()} == {
        *("status", "info", "response", "response to", "specimen", "field"),
    }
    return connection, delivery


def response(correlation, command):
    return encode(Response(device_id=DEVICE, command=command, correlation_id=correlation, ok=True))


@pytest.mark.parametrize(
    ("kind", "topic"),
    [
        ("status", "status"),
        ("info", "info"),
        ("specimen", "result/specimen/#"),
        ("field", "result/field"),
        ("response", "response/#"),
        ("response to", "response/#"),
    ],
)
def test_a_refusal_is_said_of_the_topic_that_was_refused_and_of_no_other(
    desk, all_kinds, kind, topic, caplog
):
    connection, delivery = all_kinds
    connection.answer(kind, refusal="Not authorized")
    connection.answer()
    delivery.settle()
    assert delivery.complaint == (
        f"it does not let this device write to {ROOT}/{topic}; allow it in the broker's access list"
        f" (mosquitto: topic write {ROOT}/#)"
    )
    assert caplog.messages == [f"broker: {delivery.complaint}"]
    assert delivery.delivered == (kind != "field")
    assert desk.errors() == ["Not authorized" if kind == "field" else None]
    assert [answer.correlation_id for answer in desk.store.answers.unsent()] == (
        ["kept"] if kind == "response to" else []
    )
    assert desk.mailbox.refused == 0
    connection.outcomes.append(Outcome((kind, ""), None))
    delivery.settle()
    assert delivery.complaint is None, "that kind is taken again"


def test_a_refusal_is_one_line_however_many_fields_it_hits_and_each_field_keeps_it(desk, caplog):
    desk.add(3)
    connection, delivery = desk.connect()
    delivery.step()
    connection.answer("field", refusal="Quota exceeded")
    delivery.settle()
    assert caplog.messages == [f"broker: it does not take {ROOT}/{FIELD}: quota exceeded"]
    assert desk.errors() == ["Quota exceeded"] * 3
    assert delivery.delivered == 0


def test_a_count_that_is_refused_is_settled_and_not_delivered_and_its_fields_are_not_touched(desk):
    desk.add()
    connection, delivery = offered(desk, event=7)
    connection.answer("differential", refusal="Not authorized")
    delivery.settle()
    assert delivery.complaint.startswith(f"it does not let this device write to {ROOT}/result/differential;")
    assert (desk.mailbox.settled, desk.mailbox.delivered) == (True, False)
    assert published(desk) == 0
    assert desk.errors() == [None]
    desk.put(event=8)
    delivery.step()
    connection.answer()
    delivery.step()
    assert (desk.mailbox.settled, desk.mailbox.delivered, delivery.complaint) == (True, True, None)
    assert published(desk) == 8


def offered(desk, event):
    """Return connection and delivery with a count on its way, of an event, behind its specimen."""
    desk.change("UPDATE specimens SET said = 0")
    desk.put(event=event)
    connection, delivery = desk.connect()
    delivery.step()
    connection.answer("specimen")
    delivery.step()
    return connection, delivery


def published(desk):
    with contextlib.closing(sqlite3.connect(desk.path)) as database:
        return database.execute("SELECT said FROM specimens WHERE id = 'S'").fetchone()[0]


def test_only_what_the_broker_has_counts_as_published_and_an_event_of_before_takes_nothing_back(desk):
    connection, delivery = offered(desk, event=5)
    assert published(desk) == 0
    connection.answer()
    delivery.step()
    assert published(desk) == 5
    for event, said in ((5, 5), (6, 6)):
        desk.put(event=event)
        delivery.step()
        connection.answer()
        delivery.step()
        assert published(desk) == said


def test_a_first_event_counts_as_published(desk):
    desk.change("UPDATE specimens SET said = 0")
    desk.put(event=1)
    connection, delivery = desk.connect()
    settle(connection, delivery)
    assert published(desk) == 1


def test_the_answer_to_one_message_is_not_taken_for_that_to_another_of_the_same_name(desk):
    # Whoever gives commands chooses their names: the first differential is "1", too, and a field's is known.
    (name,) = desk.add()
    for correlation in ("1", name):
        desk.store.answers.keep(Answer(correlation, "ping", b"", response(correlation, "ping")))
    desk.put()
    connection, delivery = desk.connect()
    delivery.step()
    connection.answer("specimen", "status")
    delivery.step()
    connection.answer("differential")
    delivery.settle()
    assert len(desk.store.answers.unsent()) == 2
    connection.answer("response to", refusal="Not authorized")
    delivery.settle()
    assert desk.errors() == [None]
    assert len(desk.store.answers.unsent()) == 2
    assert desk.mailbox.delivered
    assert delivery.delivered == 0
    connection.answer("field")
    delivery.settle()
    assert delivery.delivered == 1
    assert len(desk.store.answers.unsent()) == 2


def test_an_answer_is_said_on_each_connection_until_a_broker_has_it(desk):
    for correlation in ("a", "b"):
        desk.store.answers.keep(
            Answer(correlation, "specimen/stop", b"", response(correlation, "specimen/stop"))
        )
    for _ in range(2):
        connection, delivery = desk.connect()
        delivery.step()
        assert connection.topics() == [*HELLO, "response/specimen/stop", "response/specimen/stop"]
    assert [decode(each.payload).correlation_id for each in connection.sent[2:]] == ["a", "b"]
    connection.answer()
    delivery.step()
    connection, delivery = desk.connect()
    delivery.step()
    assert connection.topics() == HELLO


def counts(connection):
    """The specimens whose counts were offered since the last time, as the device's topic has them."""
    sent = [each for each in connection.new() if each.key[0] == "differential"]
    return [decode(each.payload).specimen_id for each in sent]


def test_counts_that_were_refused_are_offered_again_after_some_minutes(desk, clock):
    desk.change("UPDATE specimens SET said = 0")
    desk.put(event=3)
    desk.put("T")
    connection, delivery = desk.connect()
    for _ in range(4):
        delivery.step()
        connection.answer("specimen", "status", "info")
        connection.answer("differential", refusal="Quota exceeded")
    assert counts(connection) == ["S", "T"]
    clock.now += 290
    for _ in range(4):
        delivery.step()
    assert counts(connection) == [], "asking more often would be nagging"
    clock.now += 20
    settle_quietly(connection, delivery)
    assert counts(connection) == ["S", "T"]
    assert (published(desk), desk.mailbox.delivered, delivery.drained) == (3, True, True)
    clock.now += 310
    settle_quietly(connection, delivery)
    assert counts(connection) == []


def settle_quietly(connection, delivery):
    for _ in range(6):
        delivery.step()
        connection.answer()
    delivery.step()


def test_a_count_of_which_no_message_can_be_made_is_said_once_and_holds_nothing_up(desk, clock, caplog):
    (name,) = desk.add()
    desk.put("huge")
    huge = desk.mailbox.current
    reviewers = tuple(f"person-{number:024}" for number in range(3000))
    spoilt = msgspec.structs.replace(huge.differential, reviewers=reviewers)
    desk.mailbox.current = huge._replace(differential=spoilt)
    connection, delivery = desk.connect()
    settle_quietly(connection, delivery)
    assert [each.key[1] for each in connection.new() if each.key[0] == "field"] == [name]
    assert (desk.mailbox.settled, desk.mailbox.delivered) == (True, False)
    desk.put("next")
    clock.now += 310
    settle_quietly(connection, delivery)
    assert counts(connection) == ["next"]
    said = [each for each in caplog.messages if "cannot be sent" in each]
    assert len(said) == 1
    assert "the count of specimen huge cannot be sent: a message of" in said[0]
