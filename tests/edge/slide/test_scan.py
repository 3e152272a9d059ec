"""A slide pushed about under a camera: the daemon counts each cell once, and says where each field is."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import cv2
import jsonschema
import msgspec
import pytest
from mqtt_partners import wait_for
from pushed_slides import FIELDS, HEIGHT, SMEAR, WIDTH, Stage, configured, truth
from samples import field

from edge.cameras import Frame
from edge.config import (
    ReplayConfig,
    SimulatedConfig,
    SpecimenConfig,
    from_plain,
)
from edge.messages import decode, encode, json_schema
from edge.messages.commands import StartSpecimen, StopSpecimen
from edge.messages.position import FieldPosition, MergedRegion
from edge.specimens.orders import Orders
from edge.store.fields import Store


def counted(listener) -> dict[str, int]:
    wait_for(lambda: listener.state("result/differential") == "complete", "the count")
    final = listener.of("result/differential")[-1]
    assert final.counted == sum(c.count for c in final.classes)
    return {c.label: c.count for c in final.classes if c.count}


def states(listener) -> list[str]:
    """Return whether the device was there, each time that it said so."""
    return [status.state for status in listener.of("status")]


def whole(path) -> list[str]:
    """Return the label of each whole cell of each field."""
    return [true.label for x, y in path for true in SMEAR.cells_in(x, y, WIDTH, HEIGHT) if true.complete]


def test_the_same_fields_shown_twice_count_each_cell_once(tmp_path, broker, listen):
    listener = listen(broker)
    config = configured(tmp_path, broker, "on")
    assert Stage(config, FIELDS + FIELDS[::-1]).daemon.run() == 0
    assert counted(listener) == dict(truth())
    wait_for(lambda: len(listener.fields()) == 2 * len(FIELDS), "the fields")
    places = [field.position for field in listener.fields().values()]
    assert [place.new_region for place in places] == [True] + [False] * (2 * len(FIELDS) - 1)
    assert {place.region for place in places} == {1}
    for place, (x, y) in zip(places, FIELDS + FIELDS[::-1], strict=True):
        assert math.dist((place.x, place.y), (x - FIELDS[0][0], y - FIELDS[0][1])) < 15
    with Store.open(Path(config.store.path)) as store:
        assert [field.position for field in store.fields("S")] == places


def test_not_registered_each_field_is_taken_for_a_new_place(tmp_path, broker, listen):
    listener = listen(broker)
    assert Stage(configured(tmp_path, broker, "off"), FIELDS + FIELDS[::-1]).daemon.run() == 0
    assert counted(listener) == dict(Counter(whole(FIELDS + FIELDS)))
    assert all(field.position is None for field in listener.fields().values())


def test_a_cell_is_called_as_in_its_sharpest_field_and_so_it_stays_after_a_restart(tmp_path, broker, listen):
    config = configured(tmp_path, broker, "on")
    place = next((x, y) for x, y in FIELDS if whole([(x, y)]))

    def call(label, number):
        return (label, 5.0) if number == 1 else ("eosinophil", 2.0)

    listener = listen(broker)
    assert Stage(config, [place] * 3, call=call).daemon.run() == 0
    right = dict(Counter(whole([place])))
    assert counted(listener) == right
    # Nothing new is shown: what is said now is read from the store alone.
    again = listen(broker)
    assert Stage(config, []).daemon.run() == 1
    wait_for(lambda: again.of("result/differential"), "the count")
    assert {c.label: c.count for c in again.of("result/differential")[-1].classes if c.count} == right


def test_a_source_that_comes_behind_its_end_begins_a_region_whose_number_is_new(tmp_path, broker, listen):
    config, shown = configured(tmp_path, broker, "on"), FIELDS[: len(FIELDS) // 2]
    counts = []
    for resume in (False, True):
        listener = listen(broker)
        assert Stage(config, shown, resume=resume).daemon.run() == 0
        # The broker still tells of the end of the run before.
        wait_for(lambda heard=listener: states(heard)[-2:] == ["online", "offline"], "the end")
        counts.append(listener.of("result/differential")[-1].counted)
    with Store.open(Path(config.store.path)) as store:
        places = [field.position for field in store.fields("S")]
    before, after = places[: len(shown)], places[len(shown) :]
    assert not {place.region for place in before} & {place.region for place in after}
    assert [place.new_region for place in places].count(True) == 2
    assert 0 < 2 * counts[0] == counts[1]


def test_stopped_and_resumed_a_specimen_counts_what_it_has_seen_no_second_time(tmp_path, broker):
    config = msgspec.structs.replace(
        configured(tmp_path, broker, "on"), specimen=SpecimenConfig(lifecycle="command", registration="on")
    )
    orders = Orders(Path(config.store.path), by_command=True, target=200)
    length = len(FIELDS) + 1
    # The frame that was taken while a specimen changed is counted nowhere.
    stage = Stage(config, [FIELDS[0], *FIELDS] * 3)
    read = stage.read

    def obeying():
        frame = read()
        if frame is None:
            stage.daemon.stop()
        elif frame.name == "frame 0":
            orders.start(StartSpecimen(specimen_id="S"))
        elif frame.name == f"frame {length}":
            orders.stop(StopSpecimen())
            orders.start(StartSpecimen(specimen_id="S", resume=True))
        elif frame.name == f"frame {2 * length}":
            orders.stop(StopSpecimen())
            orders.start(StartSpecimen(specimen_id="another slide"))
        return frame

    stage.read = obeying
    assert stage.daemon.run() == 0
    counts = {}
    with Store.open(Path(config.store.path)) as store:
        for specimen in ("S", "another slide"):
            counts[specimen] = Counter[str]()
            for _, contribution in store.contributions(specimen):
                counts[specimen].update(contribution.counted)
        assert len(list(store.fields("S"))) == 2 * len(FIELDS)
    assert counts == {"S": truth(), "another slide": truth()}


@pytest.mark.parametrize(
    ("specimen", "registers"), [({}, False), ({"registration": "on"}, True), ({"registration": "off"}, False)]
)
def test_images_and_the_simulated_slide_are_registered_only_when_told_to(specimen, registers):
    for camera in (SimulatedConfig(), ReplayConfig(("x",))):
        plain = {"camera": msgspec.to_builtins(camera), "specimen": specimen}
        assert from_plain(plain, origin="test").registers is registers


def test_a_simulated_slide_that_a_hand_pushes_is_registered_and_still_one_specimen_to_its_end():
    for registration, registers in (("auto", True), ("on", True), ("off", False)):
        plain = {
            "camera": {"kind": "simulated", "motion": "manual"},
            "specimen": {"registration": registration},
        }
        config = from_plain(plain, origin="test")
        assert (config.registers, config.by_command) == (registers, False)


def test_a_frame_in_which_the_slide_flies_past_has_no_place_and_counts_for_nothing(tmp_path, broker, listen):
    listener = listen(broker)
    config = configured(tmp_path, broker, "on")
    often = msgspec.structs.replace(config.mqtt, health_interval_s=1)
    stage = Stage(msgspec.structs.replace(config, mqtt=often), FIELDS + FIELDS[:1])
    still = stage.read

    def read():
        frame = still()
        if frame is None:
            wait_for(
                lambda: any(
                    each.fields_refused == {"blurred by motion": 1} for each in listener.of("health")
                ),
                "health to say why",
            )
        if frame is None or frame.name != f"frame {len(FIELDS)}":
            return frame
        return Frame(cv2.blur(frame.pixels, (160, 1)), "flown past", frame.captured_at)

    stage.read = read
    assert stage.daemon.run() == 0
    assert counted(listener) == dict(truth())
    wait_for(lambda: len(listener.fields()) == len(FIELDS) + 1, "the fields")
    places = {field.source: field.position for field in listener.fields().values()}
    assert places.pop("flown past") is None
    assert [place.new_region for place in places.values()] == [True] + [False] * (len(FIELDS) - 1)


@pytest.mark.parametrize("merged", [None, MergedRegion(2, -300.5, 12.0)])
def test_a_field_with_its_place_satisfies_the_schema_and_comes_back_as_it_was(merged):
    placed = msgspec.structs.replace(field(), position=FieldPosition(3, 1.5, -2.5, merged=merged))
    payload = encode(placed)
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(payload))
    assert decode(payload) == placed
