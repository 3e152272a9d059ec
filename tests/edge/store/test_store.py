from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading

import msgspec
import pytest
from samples import cell, field

from edge import identity
from edge.differential.count import contribution_of
from edge.errors import StoreError
from edge.messages import MAX_PAYLOAD, FieldResult
from edge.store.database import claim, connect
from edge.store.fields import Store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new folder" / "results.db"


@pytest.fixture
def store(path):
    with Store.open(path) as opened:
        opened.start_specimen("S")
        yield opened


def add(store: Store, count: int, **keywords) -> list[FieldResult]:
    fields = [field(store.next_sequence() + n, cell(), **keywords) for n in range(count)]
    for each in fields:
        assert store.add(each, each.source)
    return fields


def ids(waiting) -> list[str]:
    return [row.field_id for row in waiting]


def test_what_was_added_comes_back_whole(store):
    crowded = field(1, *(cell(map_side=40) for _ in range(40)))
    assert len(msgspec.json.encode(crowded)) > MAX_PAYLOAD
    assert store.add(crowded, "a")
    kept = msgspec.structs.replace(crowded, specimen_uuid=store.ledger.find("S").uuid)
    assert list(store.fields("S")) == [kept]
    assert list(store.contributions("S")) == [(crowded.field_id, contribution_of(crowded))]


def test_a_source_is_stored_once_a_specimen(store):
    store.start_specimen("T")
    assert store.add(field(1), "a.png")
    assert store.has_source("S", "a.png")
    assert not store.has_source("T", "a.png")
    assert store.add(field(2), "a.png") is False
    assert store.add(field(2, specimen_id="T"), "a.png")
    assert store.backlog() == 2


def test_frames_of_a_live_camera_are_all_stored(store):
    assert all(store.add(field(n)) for n in (1, 2, 3))


def test_sequences_go_on_after_a_restart(store, path):
    assert store.next_sequence() == 1
    add(store, 3)
    store.close()
    with Store.open(path) as again:
        assert again.next_sequence() == 4


def test_a_number_that_is_taken_is_an_error_and_no_loss(store):
    add(store, 1)
    with pytest.raises(StoreError, match="UNIQUE"):
        store.add(field(1), "another")
    assert store.backlog() == 1


def test_waiting_fields_come_oldest_first_until_they_are_delivered(store):
    fields = [f.field_id for f in add(store, 5)]
    first = store.undelivered(2)
    assert ids(first) == fields[:2]
    assert ids(store.undelivered(10, after=first[-1].sequence)) == fields[2:]
    assert first[0].run_id == identity.RUN_ID
    store.mark_delivered([fields[0], fields[2]])
    store.mark_delivered([fields[0], "unknown"])
    assert ids(store.undelivered(10)) == [fields[1], fields[3], fields[4]]
    assert store.backlog() == 3


def test_a_refused_field_waits_apart(store):
    one, two = (f.field_id for f in add(store, 2))
    store.mark_refused(one, "Not authorized")
    assert ids(store.undelivered(9, refused=False)) == [two]
    assert ids(store.undelivered(9)) == [one, two]
    store.mark_delivered([one, two])
    assert store.backlog() == 0


def test_a_source_that_ended_is_complete_until_somebody_signs(store):
    store.start_specimen("T")
    store.finish_specimen("T")
    ended = store.start_specimen("T")
    assert (ended.state, ended.ended, ended.waiting) == ("complete", "source ended", True)
    assert ended.status.state == "complete"
    assert store.ledger.sign("M1", "T").state == "final"
    store.add(field(1, specimen_id="T"), "late")
    late = store.start_specimen("T")
    assert (late.state, late.signature) == ("corrected", None)
    assert store.ledger.sign("M1", "T").state == "corrected", "it was final once"
    store.finish_specimen("T")
    assert store.ledger.find("T").stopped_at == ended.stopped_at
    assert [(s.specimen_id, s.state) for s in store.specimens()] == [("S", "open"), ("T", "corrected")]


def test_pruning_keeps_what_waits_and_what_counts(store):
    kept, gone = add(store, 2)
    store.mark_delivered([gone.field_id])
    assert store.upkeep.prune(retention_days=1) == 0
    assert store.upkeep.prune(retention_days=-1) == 1
    assert [f.field_id for f in store.fields("S")] == [kept.field_id]
    assert ids(store.undelivered(9)) == [kept.field_id]
    assert len(list(store.contributions("S"))) == 2
    assert store.has_source("S", gone.source)
    assert store.next_sequence() == 3


def test_more_fields_than_one_page(store):
    added = [f.field_id for f in add(store, 205)]
    assert [f.field_id for f in store.fields("S")] == added
    assert list(store.fields("unknown")) == []


