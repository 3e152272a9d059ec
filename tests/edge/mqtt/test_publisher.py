from __future__ import annotations

import gc
import time
from pathlib import Path

import msgspec
import pytest
from mqtt_partners import wait_for
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from samples import DEVICE, cell, field

from edge import identity
from edge.messages.differential import SpecimenStatus
from edge.mqtt import delivery
from edge.store.pictures import CellPicture

ROOT = f"leukoscope/{DEVICE}"


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_birth_results_and_farewell(broker, listen, device, protocol):
    listener = listen(broker)
    device.start(broker, protocol=protocol)
    ids = device.add(45)
    device.say_differential()
    wait_for(lambda: len(listener.fields()) == 45, "the fields")
    wait_for(lambda: device.store.backlog() == 0, "the acknowledgements")
    assert device.close() == 0
    wait_for(lambda: listener.state("status") == "offline", "the farewell")
    topics = [topic for topic, _, _ in listener.seen]
    assert topics[:2] == ["status", "info"]
    assert [s.state for s in listener.of("status")] == ["online", "offline"]
    assert list(listener.fields()) == ids
    assert not any(f.historical for f in listener.fields().values())
    assert listener.counted() == 45
    assert listener.of("health")[0].memory_rss_mb > 1


def test_what_is_retained_and_what_is_not(broker, listen, device):
    device.start(broker)
    device.add(3)
    device.say_differential()
    assert device.close() == 0
    late = listen(broker)
    wait_for(lambda: len(late.seen) == 3, "the retained messages")
    assert {topic for topic, _, _ in late.seen} == {"status", "info", "result/differential"}
    assert all(retained for _, _, retained in late.seen)
    assert late.of("status")[0].state == "offline"


def test_a_broker_that_comes_later_gets_everything_oldest_first(idle_broker, listen, device):
    ids = device.add(50)
    idle_broker.start()
    listener = listen(idle_broker)  # so that the broker keeps for it what comes before it is back
    idle_broker.save()
    idle_broker.kill()
    device.start(idle_broker)
    device.say_differential()
    time.sleep(0.5)
    assert device.store.backlog() == 50
    idle_broker.start()
    ids += device.add(5)
    device.say_differential()
    assert device.close() == 0
    wait_for(lambda: len(listener.fields()) == 55, "all fields")
    assert list(listener.fields()) == ids
    wait_for(lambda: listener.counted() == 55, "the current differential")


def test_a_broker_killed_in_the_middle_loses_nothing(broker, listen, device):
    listener = listen(broker)
    broker.save()
    device.start(broker)
    ids = device.add(60, pause_s=0.002)
    wait_for(lambda: len(listener.fields()) >= 20, "some fields")
    broker.kill()
    ids += device.add(60, pause_s=0.002)
    broker.start()
    ids += device.add(60, pause_s=0.002)
    assert device.close() == 0
    wait_for(lambda: len(listener.fields()) == 180, "all fields")
    assert list(listener.fields()) == ids
    births = [retained for topic, _, retained in listener.seen if topic == "info"].count(False)
    assert births == 2, "a birth on every connect"


def test_late_fields_are_historical_and_fresh_ones_are_not(idle_broker, listen, device, monkeypatch):
    monkeypatch.setattr(delivery, "LATE_S", 1.0)
    with monkeypatch.context() as earlier:
        earlier.setattr(identity, "RUN_ID", "an earlier process")
        (earlier_process,) = device.add(1)
    (waited,) = device.add(1)
    time.sleep(1.1)
    idle_broker.start()
    listener = listen(idle_broker)
    (fresh,) = device.add(1)
    device.start(idle_broker)
    wait_for(lambda: len(listener.fields()) == 3, "the fields")
    assert {i: f.historical for i, f in listener.fields().items()} == {
        earlier_process: True,
        waited: True,
        fresh: False,
    }


def test_only_the_latest_differential_is_sent_and_again_after_a_reconnect(idle_broker, listen, device):
    device.start(idle_broker)
    for _ in range(3):
        device.add(1)
        device.say_differential()
    idle_broker.start()
    listener = listen(idle_broker)
    wait_for(lambda: listener.of("result/differential"), "the differential")
    assert [d.counted for d in listener.of("result/differential")] == [3]
    idle_broker.kill()
    (idle_broker.folder / "mosquitto.db").unlink(missing_ok=True)
    idle_broker.start()
    wait_for(lambda: len(listener.of("result/differential")) == 2, "the differential again")
    assert listener.counted() == 3


def test_a_crowded_field_leaves_out_heatmaps_and_an_impossible_one_is_set_aside(broker, listen, device):
    listener = listen(broker)
    device.start(broker)
    device.add(1, *(cell(map_side=30) for _ in range(60)))
    device.add(1, *(cell() for _ in range(400)))
    device.add(1)
    assert device.close() == 1
    wait_for(lambda: len(listener.fields()) == 2, "the fields")
    crowded = next(iter(listener.fields().values()))
    assert len(crowded.cells) == 60
    assert crowded.heatmaps_omitted == sum(c.heatmap is None for c in crowded.cells) > 0
    assert "over the limit" in device.errors()[1]


