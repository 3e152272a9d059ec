"""Fields kept on a thread of their own: in order, together where they wait, and no error is lost."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing, contextmanager, suppress
from itertools import count

import pytest
from mqtt_partners import wait_for
from samples import field

from edge.daemon.field_writer import FieldWriter
from edge.daemon.placement import PendingField
from edge.differential.count import contribution_of
from edge.errors import StoreError
from edge.store.fields import Store


class Disk:
    """Keeps what it is given in a store, once it is let to. full_at: the sequence that it has no room for."""

    def __init__(self, path, full_at=None):
        self.path = path
        self.full_at = full_at
        self.batches = []
        self.free = threading.Event()
        self.free.set()
        with Store.open(path) as store:
            store.start_specimen("S")

    def keep(self, store, fields):
        self.free.wait()
        with store.transaction():
            for pending in fields:
                if pending.field.sequence == self.full_at:
                    raise StoreError("the result store cannot be written: database or disk is full")
                assert store.add(*pending)
        self.batches.append([pending.field.sequence for pending in fields])

    def kept(self):
        with Store.open(self.path) as store:
            return [one.sequence for one in store.fields("S")]


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path / "results.db")


@pytest.fixture
def numbered():
    numbers = count(1)

    def make():
        one = field(next(numbers))
        return PendingField(one, f"picture {one.sequence}", contribution_of(one), None)

    return make


def test_a_field_is_kept_at_once_where_none_was_just_now(disk, numbered):
    with FieldWriter(disk.path, disk.keep) as writer:
        for number in (1, 2, 3):
            writer.put(numbered())
            wait_for(lambda number=number: disk.kept() == [*range(1, number + 1)], "the field")
    assert disk.batches == [[1], [2], [3]]


def test_fields_that_wait_for_the_disk_are_kept_together_in_their_order(disk, numbered):
    with FieldWriter(disk.path, disk.keep) as writer:
        disk.free.clear()
        for _ in range(8):
            writer.put(numbered())
        assert writer.has("picture 8")
        assert disk.kept() == []
        disk.free.set()
        writer.settle()
        assert disk.kept() == [*range(1, 9)]
        assert not writer.has("picture 8")
    assert len(disk.batches) <= 3


def test_a_disk_that_is_slower_than_the_camera_is_waited_for(disk, numbered):
    put = []
    with FieldWriter(disk.path, disk.keep) as writer:
        disk.free.clear()

        def analyse():
            for number in range(60):
                writer.put(numbered())
                put.append(number)

        thread = threading.Thread(target=analyse)
        thread.start()
        time.sleep(0.3)
        assert len(put) < 40
        disk.free.set()
        thread.join()
    assert disk.kept() == [*range(1, 61)]


def test_others_can_write_while_a_slow_disk_has_all_it_can_do(disk, numbered, monkeypatch):
    real = Store.transaction

    @contextmanager
    def transaction(store):
        with real(store):
            yield
            time.sleep(0.1)

    monkeypatch.setattr(Store, "transaction", transaction)
    done = threading.Event()

    def analyse(writer):
        with suppress(StoreError):
            while not done.is_set():
                writer.put(numbered())

    with FieldWriter(disk.path, disk.keep) as writer, closing(sqlite3.connect(disk.path, timeout=2)) as other:
        thread = threading.Thread(target=analyse, args=(writer,))
        thread.start()
        try:
            for _ in range(3):
                wait_for(lambda: disk.batches, "a disk that is busy")
                with other:
                    assert other.execute("UPDATE fields SET delivered_at = 'now'").rowcount > 0
        finally:
            done.set()
            thread.join()


def test_at_the_end_all_are_kept(disk, numbered):
    with FieldWriter(disk.path, disk.keep) as writer:
        for _ in range(7):
            writer.put(numbered())
    assert disk.kept() == [*range(1, 8)]


def test_a_full_disk_keeps_what_there_is_room_for_and_is_told(disk, numbered):
    disk.full_at = 6
    disk.free.clear()
    writer = FieldWriter(disk.path, disk.keep)
    with pytest.raises(StoreError, match="full"):
        put_eight(writer, numbered, disk.free.set)
    assert disk.kept() == [*range(1, 6)]


def put_eight(writer, numbered, then):
    with writer:
        for _ in range(8):
            writer.put(numbered())
        then()


def test_a_full_disk_is_told_to_who_goes_on(disk, numbered):
    disk.full_at = 1
    writer = FieldWriter(disk.path, disk.keep)
    with suppress(StoreError), writer:
        writer.put(numbered())
        with pytest.raises(StoreError, match="full"):
            writer.settle()
        with pytest.raises(StoreError, match="full"):
            writer.put(numbered())
    assert disk.kept() == []


def test_what_ended_the_run_is_not_hidden_by_the_disk(disk, numbered):
    def camera_goes():
        disk.free.set()
        raise RuntimeError("the camera is gone")

    disk.full_at = 1
    disk.free.clear()
    with pytest.raises(RuntimeError, match="camera"):
        put_eight(FieldWriter(disk.path, disk.keep), numbered, camera_goes)
