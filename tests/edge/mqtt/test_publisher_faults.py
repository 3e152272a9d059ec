"""What a broker does to single fields, connection by connection, and what the device makes of it."""

from __future__ import annotations

import time

from mqtt_partners import wait_for

from edge.mqtt import connection, delivery

BACKOFF_S = (0.02, 0.05)


def test_after_a_connection_that_took_something_a_field_is_not_blamed_for_those_before(scripted, device):
    # Four in vain, one that takes a field, four in vain: no field is offered in vain five times in a row.
    def behave(number, field):
        if number == 5:
            return "take" if field == 1 else "hang up"
        return "take" if number > 9 else "hang up"

    broker = scripted(behave)
    device.add(6)
    device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: device.store.backlog() == 0, "all fields")
    assert len(broker.offered) == 10
    assert device.errors() == [None] * 6


def test_a_field_on_which_five_connections_end_is_set_aside_and_the_next_has_its_own_turns(scripted, device):
    bad = []

    def behave(_number, _field):
        return "hang up" if broker.offered[-1][-1] in bad else "take"

    broker = scripted(behave)
    first, second, third = device.add(3)
    bad += [first, second]
    device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: device.store.backlog() == 2, "the good field")
    assert [error is None for error in device.errors()] == [False, False, True]
    assert "each time this field was offered" in device.errors()[1]
    assert sum(offer.count(first) for offer in broker.offered) == 5
    assert sum(offer.count(second) for offer in broker.offered) == 3, "then one at a time was offered already"
    assert sum(offer.count(third) for offer in broker.offered) == 1


def test_the_field_before_the_one_on_which_the_broker_hangs_up_is_not_blamed(scripted, device):
    bad = []

    def behave(_number, _field):
        return "hang up" if broker.offered[-1][-1] in bad else "take alone"

    broker = scripted(behave)
    _, second, _ = device.add(3)
    bad.append(second)
    device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: device.store.backlog() == 1, "the good fields")
    assert [error is None for error in device.errors()] == [True, False, True]


def test_a_broker_that_is_silent_for_longer_than_it_may_is_left_and_asked_again(
    scripted, device, monkeypatch, caplog
):
    monkeypatch.setattr(connection, "_ACK_S", 0.5)
    broker = scripted(lambda number, _: "silent" if number == 1 else "take")
    device.add(2)
    device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: device.store.backlog() == 0, "the second connection")
    assert len(broker.offered) == 2
    assert "it has acknowledged nothing for" in caplog.text
    assert device.errors() == [None, None]


def test_a_long_quiet_before_a_field_is_no_silence_of_the_broker(scripted, device, monkeypatch):
    monkeypatch.setattr(connection, "_ACK_S", 1.0)
    broker = scripted(lambda *_: 0.4)
    device.add(1)
    device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: device.store.backlog() == 0, "the first field")
    time.sleep(1.5)
    device.add(2, pause_s=0.1)
    wait_for(lambda: device.store.backlog() == 0, "the others")
    assert len(broker.offered) == 1


def test_slow_acknowledgements_are_progress(scripted, device, monkeypatch):
    monkeypatch.setattr(connection, "_ACK_S", 1.5)
    broker = scripted(lambda *_: 0.4)
    device.add(8)
    device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: device.store.backlog() == 0, "eight slow acknowledgements")
    assert len(broker.offered) == 1


def test_a_refused_field_is_asked_for_again_when_it_is_time_and_not_before(scripted, device, monkeypatch):
    monkeypatch.setattr(delivery, "_REFUSED_AGAIN_S", 3600.0)
    refused = []
    cutting = False  # by a flag that is set before: a name would come too late for a fast device

    def behave(_number, _field):
        name = broker.offered[-1][-1]
        return "hang up" if cutting else "refuse" if name in refused else "take"

    broker = scripted(behave)
    refused += device.add(1)
    publisher = device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: device.errors() == ["Not authorized"], "the refusal")
    taken = device.add(3, pause_s=0.1)
    wait_for(lambda: device.store.backlog() == 1, "the others")
    cutting = True
    device.add(1)
    wait_for(lambda: len(broker.offered) > 1, "another connection")
    cutting = False
    taken += device.add(1)
    wait_for(lambda: device.store.backlog() == 1, "the last ones")
    offered = [name for names in broker.offered for name in names]
    assert offered.count(refused[0]) == 1
    assert all(offered.count(name) == 1 for name in taken)
    del refused[:]
    publisher._mailbox.ask_again_at = 0.0  # noqa: SLF001 (an hour is over)
    publisher.notify()
    wait_for(lambda: device.store.backlog() == 0, "the refused one")


def test_no_more_is_sent_at_once_than_the_broker_takes(scripted, device):
    broker = scripted(lambda *_: "silent", properties=b"\x21\x00\x05")  # Receive Maximum 5
    device.add(30)
    device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: broker.offered and len(broker.offered[0]) == 5, "five fields")
    time.sleep(0.3)
    assert len(broker.offered[0]) == 5


def test_what_was_acknowledged_just_before_the_end_is_not_sent_again(scripted, device):
    broker = scripted(lambda number, field: "hang up" if number == 1 and field == 4 else "take")
    device.add(6)
    device.start(broker, backoff_s=BACKOFF_S)
    wait_for(lambda: device.store.backlog() == 0, "all fields")
    first, second = broker.offered
    assert not set(first[:3]) & set(second)
