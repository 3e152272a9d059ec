"""When a device says who it is, its count, its health and its answers, and when it waits."""

from __future__ import annotations

import msgspec
import pytest
from delivery_desk import HELLO, ROOT, settle
from samples import DEVICE, cell, field, info

from edge.messages import Response, decode
from edge.mqtt.connection import RefusedError
from edge.mqtt.payloads import status_message
from edge.store.pictures import CellPicture

# What goes out once


def test_the_device_says_who_it_is_once_and_again_when_that_has_changed(desk):
    connection, delivery = desk.connect()
    settle(connection, delivery)
    delivery.step()
    assert connection.topics() == []
    delivery.info = msgspec.structs.replace(info(), labels=("other",))
    delivery.step()
    (again,) = connection.new()
    assert (again.topic, again.retain, decode(again.payload).labels) == (f"{ROOT}/info", True, ("other",))
    connection.answer()
    delivery.step()
    assert connection.topics() == []


def test_while_a_count_is_on_its_way_only_the_latest_one_waits_behind_it(desk):
    connection, delivery = desk.connect()
    delivery.step()
    assert connection.topics() == HELLO, "and these are not answered"
    desk.put()
    delivery.step()
    assert connection.topics() == ["result/specimen/uuid-S"]
    delivery.step()
    assert connection.topics() == [], "the specimen's own comes first"
    connection.answer("specimen")
    delivery.step()
    assert connection.topics() == ["result/differential"]
    assert delivery.fields_in_flight == [], "no field is blamed where the connection ends now"
    for _ in range(3):
        desk.put()
        delivery.step()
    assert connection.topics() == []
    connection.answer("differential")
    delivery.step()
    (latest,) = connection.new()
    assert latest.key == ("differential", "4")
    connection.answer("differential")
    delivery.step()
    assert connection.topics() == [], "once is enough"


def test_a_count_waits_for_room(desk):
    desk.put()
    connection, delivery = desk.connect(most=2)
    delivery.step()
    assert connection.topics() == HELLO
    connection.answer()
    delivery.step()
    assert connection.topics() == ["result/specimen/uuid-S"]


# Health


def test_health_is_said_at_once_and_then_at_its_interval(desk, clock):
    connection, delivery = desk.connect(health_interval_s=30.0)
    said = []
    for clock.now in (0.0, 29.0, 31.0, 45.0, 60.0, 61.5, 91.0):
        before = len(connection.told)
        delivery.step()
        said += [clock.now] * (len(connection.told) - before)
    assert said == [0.0, 31.0, 61.5]
    delivery.health_interval_s = 5.0
    for clock.now in (95.0, 96.5, 101.0, 102.0):
        before = len(connection.told)
        delivery.step()
        said += [clock.now] * (len(connection.told) - before)
    assert said == [0.0, 31.0, 61.5, 95.0, 101.0], "the new interval holds at once"


def test_health_waits_while_the_network_takes_nothing(desk, clock):
    connection, delivery = desk.connect()
    connection.congested = True
    delivery.step()
    assert connection.told == [], "one message a turn would pile up"
    connection.congested = False
    delivery.step()
    assert len(connection.told) == 1
    clock.now += 31.0
    connection.congested = True
    delivery.step()
    assert len(connection.told) == 1


def test_health_says_how_many_results_wait_and_why_the_last_of_them_was_refused(desk):
    ids = desk.add(3)
    for name, reason in zip(ids, ("one reason", "another reason"), strict=False):
        desk.store.mark_refused(name, reason)
    connection, delivery = desk.connect()
    delivery.step()
    ((topic, payload),) = connection.told
    health = decode(payload)
    assert topic == f"{ROOT}/health"
    assert (health.backlog, health.results_refused, health.refusal) == (3, 2, "another reason")


# Over MQTT 3.1.1, a broker does not say that it drops what it takes