@pytest.mark.parametrize(
    ("command", "correlation", "error"),
    [
        (("ping", b'{"correlation_id": "a1"}'), "a1", None),
        (("ping", b"{}"), None, None),
        (("ping", b""), None, "not a JSON object"),
        (("ping", b"\xff\xfe"), None, "not a JSON object"),
        (("ping", b"[1]"), None, "not a JSON object"),
        (("ping", b'{"correlation_id": 7}'), None, "correlation_id: write a text of at most 128"),
        (
            ("ping", b'{"correlation_id": "a1", "loud": true}'),
            "a1",
            "loud: is no key of this command; it has",
        ),
        (("ping", b" " * 5000), None, "longer than"),
        (("reboot", b'{"correlation_id": "a1"}'), "a1", "no such command"),
        (("", b"{}"), None, "no such command"),
        (("specimen/pause", b'{"correlation_id": "a1"}'), "a1", "no such command"),
        (("specimen/start", b'{"specimen_id": "A"}'), None, "does not do that"),
        (("specimen/start", b'{"specimen_id": ""}'), None, "letters, digits and - _ . only"),
        (("x" * 300, b"{}"), None, "no such command"),
    ],
)
def test_every_command_is_answered(started, command, correlation, error):
    name, payload = command
    started.send(f"{ROOT}/cmd/{name}", payload, response_topic="leukoscope/somewhere/else")
    topic = f"response/{name[:64]}"
    wait_for(lambda: started.of(topic), "the answer")
    (answer,) = started.of(topic)
    assert (answer.ok, answer.correlation_id) == (error is None, correlation)
    assert answer.error is None if error is None else error in answer.error
    assert not started.of("else")


@pytest.fixture
def started(broker, listen, device):
    """Return a listener to a device that is online."""
    listener = listen(broker)
    device.start(broker)
    wait_for(lambda: listener.of("info"), "the birth")
    return listener


def test_a_retained_command_is_not_obeyed(broker, listen, device):
    listener = listen(broker)
    listener.send(f"{ROOT}/cmd/ping", b'{"correlation_id": "old"}', retain=True)
    device.start(broker)
    wait_for(lambda: listener.of("response/ping"), "the answer")
    (answer,) = listener.of("response/ping")
    assert not answer.ok
    assert answer.correlation_id == "old"


def test_threads_and_files_are_given_back(broker, device):
    def open_files() -> int:
        gc.collect()  # what tests before this one left to be collected
        return len(list(Path("/proc/self/fd").iterdir()))

    device.start(broker)
    assert device.close() == 0
    before = open_files()
    for _ in range(3):
        device.start(broker)
        assert device.close() == 0
    assert open_files() == before


def test_fields_are_stored_as_they_were_made(broker, device):
    device.start(broker)
    device.add(2)
    assert device.close() == 0
    stored = list(device.store.fields("S"))
    assert [msgspec.structs.replace(f, historical=False) for f in stored] == stored


def test_a_signed_specimen_can_be_read_while_the_next_one_runs(broker, listen, device):
    listener = listen(broker)
    device.start(broker)
    device.add(1)
    device.say_differential(SpecimenStatus(specimen_uuid="u-9", state="preliminary"))
    device.say_differential(SpecimenStatus(specimen_uuid="u-9", state="final", revision=2))
    wait_for(lambda: listener.state("result/differential") == "final", "S-9 to be said")
    device.say_differential(SpecimenStatus(specimen_uuid="u-10"))
    wait_for(lambda: listener.state("result/differential") == "running", "S-10 to be said")
    late = listen(broker)
    # The broker may still have had the former one when the late subscriber came.
    wait_for(lambda: late.state("result/specimen/u-9") == "final", "S-9")
    wait_for(lambda: late.state("result/differential") == "running", "S-10")
    kept, now = late.of("result/specimen/u-9")[-1], late.of("result/differential")[-1]
    assert (kept.specimen_uuid, kept.state, kept.revision) == ("u-9", "final", 2)
    assert (now.specimen_uuid, now.state) == ("u-10", "running")
    assert late.of("result/specimen/u-10") == []


def test_a_specimen_that_runs_again_is_no_longer_kept_as_preliminary(broker, listen, device):
    listener = listen(broker)
    device.start(broker)
    for state in ("preliminary", "running"):
        device.say_differential(SpecimenStatus(specimen_uuid="u-9", state=state))
        wait_for(lambda state=state: listener.state("result/differential") == state, f"it to be {state}")
    late = listen(broker)
    wait_for(lambda: late.of("result/differential"), "the count that runs")
    assert late.of("result/specimen/u-9") == []


def test_a_field_names_its_specimen_by_a_uuid_that_outlives_the_typed_id(broker, listen, device):
    listener = listen(broker)
    device.add(1)
    uuid = device.store.ledger.find("S").uuid
    device.store.ledger.rename("S", "S-2")
    device.start(broker)
    wait_for(lambda: len(listener.fields()) == 1, "the field")
    (said,) = listener.fields().values()
    assert (said.specimen_id, said.specimen_uuid) == ("S-2", uuid)
    assert len(uuid) == 36


def test_a_cells_picture_comes_when_it_is_asked_for(broker, listen, device):
    seen = []
    watcher = Client(CallbackAPIVersion.VERSION2)
    watcher.on_message = lambda _client, _data, message: seen.append((message.topic, message.payload))
    watcher.on_connect = lambda client, *_: client.subscribe(f"{ROOT}/image/#", qos=1)
    watcher.connect(broker.host, broker.port)
    watcher.loop_start()
    listener = listen(broker)
    each = field(device.store.next_sequence(), cell())
    name = each.cells[0].cell_id
    assert device.store.add(each, pictures=[CellPicture(name, b"\xff\xd8 a picture")])
    device.start(broker)
    wait_for(lambda: listener.state("status") == "online", "the device")
    for asked in (name, "no-such-cell"):
        listener.send(f"{ROOT}/cmd/cell/image", b'{"cell_id": "%s"}' % asked.encode())
    wait_for(lambda: len(listener.of("response/cell/image")) == 2 and seen, "the answers and the picture")
    assert [each.error for each in listener.of("response/cell/image")] == [
        None,
        "no picture of cell no-such-cell is kept",
    ]
    assert seen == [(f"{ROOT}/image/{name}", b"\xff\xd8 a picture")]
    watcher.loop_stop()
