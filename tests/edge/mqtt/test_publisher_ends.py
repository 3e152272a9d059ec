"""The last words to a broker, another client of the same name, and what changes while all is connected."""

from __future__ import annotations

import time

import msgspec
import pytest
from counts import message
from mqtt_partners import PATIENCE_S, wait_for
from samples import DEVICE, LABELS, field, info
from scripted_broker import ScriptedBroker

from edge.daemon.health import Progress
from edge.differential.count import SpecimenCount
from edge.messages import decode
from edge.mqtt import connection as connecting
from edge.mqtt import delivery as delivering
from edge.mqtt import publisher as publishing

BACKOFF_S = (0.02, 0.05)
ROOT = f"leukoscope/{DEVICE}"


class Ahead:
    """Stands in for `time`: the clock of this machine, and so many seconds."""

    def __init__(self, *modules, monkeypatch) -> None:
        self.s = 0.0
        for module in modules:
            monkeypatch.setattr(module, "time", self)

    def monotonic(self) -> float:
        return time.monotonic() + self.s


@pytest.fixture
def ahead(monkeypatch):
    return Ahead(connecting, delivering, publishing, monkeypatch=monkeypatch)


def states(broker):
    return [decode(payload).state for topic, payload in broker.heard if topic == f"{ROOT}/status"]


def healths(broker):
    return [decode(payload) for topic, payload in broker.heard if topic == f"{ROOT}/health"]


def labels(broker):
    return [decode(payload).labels for topic, payload in broker.heard if topic == f"{ROOT}/info"]


@pytest.mark.parametrize(
    ("farewell", "patience_s", "goodbyes"),
    [("take", 5.0, 1), (0.3, 5.0, 1), ("silent", 0.4, 0), ("hang up", 5.0, 0)],
)
def test_the_goodbye_waits_for_the_last_words_but_not_for_ever(
    scripted, device, monkeypatch, farewell, patience_s, goodbyes
):
    monkeypatch.setattr(publishing, "_FAREWELL_S", patience_s)
    broker = scripted(lambda *_: "take", farewell=farewell)
    device.add(2)
    device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: device.store.backlog() == 0, "the fields")
    began = time.monotonic()
    assert device.close() == 0
    assert time.monotonic() - began < PATIENCE_S / 2
    assert states(broker)[-1] == "offline"
    wait_for(lambda: broker.goodbyes == goodbyes, "the goodbye, without which the broker says the will")


def test_a_broker_that_takes_no_more_is_left_to_say_the_will(scripted, device):
    broker = scripted(lambda *_: "silent", properties=b"\x21\x00\x05")  # Receive Maximum 5
    device.add(30)
    device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: broker.offered and len(broker.offered[0]) == 5, "five fields")
    assert device.close(0.2) == 30
    assert states(broker) == ["online"]
    assert broker.goodbyes == 0


def test_the_end_waits_as_long_as_it_may_for_a_slow_broker(scripted, device):
    broker = scripted(lambda *_: 0.3)
    device.add(2)
    device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: broker.offered and broker.offered[0], "the first field")
    assert device.close() == 0
    wait_for(lambda: broker.goodbyes == 1, "the goodbye")


def test_what_was_delivered_is_counted_over_all_connections(scripted, device):
    broker = scripted(lambda number, field: "hang up" if number == 1 and field == 4 else "take")
    device.add(6)
    publisher = device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: device.store.backlog() == 0, "all fields")
    assert device.close() == 0
    assert publisher.delivered == 6