def test_settings_are_the_durable_ones(store, path):
    for durable, synchronous in ((True, 2), (False, 1)):
        with contextlib.closing(connect(path, durable=durable)) as database:
            assert database.execute("PRAGMA synchronous").fetchone() == (synchronous,)
            assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert database.execute("PRAGMA foreign_keys").fetchone() == (1,)
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        store.add(field(1, specimen_id="never started"))


def test_two_threads_write_at_once(store, path):
    def mark():
        with Store.open(path, durable=False) as mine:
            while not done.is_set():
                mine.mark_delivered(ids(mine.undelivered(5)))

    done = threading.Event()
    marker = threading.Thread(target=mark)
    marker.start()
    add(store, 60)
    done.set()
    marker.join(20)
    store.mark_delivered(ids(store.undelivered(100)))
    assert len(list(store.fields("S"))) == 60
    assert store.backlog() == 0


@pytest.mark.parametrize(
    "content", [b"this is a letter, not a database " * 100, b"SQLite format 3\0 and then nothing"]
)
def test_what_is_no_database_is_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "letter.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"letter\.db: the result store cannot be opened: ") as caught:
        Store.open(path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize("application_id", [0, 1, 0x7FFFFFFF])
def test_another_programs_database_is_left_alone(tmp_path, application_id):
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA application_id = {application_id}")
        other.execute("CREATE TABLE things (a)")
    with pytest.raises(StoreError, match="another program"):
        Store.open(path)


def test_a_newer_store_is_refused(store, path):
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="newer leukoscope"):
        Store.open(path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "results.db", tmp_path):
        with pytest.raises(StoreError, match="cannot be opened"):
            Store.open(path)


def test_a_full_disk_is_an_error_and_what_was_stored_stays(path):
    disk = connect(path, durable=True)
    store = Store(disk, path)
    store.start_specimen("S")
    fields = add(store, 3)
    disk.execute(f"PRAGMA max_page_count = {disk.execute('PRAGMA page_count').fetchone()[0]}")
    big = field(4, *(cell(map_side=60) for _ in range(30)))
    with pytest.raises(StoreError, match="full"):
        store.add(big, "big")
    assert [f.field_id for f in store.fields("S")] == [f.field_id for f in fields]
    disk.execute("PRAGMA max_page_count = 100000")
    assert store.add(big, "big")
    store.close()


def test_only_one_daemon_may_claim_a_store_and_a_dead_one_lets_go(path):
    program = (
        "import sys, pathlib; from edge.store.database import claim\n"
        f"with claim(pathlib.Path({str(path)!r})):\n print('mine', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"mine\n"
        with pytest.raises(StoreError, match="in use by another"), claim(path):
            pass
        other.kill()
        other.wait(20)
    with claim(path):
        pass


def test_once_it_is_delivered_a_field_is_neither_refused_nor_delivered_again(store):
    (taken, waits) = add(store, 2)
    store.mark_refused(taken.field_id, "quota")
    assert store.refused() == (1, "quota")
    store.mark_delivered([taken.field_id])
    assert store.refused() == (0, None)
    store.mark_refused(taken.field_id, "late word")
    assert store.refused() == (0, None)
    assert ids(store.undelivered(9)) == [waits.field_id]
    assert store.republish() == 1
    assert store.refused() == (0, None), "sent again it has a clean sheet"


def test_a_field_that_cannot_be_read_is_none_and_hides_no_other(store, path):
    broken, whole = add(store, 2)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE fields SET payload = x'7b' WHERE field_id = ?", (broken.field_id,))
    assert store.field_of("S", broken.source) is None
    assert store.field_of("S", whole.source).field_id == whole.field_id
    assert [look.width for look in store.frame_summaries("S")] == [whole.width]


def test_of_a_block_that_fails_nothing_is_kept_also_of_what_was_done_by_itself(store):
    def fail():
        with store.transaction():
            store.start_specimen("T")
            assert store.add(field(1, specimen_id="T"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [one.specimen_id for one in store.specimens()] == ["S"]
    assert store.backlog() == 0


def test_a_field_of_no_specimen_and_a_store_of_another_program_are_refused(store, tmp_path):
    with pytest.raises(StoreError):
        store.add(field(1, specimen_id="nobody"))
    other = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as db, db:
        db.execute("CREATE TABLE recipes (name)")
    with pytest.raises(StoreError, match="another program"):
        Store.open(other)


def test_results_are_waited_for_on_their_way_to_the_disk(path):
    with contextlib.closing(connect(path, durable=True)) as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (2,), "FULL: a power cut takes no result"
    with contextlib.closing(connect(path, durable=False)) as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (1,)


def test_a_store_in_folders_that_are_not_there_yet_is_made(tmp_path):
    with Store.open(tmp_path / "not" / "yet" / "results.db") as store:
        store.start_specimen("S")
    with Store.open(tmp_path / "not" / "yet" / "results.db") as store:
        assert [one.specimen_id for one in store.specimens()] == ["S"]