@pytest.mark.parametrize("start_s", [0.0, 1000.0])
def test_nothing_but_a_hello_is_said_until_it_is_heard_or_for_some_seconds(desk, clock, start_s):
    clock.now = start_s
    desk.add()
    desk.put()
    connection, delivery = desk.connect(hears_itself=True)
    connection.echoes.append(status_message(DEVICE, "offline").payload)
    delivery.step()
    assert connection.topics() == HELLO
    clock.now += 1000  # it is not its turn before the broker has acknowledged it
    delivery.step()
    connection.answer()
    for _ in range(3):
        delivery.step()
        clock.now += 1.2
    assert (connection.topics(), connection.told, delivery.accepted, delivery.drained) == (
        [],
        [],
        False,
        False,
    )
    clock.now += 1.0
    with pytest.raises(RefusedError, match="it takes this device's messages and drops them"):
        delivery.step()


def test_a_hello_that_is_heard_proves_that_the_rest_is_passed_on(desk, clock):
    ids = desk.add(2)
    connection, delivery = desk.connect(hears_itself=True)
    delivery.step()
    assert not delivery.accepted
    connection.echoes.append(status_message(DEVICE, "online").payload)
    delivery.step()
    assert delivery.accepted
    clock.now += 3600
    delivery.step()
    assert connection.fields() == ids


def test_a_hello_waits_for_room(desk, clock):
    connection, delivery = desk.connect(hears_itself=True, most=1)
    delivery.step()
    assert connection.topics() == HELLO[:1]
    connection.answer()
    connection.most = 0
    for _ in range(3):
        clock.now += 100
        delivery.step()
    assert connection.topics() == [], "and as long as it was not said, it cannot be heard"
    connection.most = 1
    delivery.step()
    assert connection.topics() == HELLO[1:]


# Commands


class Obedient:
    """Answers all but floods, and keeps what it was asked."""

    def __init__(self, *, ok=True, silent=()) -> None:
        self.asked = []
        self._ok = ok
        self._silent = silent

    def answer(self, name, payload, *, retained, **_):
        self.asked.append((name, payload, retained))
        if name in self._silent:
            return None
        error = None if self._ok else "no"
        return Response(device_id=DEVICE, command=name, correlation_id=None, ok=self._ok, error=error)


def test_commands_are_answered_on_their_own_topic_in_their_order(desk):
    commands = Obedient(silent={"b"})
    connection, delivery = desk.connect(commands=commands)
    for name, retained in (("a", False), ("b", True), ("specimen/stop", False)):
        connection.commands.append((f"{ROOT}/cmd/{name}", b"{}", retained))
    delivery.step()
    assert commands.asked == [("a", b"{}", False), ("b", b"{}", True), ("specimen/stop", b"{}", False)]
    assert connection.topics() == [*HELLO, "response/a", "response/specimen/stop"]


def test_answers_that_cannot_be_sent_do_not_pile_up_and_commands_are_answered_again_afterwards(desk, caplog):
    connection, delivery = desk.connect(commands=Obedient(), most=0)
    connection.commands.extend([(f"{ROOT}/cmd/ping", b"{}", False)] * 300)
    delivery.step()
    assert not connection.commands, "those that are not answered are not answered hours later either"
    left_out = [each for each in caplog.messages if "commands come faster" in each]
    connection.most = 1000
    delivery.step()
    answers = connection.topics().count("response/ping")
    assert 50 <= answers <= 150
    assert len(left_out) == 300 - answers
    connection.commands.append((f"{ROOT}/cmd/ping", b"{}", False))
    delivery.step()
    assert connection.topics() == ["response/ping"]


@pytest.mark.parametrize(
    ("name", "ok", "sent"),
    [
        ("cell/image", True, True),
        ("cell/image", False, False),
        ("cell/a", True, False),
        ("ping", True, False),
    ],
)
def test_a_picture_is_sent_for_the_command_that_asks_for_it_where_that_may_be(desk, name, ok, sent):
    each = field(desk.store.next_sequence(), cell())
    picture = each.cells[0].cell_id
    assert desk.store.add(each, pictures=[CellPicture(picture, b"a picture")])
    connection, delivery = desk.connect(commands=Obedient(ok=ok))
    payload = b'{"cell_id": "%s"}' % picture.encode()
    connection.commands.append((f"{ROOT}/cmd/{name}", payload, False))
    delivery.step()
    assert ((f"{ROOT}/image/{picture}", b"a picture") in connection.told) == sent
    assert f"response/{name}" in connection.topics()