def test_a_client_that_took_over_stands_in_the_health_until_it_has_left_for_long_enough(
    scripted, device, ahead, monkeypatch, caplog
):
    sound = Progress.health
    other = {"camera": "it is covered"}
    monkeypatch.setattr(
        Progress, "health", lambda *given: msgspec.structs.replace(sound(*given), notices=other)
    )
    caplog.set_level("INFO")
    broker = scripted(lambda number, _: "take over" if number <= 2 else "take")
    device.add(1)
    publisher = device.start(broker, backoff_s=(0.02, 60.0))
    wait_for(lambda: device.store.backlog() == 0, "the third connection")
    wait_for(lambda: [each for each in healths(broker) if "device_id" in each.notices], "its health")
    notice = f"another client uses this device's id, leukoscope-{DEVICE}: give each device its own device_id"
    before = len(healths(broker))
    assert healths(broker)[-1].notices == {**other, "device_id": notice}
    assert publisher.problem == f"broker {broker.host}:{broker.port}: {notice}"
    assert device.errors() == [None]
    ahead.s = 100.0  # it may come again yet
    publisher.notify()
    wait_for(lambda: len(healths(broker)) == before + 1, "another health")
    assert "device_id" in healths(broker)[-1].notices
    ahead.s = 140.0
    publisher.notify()
    wait_for(lambda: publisher.problem is None, "the end of the complaint")
    ahead.s = 180.0
    publisher.notify()
    wait_for(lambda: healths(broker)[-1].notices == other, "a health without the notice")
    said = [each for each in caplog.messages if each.startswith("broker")]
    assert [each.partition(": ")[2] for each in said] == [
        "connected",
        f"{notice}. Results are kept, and it is tried again",
        "no other client uses this device's id any more",
    ]


def test_a_broker_that_was_away_is_not_missed_any_more_although_another_client_had_the_device(
    scripted, device
):
    broker = scripted(lambda *_: "take over")
    device.add(1)
    publisher = device.start(broker, backoff_s=(0.02, 60.0))
    wait_for(lambda: "another client" in (publisher.problem or ""), "the notice")
    broker.__exit__()
    wait_for(lambda: "nothing answers there" in publisher.problem, "the end of the broker")
    with ScriptedBroker(broker.host, broker.port, lambda *_: "take"):
        wait_for(lambda: device.store.backlog() == 0, "the field")
        wait_for(lambda: publisher.problem is None, "the end of the complaint")
        assert device.close() == 0


def test_three_connections_that_end_for_no_reason_are_perhaps_another_client(scripted, device):
    broker = scripted(lambda number, field: "hang up" if number <= 3 and field == 2 else "take")
    device.add(9)
    publisher = device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: "perhaps another client" in (publisher.problem or ""), "the notice")
    assert device.close() == 0
    assert len(broker.offered) == 4
    assert device.errors() == [None] * 9


def test_connections_that_end_on_a_field_are_not_another_clients_doing(scripted, device, caplog):
    broker = scripted(lambda number, _: "hang up" if number <= 4 else "take")
    device.add(2)
    device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: device.store.backlog() == 0, "the fields")
    assert "device's id" not in caplog.text
    assert "the connection was lost" in caplog.text


@pytest.mark.parametrize("connected", [False, True])
def test_how_often_health_is_said_and_who_the_device_is_can_be_changed(scripted, device, ahead, connected):
    broker = scripted(lambda *_: "take")
    publisher = device.start(broker, backoff_s=BACKOFF_S, health_interval_s=3600)
    if connected:
        wait_for(lambda: healths(broker), "health")
    publisher.reconfigure(msgspec.structs.replace(publisher._config, health_interval_s=40))  # noqa: SLF001
    publisher.introduce(msgspec.structs.replace(info(), labels=("other",)))
    wait_for(lambda: labels(broker)[-1:] == [("other",)], "who it is")
    wait_for(lambda: healths(broker), "health")
    for number in range(3):
        ahead.s += 41
        publisher.notify()
        wait_for(lambda number=number: len(healths(broker)) == 2 + number, "another health")


def test_a_count_can_bring_news_of_fields(scripted, device):
    broker = scripted(lambda *_: "take")
    publisher = device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: healths(broker), "all that there was to say")
    assert device.store.add(field(device.store.next_sequence()))
    device.store.ledger.rename("S", "S-2")
    unpublished = device.store.ledger.unpublished()
    publisher.publish_differential(message(SpecimenCount("S-2", LABELS, 100)), news=True)
    wait_for(lambda: device.store.backlog() == 0, "the field")
    assert device.close() == 0
    assert f"{ROOT}/result/differential" in dict(broker.heard)
    assert device.store.ledger.unpublished() == unpublished != [], "it does not know what was ordered"
