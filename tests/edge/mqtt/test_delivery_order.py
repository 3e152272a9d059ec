"""What is said on a connection, in which order, and when a field comes again: step by step."""

from __future__ import annotations

import msgspec
import pytest
from delivery_desk import FIELD, HELLO, ROOT, settle
from samples import cell, info

from edge.messages import MAX_PAYLOAD, decode
from edge.mqtt.connection import Outcome


def test_birth_count_and_backlog_go_out_in_this_order_and_only_the_fields_are_not_kept(desk):
    ids = desk.add(2)
    desk.put()
    connection, delivery = desk.connect()
    delivery.step()
    sent = connection.new()
    assert [each.topic for each in sent] == [
        *(f"{ROOT}/{name}" for name in (*HELLO, "result/specimen/uuid-S")),
        *[f"{ROOT}/{FIELD}"] * 2,
    ]
    assert [each.retain for each in sent] == [True, True, True, False, False]
    assert [decode(each.payload).field_id for each in sent[3:]] == ids
    assert [topic for topic, _ in connection.told] == [f"{ROOT}/health"]
    connection.answer("specimen")
    delivery.step()
    (differential,) = connection.new()
    assert (differential.topic, differential.retain) == (f"{ROOT}/result/differential", True)


def test_nothing_is_said_before_the_broker_has_answered(desk):
    desk.add()
    connection, delivery = desk.connect()
    for connection.ready, connection.listening in ((False, True), (True, False), (False, False)):
        delivery.step()
        assert (connection.sent, connection.told, delivery.accepted) == ([], [], False)
    connection.ready = connection.listening = True
    delivery.step()
    assert delivery.accepted
    assert connection.topics() == [*HELLO, FIELD]


def test_all_is_said_when_all_is_answered_and_not_before(desk):
    connection, delivery = desk.connect(most=2)
    assert not delivery.drained, "it was not even born"
    delivery.step()
    assert not delivery.drained, "its birth is on the way"
    connection.answer()
    assert not delivery.drained, "the answer was not read"
    delivery.step()
    delivery.step()
    assert delivery.drained
    desk.put()
    assert not delivery.drained, "a count waits"
    for _ in range(3):
        delivery.step()
        connection.answer()
    delivery.step()
    assert delivery.drained
    desk.add(3)
    desk.mailbox.news = True
    assert not delivery.drained, "fields wait"
    delivery.step()
    connection.answer()
    assert not delivery.drained
    delivery.step()
    assert not delivery.drained, "one field is on the way"
    connection.answer()
    delivery.step()
    assert delivery.drained
    delivery.info = msgspec.structs.replace(info(), labels=("other",))
    connection.most = 0
    delivery.step()
    assert not delivery.drained, "what it is now is still to be said"
    connection.most = 2
    delivery.step()
    connection.answer()
    delivery.step()
    assert delivery.drained
    assert delivery.delivered == 3


def test_a_broker_that_takes_one_message_at_a_time_gets_all_in_their_order(desk):
    ids = desk.add(3)
    connection, delivery = desk.connect(most=1)
    for _ in range(6):
        delivery.step()
        assert len(connection.in_flight) <= 1
        connection.answer()
    assert [each.topic.split("/", 2)[2] for each in connection.sent] == [*HELLO, *[FIELD] * 3]
    assert [each.key[1] for each in connection.sent[2:]] == ids
    delivery.step()
    assert (delivery.delivered, desk.waiting(), delivery.drained) == (3, [], True)


@pytest.mark.parametrize("window", [1, 3])
def test_no_more_fields_are_in_flight_than_the_window_has(desk, window):
    ids = desk.add(5)
    connection, delivery = desk.connect(window=window)
    offered = []
    for _ in range(5):
        delivery.step()
        new = connection.fields()
        assert len(delivery.fields_in_flight) <= window
        offered += new
        connection.answer("field")
    assert offered == ids
    assert delivery.fields_in_flight == []


