"""A live camera's specimen that is taken up again: its slide is known, and its cells are counted once."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import random
import signal
import socket
import sqlite3
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import msgspec
import numpy as np
import pytest
from daemons import count, integrity, spawn, toml, unpaired
from hand_scans import Counted, Known, judged
from mqtt_partners import wait_for
from pushed_slides import FIELDS, HEIGHT, SMEAR, WIDTH, Stage, configured, seen, truth
from samples import cell, field

from edge import identity
from edge.cameras.simulation.camera import SimulatedCamera
from edge.cameras.simulation.smear import Smear
from edge.config import LEAST_MAX_MB, Config, MqttConfig, SimulatedConfig, SpecimenConfig, StoreConfig
from edge.daemon.housekeeping import Housekeeping
from edge.daemon.placement import RESTORING
from edge.daemon.process import UNDELIVERED
from edge.messages.commands import DiscardSpecimen, SignSpecimen, StartSpecimen, StopSpecimen
from edge.messages.position import FieldPosition
from edge.slide.registration import packed, thumbnail, unpacked
from edge.slide.scan import Scan, told
from edge.specimens.orders import Orders
from edge.store import keyframes
from edge.store.fields import Store
from edge.store.recovery import repair_if_damaged
from edge.store.retention import Upkeep

if TYPE_CHECKING:
    from datetime import datetime

SOAK = os.environ.get("LEUKOSCOPE_SOAK") == "1"
LIVE = [sys.executable, str(Path(__file__).with_name("live_daemon.py"))]
CELLS, RATE, KILLS = (20, 1.5, 20) if SOAK else (6, 0.8, 4)
SLIDE = SimulatedConfig(seed=3, cells=CELLS, motion="manual", hand_rate=RATE)
PATIENCE_S = 120.0

pytestmark = pytest.mark.timeout(1200 if SOAK else 300)


def shares(store: Store) -> tuple[Counter[str], Counter[str], int]:
    """Add up what the stored fields of S count, as the daemon does."""
    counted, unclassified, incomplete = Counter[str](), Counter[str](), 0
    for _, contribution in store.contributions("S"):
        counted.update(contribution.counted)
        unclassified.update(contribution.unclassified)
        incomplete += contribution.incomplete
    return +counted, +unclassified, incomplete


def kept(path: Path) -> list[int]:
    """Return the numbers of the fields whose pictures are kept."""
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as store:
        return [number for (number,) in store.execute("SELECT sequence FROM keyframes ORDER BY sequence")]


def known_again(store: Store) -> Scan:
    """Return the slide of S as a restart knows it; what was counted of it is what all shares add up to."""
    scan = Scan(store.next_sequence())
    for each, picture in store.keyframes.seen("S"):
        scan.restore(each, None if picture is None else unpacked(picture, each.height, each.width))
    told = scan._cells.contribution()  # noqa: SLF001 (no contribution says all of it)
    assert (Counter(told.counted), Counter(told.unclassified), told.incomplete) == shares(store)
    return scan


def look(store: Store, scan: Scan, smear: Smear, corner: tuple[int, int]) -> tuple[float, float]:
    """Let a frame be seen and stored, and give the origin of its region, as it says, on the slide."""
    x, y = corner
    pixels = smear.view(x, y, WIDTH, HEIGHT)
    located = scan.locate(pixels)
    assert located is not None
    each = field(store.next_sequence(), *seen(smear, x, y))
    each = msgspec.structs.replace(each, position=told(located))
    picture = None if located.remembered is None else packed(located.remembered)
    assert store.add(each, None, scan.contribution(each), picture)
    return x - located.place.x, y - located.place.y


def test_kills_of_a_live_camera_s_daemon_leave_its_count_as_it_is_without_them(tmp_path):
    camera = SimulatedCamera(SLIDE)
    frames = len(camera)
    true = [Known(each.label, each.box) for each in camera.true_cells()]

    def scanned(folder: Path, kills: int) -> Counted:
        folder.mkdir()
        config = Config(
            SLIDE,
            device_id="test-1",
            specimen=SpecimenConfig(lifecycle="command", target=10_000),
            store=StoreConfig(str(folder / "results.db")),
            mqtt=MqttConfig(host="127.0.0.1", port=1, drain_s=0),
        )
        path, store = toml(config, folder / "device.toml"), Path(config.store.path)
        Orders(store, by_command=True, target=10_000).start(StartSpecimen(specimen_id="S"))
        for moment in [*sorted(random.Random(5).sample(range(1, frames), kills)), frames]:  # noqa: S311
            with spawn(LIVE, path, folder / "log") as daemon:
                wait_for(lambda moment=moment: count(store) >= moment, f"field {moment}", PATIENCE_S)
                if moment == frames:
                    daemon.send_signal(signal.SIGTERM)
                    assert daemon.wait(PATIENCE_S) == UNDELIVERED
                else:
                    daemon.kill()
            assert integrity(store, folder / "aside") == "ok"
            assert unpaired(folder / "aside", store.name) == [0, 0, 0]
            with Store.open(store) as opened:
                known_again(opened)
                fields = list(opened.fields("S"))
            # A frame that is not yet counted is shown again: none is lost, none comes twice.
            assert [each.sequence for each in fields] == list(range(1, len(fields) + 1))
            begun = {
                each.sequence for each in fields if each.position is not None and each.position.new_region
            }
            assert begun <= set(kept(store)) <= {each.sequence for each in fields}
        return judged(folder, true, camera.place)

    in_one, in_many = scanned(tmp_path / "one", 0), scanned(tmp_path / "many", KILLS)
    assert [each.source for each in in_many.fields] == [each.source for each in in_one.fields]
    assert set(in_one.times) == {1}, "every cell once"
    assert (in_many.times, in_many.strangers) == (in_one.times, in_one.strangers)
    assert (in_many.labels, in_many.refused) == (in_one.labels, in_one.refused)
    regions = [
        sum(f.position is not None and f.position.new_region for f in each.fields)
        for each in (in_one, in_many)
    ]
    assert regions[0] == regions[1]
    if SOAK:
        print(f"{KILLS} kills: {frames} frames, {len(true)} cells, {regions[1]} regions")  # noqa: T201


def test_stopped_and_resumed_by_command_over_restarts_a_specimen_knows_its_cells(tmp_path, broker):
    config = msgspec.structs.replace(
        configured(tmp_path, broker, "on"), specimen=SpecimenConfig(lifecycle="command", registration="on")
    )
    orders = Orders(Path(config.store.path), by_command=True, target=200)
    half = len(FIELDS) // 2
    # Each a run of its own: the second begins in the midst of what was seen, at its other end.
    runs = [
        (lambda: orders.start(StartSpecimen(specimen_id="S")), FIELDS[: half + 2]),
        (lambda: None, FIELDS[: half + 4][::-1]),
        (lambda: orders.start(StartSpecimen(specimen_id="S", resume=True)), FIELDS[half:]),
        (lambda: orders.start(StartSpecimen(specimen_id="S", resume=True)), FIELDS),
    ]
    counts = []
    for number, (begin, path) in enumerate(runs):
        begin()
        stage = Stage(config, path)
        read = stage.read

        def reading(read=read, stage=stage):
            frame = read()
            if frame is None:
                stage.daemon.stop()
            return frame

        stage.read = reading
        assert stage.daemon.run() == 0
        if number:
            orders.stop(StopSpecimen())
        with Store.open(Path(config.store.path)) as store:
            counts.append(shares(store)[0])
            fields = list(store.fields("S"))
    assert counts[-2] == counts[-1] == truth()
    assert len(fields) == sum(len(path) for _, path in runs)
    assert [each.position.new_region for each in fields] == [True] + [False] * (len(fields) - 1)
    assert kept(Path(config.store.path))
    orders.sign(SignSpecimen(operator="M1", reason="few"))
    assert not kept(Path(config.store.path))


def test_the_watchdog_is_fed_while_a_slide_is_taken_up(tmp_path, monkeypatch):
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1")
        config = msgspec.structs.replace(
            configured(tmp_path, MqttConfig(port=1), "on"), mqtt=MqttConfig("127.0.0.1", 1, drain_s=0)
        )
        with Store.open(Path(config.store.path)) as store:
            store.start_specimen("S")
            for number, (x, y) in enumerate(FIELDS[:3]):
                each = msgspec.structs.replace(field(number + 1), position=FieldPosition(1, x, y))
                assert store.add(each, None, None, packed(thumbnail(SMEAR.view(x, y, WIDTH, HEIGHT))))
        assert Stage(config, FIELDS[3:4]).daemon.run() == UNDELIVERED
        heard = []
        with contextlib.suppress(BlockingIOError):
            while True:
                heard.append(manager.recv(4096).decode())
    begun = heard.index(f"STATUS={RESTORING}")
    assert heard[begun + 1 : begun + 4] == ["WATCHDOG=1"] * 3


def test_begun_anew_before_each_field_a_slide_is_what_it_is_in_one_run(tmp_path):
    """With a jump to where nothing is known, a bridge that joins both regions, and returns to each."""
    smear = Smear.draw(5, 40)
    bridge = [(1500, 300), (1250, 300), (1000, 250), (750, 150), (500, 60), (250, 0), (0, 0)]
    path = [(0, 0), (60, 100), *bridge, (1480, 320), (700, 160), (240, 10)]
    counts, joined = [], []
    for name, anew in (("one.db", False), ("many.db", True)):
        with Store.open(tmp_path / name) as store:
            store.start_specimen("S")
            scan = Scan(1)
            origins = [look(store, known_again(store) if anew else scan, smear, corner) for corner in path]
            places = [each.position for each in store.fields("S")]
            known_again(store)
            counts.append(shares(store))
            joined.append([place.merged for place in places if place.merged is not None])
        assert [place.new_region for place in places] == [True, False, True] + [False] * (len(path) - 3)
        into = places[-1].region
        last = [each for each, place in zip(origins, places, strict=True) if place.region == into]
        assert max(math.dist(each, last[0]) for each in last) < 15
    assert counts[0] == counts[1]
    assert [len(each) for each in joined] == [1, 1]
    # What joins the regions is said to the pixel.
    assert math.dist(*((each[0].x, each[0].y) for each in joined)) < 15


def test_a_slide_that_is_not_known_again_begins_a_region_and_is_joined_later(tmp_path):
    smear = Smear.draw(5, 40)
    with Store.open(tmp_path / "results.db") as store:
        store.start_specimen("S")
        scan = Scan(store.next_sequence())
        for corner in ((0, 0), (250, 0)):
            look(store, scan, smear, corner)
        again = known_again(store)
        for corner in ((1000, 250), (750, 150), (500, 60)):
            look(store, again, smear, corner)
        places = [each.position for each in store.fields("S")]
        assert [place.new_region for place in places] == [True, False, True, False, False]
        assert places[2].region > places[0].region
        assert sum(place.merged is not None for place in places) == 1
        known_again(store)


def test_fields_of_another_size_are_not_looked_for_among_those_before(tmp_path):
    smear = Smear.draw(5, 40)
    with Store.open(tmp_path / "results.db") as store:
        store.start_specimen("S")
        look(store, Scan(1), smear, (0, 0))
        larger = cv2.resize(smear.view(0, 0, WIDTH, HEIGHT), (2 * WIDTH, 2 * HEIGHT))
        assert known_again(store).locate(larger).is_new
        assert not known_again(store).locate(smear.view(0, 0, WIDTH, HEIGHT)).is_new


def test_a_picture_comes_back_as_it_was_and_a_spoilt_one_is_none():
    picture = thumbnail(Smear.draw(5, 10).view(0, 0, WIDTH, HEIGHT))
    png = packed(picture)
    again = unpacked(png, HEIGHT, WIDTH)
    assert again is not None
    assert again.dtype == np.int8
    assert np.array_equal(again, picture)
    assert len(png) < 0.7 * picture.size
    assert [unpacked(spoilt, HEIGHT, WIDTH) for spoilt in (b"", b"x", png[:20])] == [None] * 3
    assert unpacked(png, HEIGHT, WIDTH + 80) is None, "an update has made thumbnails smaller, say"


def filled(store: Store, fields: int, specimen_id: str = "S", picture: bytes = b"p" * 12_000) -> list[str]:
    """Store fields, each with a picture."""
    ids = []
    for _ in range(fields):
        each = field(store.next_sequence(), cell(), specimen_id=specimen_id)
        assert store.add(each, None, None, picture)
        ids.append(each.field_id)
    return ids


def test_a_field_without_its_picture_or_with_a_spoilt_one_still_has_its_cells(tmp_path):
    smear, path = Smear.draw(5, 40), tmp_path / "results.db"
    with Store.open(path) as store:
        store.start_specimen("S")
        scan = Scan(1)
        for corner in ((0, 0), (250, 0), (500, 60)):
            look(store, scan, smear, corner)
        with contextlib.closing(sqlite3.connect(path)) as other:
            first, second, *_ = kept(path)
            other.execute("UPDATE keyframes SET picture = x'00' WHERE sequence = ?", (first,))
            other.execute("DELETE FROM keyframes WHERE sequence = ?", (second,))
            other.commit()
        again = known_again(store)
        assert not again.locate(smear.view(500, 60, WIDTH, HEIGHT)).is_new


def test_the_pictures_kept_are_bounded_for_each_specimen(tmp_path, monkeypatch):
    monkeypatch.setattr(keyframes, "MAX_KEYFRAMES", 3)
    monkeypatch.setattr(keyframes, "_SURPLUS", 2)
    path = tmp_path / "results.db"
    with Store.open(path) as store:
        store.start_specimen("S")
        store.start_specimen("T")
        filled(store, 7)
        assert kept(path) == [5, 6, 7]
        filled(store, 3, "T")
        assert kept(path) == [5, 6, 7, 8, 9, 10]
        filled(store, 2)
        assert kept(path) == [6, 7, 8, 9, 10, 11, 12], "the rest goes with one of the next"


@pytest.mark.parametrize("ended", ["signed", "discarded", "complete with its source"])
def test_a_specimen_that_is_not_taken_up_again_keeps_no_pictures(tmp_path, ended):
    path = tmp_path / "results.db"
    orders = Orders(path, by_command=ended != "complete with its source", target=200)
    with Store.open(path) as store:
        store.start_specimen("another")
        filled(store, 1, "another")
        if ended == "complete with its source":
            store.start_specimen("S")
        else:
            orders.start(StartSpecimen(specimen_id="S"))
        filled(store, 2)
        if ended == "signed":
            orders.stop(StopSpecimen())
            assert kept(path) == [1, 2, 3], "it may be resumed"
            orders.sign(SignSpecimen(operator="M1", specimen_id="S", reason="few"))
        elif ended == "discarded":
            orders.discard(DiscardSpecimen(reason="x", specimen_id="S"))
        else:
            store.finish_specimen("S")
        assert kept(path) == [1]
        if ended != "discarded":
            filled(store, 1)  # it was in hand
            assert kept(path) == [1]
        assert len(list(store.contributions("S"))) == (2 if ended == "discarded" else 3)


def test_pictures_go_with_their_fields_cells_and_days_after_their_specimen_was_stopped(tmp_path, monkeypatch):
    path = tmp_path / "results.db"
    orders = Orders(path, by_command=True, target=200)
    with Store.open(path) as store:
        orders.start(StartSpecimen(specimen_id="S"))
        ids = filled(store, 3)
        store.mark_delivered(ids[:1])
        assert store.upkeep.drop_oldest_delivered(1) == 1
        assert kept(path) == [2, 3]
        assert store.keyframes.drop_closed() == 0, "it is open"
        orders.stop(StopSpecimen())
        assert store.keyframes.drop_long_closed(1) == 0
        config = StoreConfig(str(path))
        monkeypatch.setattr("edge.identity.clock_synced", lambda: True)
        Housekeeping(config, store).tidy()
        assert kept(path) == [2, 3]
        monkeypatch.setattr("edge.daemon.housekeeping._KEYFRAMES_DAYS", 0)
        Housekeeping(config, store).tidy()
        assert kept(path) == []
        assert len(list(store.fields("S"))) == 2


@pytest.mark.parametrize("years", [-50, 50])
def test_pictures_of_a_specimen_stopped_before_the_clock_was_set_stay_three_days_as_well(
    tmp_path, monkeypatch, years
):
    path, right = tmp_path / "results.db", identity.now()
    orders = Orders(path, by_command=True, target=200)

    def tidied(now: datetime, synced: bool = True) -> list[int]:
        monkeypatch.setattr(identity, "now", lambda: now)
        monkeypatch.setattr(identity, "clock_synced", lambda: synced)
        assert Housekeeping(StoreConfig(str(path)), store).tidy() is None
        return kept(path)

    wrong = right + timedelta(days=365.25 * years)
    with Store.open(path) as store:
        tidied(wrong, synced=False)
        orders.start(StartSpecimen(specimen_id="S"))
        filled(store, 2)
        orders.stop(StopSpecimen())
        assert tidied(wrong, synced=False) == [1, 2]
        assert tidied(right) == [1, 2], "it was stopped a moment ago"
        assert tidied(right + timedelta(days=2.9)) == [1, 2]
        assert tidied(right + timedelta(days=3.1)) == []
        orders.start(StartSpecimen(specimen_id="S", resume=True))
        filled(store, 1)
        assert tidied(right + timedelta(days=9)) == [3], "it is open"
        orders.stop(StopSpecimen())
        assert tidied(right + timedelta(days=9)) == [3], "its days begin anew"
        assert tidied(right + timedelta(days=11.9)) == [3]
        assert tidied(right + timedelta(days=12.1)) == []


def test_what_is_stopped_gives_its_pictures_to_a_full_store_whatever_the_clock_says(tmp_path, monkeypatch):
    path, later = tmp_path / "results.db", identity.now() + timedelta(days=18262)
    orders = Orders(path, by_command=True, target=200)
    with Store.open(path) as store:
        orders.start(StartSpecimen(specimen_id="S"))
        filled(store, 1)
        with monkeypatch.context() as ahead:
            ahead.setattr(identity, "now", lambda: later)
            orders.stop(StopSpecimen())
        orders.start(StartSpecimen(specimen_id="T"))
        filled(store, 1, "T")
        assert store.keyframes.drop_closed() == 1
        assert kept(path) == [2], "it is open"


def test_a_full_store_lets_pictures_go_before_it_stops_the_count_and_says_so_once(
    tmp_path, caplog, monkeypatch
):
    path = tmp_path / "results.db"
    orders = Orders(path, by_command=True, target=200)
    with Store.open(path) as store:
        orders.start(StartSpecimen(specimen_id="stopped"))
        filled(store, 60, "stopped")
        orders.stop(StopSpecimen())
        orders.start(StartSpecimen(specimen_id="S"))
        filled(store, 40)
        monkeypatch.setattr("edge.daemon.housekeeping._LOOK_S", 0)
        keeping = Housekeeping(StoreConfig(str(path), max_mb=LEAST_MAX_MB), store)
        assert keeping.tidy() is None
        assert kept(path) == list(range(61, 101)), "first those of what is stopped"
        for _ in range(2):
            filled(store, 60)
            assert store.upkeep.used_bytes() > 1e6 * LEAST_MAX_MB
            assert keeping.tidy() is None
        assert kept(path)[-1] == 220, "then the oldest"
        assert 0 < len(kept(path)) < 120
        assert store.backlog() == 220, "and nothing that waits"
    (said,) = (each.message for each in caplog.records if each.levelno == logging.WARNING)
    assert said.startswith("the store is full: pictures by which a slide is known again are dropped")


def test_that_cells_may_count_twice_is_said_also_where_pictures_go_with_their_fields_cells(
    tmp_path, caplog, monkeypatch
):
    path = tmp_path / "results.db"
    orders = Orders(path, by_command=True, target=200)
    with Store.open(path) as store:
        orders.start(StartSpecimen(specimen_id="S"))
        store.mark_delivered(filled(store, 160))
        assert store.upkeep.used_bytes() > 1e6 * LEAST_MAX_MB
        monkeypatch.setattr("edge.daemon.housekeeping._BATCH", 20)
        assert Housekeeping(StoreConfig(str(path), max_mb=LEAST_MAX_MB), store).tidy() is None
        assert 0 < len(kept(path)) < 160
    said = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert len(said) == 2
    assert "delivered results are dropped" in said[0]
    assert said[1].endswith("after a restart, what they show may count twice")


def test_a_field_that_is_stored_while_room_is_made_passes_for_no_picture_dropped(
    tmp_path, caplog, monkeypatch
):
    path = tmp_path / "results.db"
    with Store.open(path) as store:
        Orders(path, by_command=True, target=200).start(StartSpecimen(specimen_id="S"))
        waiting = field(store.next_sequence(), cell(), specimen_id="S")
        assert store.add(waiting, None)
        store.mark_delivered([waiting.field_id])
        drop, used = Upkeep.drop_oldest_delivered, iter([2e9, 2e9, 2e9, 0])

        def drop_while_one_is_stored(upkeep, batch):
            filled(store, 1)
            return drop(upkeep, batch)

        monkeypatch.setattr(Upkeep, "drop_oldest_delivered", drop_while_one_is_stored)
        monkeypatch.setattr(Upkeep, "used_bytes", lambda _: next(used))
        Housekeeping(StoreConfig(str(path), max_mb=LEAST_MAX_MB), store).tidy()
    (said,) = (each.message for each in caplog.records if each.levelno == logging.WARNING)
    assert "the cells of 1 delivered results are dropped" in said


def test_of_a_damaged_store_no_picture_is_taken_over_without_its_field(tmp_path):
    path = tmp_path / "results.db"
    with Store.open(path) as store:
        store.start_specimen("S")
        filled(store, 200, picture=b"")
    with contextlib.closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'keyframes'").fetchone()
        assert root * 4096 < path.stat().st_size
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 3 * 4096)
    assert repair_if_damaged(path) is not None
    with Store.open(path) as store:
        fields = {each.sequence for each in store.fields("S")}
    assert set(kept(path)) <= fields
    assert kept(path)