def test_each_slot_of_the_window_is_filled_again_while_the_others_wait(desk):
    ids = desk.add(7)
    connection, delivery = desk.connect(window=4)
    delivery.step()
    assert connection.fields() == ids[:4] == delivery.fields_in_flight
    delivery.step()
    assert connection.fields() == [], "it is full"
    number = next(number for number, key in connection.in_flight.items() if key == ("field", ids[0]))
    connection.outcomes.append(Outcome(connection.in_flight.pop(number), None))
    delivery.step()
    assert connection.fields() == ids[4:5]
    assert delivery.fields_in_flight == ids[1:5]


def test_a_field_that_comes_later_is_looked_for_when_there_is_news_and_not_before(desk):
    connection, delivery = desk.connect()
    settle(connection, delivery)
    (late,) = desk.add()
    delivery.step()
    assert connection.fields() == [], "nobody said so, and looking costs time"
    desk.mailbox.news = True
    delivery.step()
    assert connection.fields() == [late]
    assert not desk.mailbox.news
    connection.answer()
    delivery.step()
    assert connection.fields() == []


def test_a_field_that_cannot_be_sent_is_set_aside_and_those_behind_it_go_out(desk):
    ids = desk.add(2)
    desk.add(1, *(cell() for _ in range(400)))
    ids += desk.add()
    (damaged,) = desk.add()
    ids += desk.add()
    desk.change("UPDATE fields SET payload = ?, run_id = 'earlier' WHERE field_id = ?", b"{", damaged)
    connection, delivery = desk.connect()
    delivery.step()
    assert connection.fields() == ids
    too_large, unreadable = desk.errors()[2], desk.errors()[4]
    assert f"is over the limit of {MAX_PAYLOAD}" in too_large
    assert "truncated" in unreadable
    connection.answer()
    delivery.step()
    assert (delivery.delivered, delivery.drained) == (4, True)
    assert desk.store.backlog() == 2


@pytest.mark.parametrize("run_id", [None, "0", "zzz"])
@pytest.mark.parametrize(("waited_s", "late"), [(0.0, False), (9.0, False), (10.5, True), (7200.0, True)])
def test_a_field_is_historical_ten_seconds_after_it_was_made_and_always_if_another_process_made_it(
    desk, clock, run_id, waited_s, late
):
    clock.now = 5000.0
    desk.add()
    if run_id is not None:
        desk.change("UPDATE fields SET run_id = ?", run_id)
    clock.now += waited_s
    connection, delivery = desk.connect()
    delivery.step()
    (said,) = (decode(each.payload) for each in connection.sent if each.key[0] == "field")
    assert said.historical == (late or run_id is not None)
    assert said.specimen_uuid == desk.store.ledger.find("S").uuid


@pytest.mark.parametrize("start_s", [0.0, 1000.0])
def test_what_was_refused_is_asked_again_after_some_minutes_and_what_is_in_flight_is_not_sent_twice(
    desk, clock, start_s
):
    clock.now = start_s
    first, second, third = desk.add(3)
    connection, delivery = desk.connect()
    delivery.step()
    assert connection.fields() == [first, second, third]
    for number, key in list(connection.in_flight.items()):
        if key[0] == "field" and key[1] != second:
            connection.outcomes.append(Outcome(connection.in_flight.pop(number), "no"))
    delivery.step()
    assert desk.errors() == ["no", None, "no"]
    clock.now += 290
    delivery.step()
    assert connection.fields() == [], "asking more often would be nagging"
    clock.now += 20
    delivery.step()
    assert connection.fields() == [first, third]
    connection.answer()
    delivery.step()
    assert (desk.waiting(), delivery.delivered) == ([], 3)
    clock.now += 290
    delivery.step()
    assert connection.fields() == []


def test_over_a_new_connection_what_was_refused_a_moment_ago_is_not_asked_again(desk, clock):
    unanswered, refused = desk.add(2)
    connection, delivery = desk.connect()
    delivery.step()
    desk.store.mark_refused(refused, "Not authorized")
    (next_one,) = desk.add()
    connection, delivery = desk.connect()
    delivery.step()
    assert connection.fields() == [unanswered, next_one]
    clock.now += 310
    delivery.step()
    assert connection.fields() == [refused]


def test_a_refused_field_of_before_is_asked_for_when_the_device_starts(desk):
    (refused,) = desk.add()
    desk.store.mark_refused(refused, "no")
    connection, delivery = desk.connect()
    delivery.step()
    assert connection.fields() == [refused]
