"""The store over the years: older versions, damage, limits, a clock that comes late."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from mqtt_partners import wait_for
from samples import cell, field

from edge import identity
from edge.cli import main
from edge.config import LEAST_MAX_MB, StoreConfig
from edge.daemon.housekeeping import Housekeeping
from edge.errors import StoreError
from edge.store import database, recovery, retention, schema
from edge.store.fields import Store
from edge.store.recovery import repair_if_damaged

PRUNED = "SELECT count(*) FROM fields WHERE payload IS NULL"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.db"


def filled(path, count: int, **keywords) -> list[str]:
    with Store.open(path) as store:
        store.start_specimen("S")
        fields = [field(store.next_sequence() + n, cell(), **keywords) for n in range(count)]
        assert all(store.add(each, each.source) for each in fields)
    return [each.field_id for each in fields]


def as_first_version(path) -> None:
    """Make a store as version 1 did."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(schema.FIRST)
        db.execute(f"PRAGMA application_id = {database._APPLICATION_ID}")  # noqa: SLF001
        db.execute("PRAGMA user_version = 1")
        db.execute("INSERT INTO specimens (id, started_at) VALUES ('S', '2026-01-01')")
        db.execute(
            "INSERT INTO fields (sequence, field_id, specimen_id, run_id, committed_s, tally, payload)"
            " VALUES (7, 'old', 'S', 'r', 1.0, x'7b7d', ?)",
            (msgspec.json.encode(field(7, cell())),),
        )
        db.commit()


def test_a_store_of_the_first_version_is_brought_up_with_all_it_holds(path):
    as_first_version(path)
    with Store.open(path) as store:
        assert [row.field_id for row in store.undelivered(9)] == ["old"]
        assert store.next_sequence() == 8
        assert store.add(field(8), "new")
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1 + len(database.MIGRATIONS),)


def test_a_migration_that_fails_leaves_the_store_as_it_was(path, monkeypatch):
    as_first_version(path)
    broken = (*database.MIGRATIONS, "CREATE TABLE extra (a);\nINSERT INTO nowhere VALUES (1);\n")
    with monkeypatch.context() as newer:
        newer.setattr(database, "MIGRATIONS", broken)
        newer.setattr(database, "_VERSION", 1 + len(broken))
        with pytest.raises(StoreError, match="nowhere"):
            Store.open(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    with Store.open(path) as store:
        assert store.backlog() == 1


def test_a_newer_store_is_refused_and_left_alone(path):
    filled(path, 1)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="newer"):
        Store.open(path)
    assert repair_if_damaged(path) is None


@pytest.mark.parametrize("rubbish", [b"rubbish" * 3000, b"SQLite format 3\0" + b"\xff" * 9000])
def test_rubbish_is_moved_aside_and_a_new_store_begun(path, rubbish, caplog):
    path.write_bytes(rubbish)
    notice = repair_if_damaged(path)
    assert notice is not None
    assert "damaged" in notice
    assert notice in caplog.text
    (aside,) = path.parent.glob("results.db.damaged-*[0-9]")
    assert aside.read_bytes() == rubbish
    assert filled(path, 2)
    assert repair_if_damaged(path) is None


def test_what_can_be_read_of_a_damaged_store_is_taken_over(path):
    ids = filled(path, 200)
    with Store.open(path) as store:
        store.mark_delivered(ids[:50])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 3 * 4096)
    notice = repair_if_damaged(path)
    assert notice is not None
    with Store.open(path) as store:
        waiting = [row.field_id for row in store.undelivered(999)]
        known = [field_id for field_id, _ in store.contributions("S")]
        assert store.next_sequence() == 201
    assert f"{len(known)} results" in notice
    assert len(known) >= 150, "three pages of it were lost"
    assert waiting == [one for one in known if one in ids[50:]], "in their order, and none anew"
    assert ids[0] in known
    assert ids[-1] in known


def test_a_row_that_the_damage_has_made_impossible_is_left_out_alone(path):
    ids = filled(path, 5)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA writable_schema = ON")
        lax = "UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE name = 'fields'"
        strict, *_ = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'fields'").fetchone()
        db.execute(lax)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE fields SET committed_s = 'never' WHERE field_id = ?", (ids[1],))
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'fields'", (strict,))
    notice = repair_if_damaged(path)
    assert "4 results could be taken over, 4 of them still to be delivered" in notice
    with Store.open(path) as store:
        assert [row.field_id for row in store.undelivered(9)] == [ids[0], *ids[2:]]


def test_a_damaged_store_that_cannot_be_moved_is_said_in_a_sentence(path, monkeypatch):
    path.write_bytes(b"\xa5" * 9000)

    rename = type(path).rename

    def refuse(self, to):
        if self == path:
            raise PermissionError(13, "Permission denied")
        return rename(self, to)

    monkeypatch.setattr(type(path), "rename", refuse)
    with pytest.raises(StoreError, match=r"is damaged \(.*\) and cannot be moved: Permission denied"):
        repair_if_damaged(path)
    assert path.read_bytes() == b"\xa5" * 9000


class KilledError(BaseException):
    """The process ends here."""


def damaged(path) -> list[str]:
    """Fill a store with 200 fields of which a few pages are lost, and give the ids."""
    ids = filled(path, 200)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 3 * 4096)
    return ids


@pytest.mark.parametrize("at", range(4))
def test_a_repair_that_is_killed_at_any_step_is_done_at_the_next_start(path, monkeypatch, at):
    ids = damaged(path)
    with contextlib.closing(sqlite3.connect(path)) as db:  # a write-ahead log lies beside it
        db.execute("PRAGMA journal_mode = WAL")
    path.with_name(path.name + "-wal").write_bytes(b"")
    steps = []

    def kill(self, to):
        if len(steps) == at:
            raise KilledError
        steps.append(self.name)
        return rename(self, to)

    rename = type(path).rename
    monkeypatch.setattr(type(path), "rename", kill)
    with contextlib.suppress(KilledError):
        repair_if_damaged(path)
        assert at >= len(steps)
    monkeypatch.undo()
    repair_if_damaged(path)
    with Store.open(path) as store:
        known = {field_id for field_id, _ in store.contributions("S")}
    assert len(known) >= 150
    assert {ids[0], ids[-1]} <= known
    assert not list(path.parent.glob("results.db.repair*"))
    assert list(path.parent.glob("results.db.damaged-*[0-9]")), "what it was made of is kept"


def test_a_repair_for_which_the_disk_has_no_room_changes_nothing(path, monkeypatch):
    ids = damaged(path)
    before = path.read_bytes()

    def small(*arguments, **keywords):
        made = database.connect(*arguments, **keywords)
        made.execute("PRAGMA max_page_count = 40")  # SQLite then says what it says of a full disk
        return made

    monkeypatch.setattr(recovery, "connect", small)
    with pytest.raises(StoreError, match=r"cannot be repaired: .*full"):
        repair_if_damaged(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert not list(path.parent.glob("results.db.*repair*"))
    repair_if_damaged(path)
    with Store.open(path) as store:
        assert {ids[0], ids[-1]} <= {field_id for field_id, _ in store.contributions("S")}


def test_a_share_of_the_count_that_is_damaged_leaves_the_others(path, caplog):
    ids = filled(path, 3)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE fields SET tally = x'7b22ff' WHERE field_id = ?", (ids[1],))
    with Store.open(path) as store:
        assert [field_id for field_id, _ in store.contributions("S")] == [ids[0], ids[2]]
        assert store.ledger.counted("S") == (3, 2), "as many cells as the count has"
    assert f"field {ids[1]}" in caplog.text


def test_a_damaged_field_keeps_no_other_from_being_listed_and_sent_again(path, capsys):
    ids = filled(path, 3)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE fields SET payload = x'7b22ff' WHERE field_id = ?", (ids[1],))
    with Store.open(path) as store:
        store.mark_delivered(ids)
        assert store.republish(since=datetime(2000, 1, 1, tzinfo=UTC)) == 2
        assert {row.field_id for row in store.undelivered(9)} == {ids[0], ids[2]}
    assert main(["results", "export", "--store", str(path)]) == 1
    printed = capsys.readouterr()
    assert [msgspec.json.decode(line)["field_id"] for line in printed.out.splitlines()] == [ids[0], ids[2]]
    assert printed.err.startswith(f"leukoscope: {path}: field {ids[1]} cannot be read back: ")
    assert main(["results", "list", "--store", str(path)]) == 1
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 3, "a header, and two fields"
    assert f"field {ids[1]} cannot be read back" in printed.err


def test_after_an_end_that_was_none_an_index_that_lacks_a_row_is_found(path):
    filled(path, 5)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        name, *index = db.execute(
            "SELECT name, type, tbl_name, rootpage, sql FROM sqlite_schema"
            " WHERE type = 'index' AND tbl_name = 'fields' AND sql IS NOT NULL"
        ).fetchone()
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_schema WHERE name = ?", (name,))
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE fields SET delivered_at = 'now', error = 'x', source_id = 'y' WHERE sequence = 3")
        db.execute("DELETE FROM fields WHERE sequence = 5")
        db.execute("PRAGMA writable_schema = ON")
        db.execute(
            "INSERT INTO sqlite_schema (name, type, tbl_name, rootpage, sql) VALUES (?, ?, ?, ?, ?)",
            (name, *index),
        )
    with contextlib.closing(sqlite3.connect(path)) as killed:
        killed.execute("UPDATE specimens SET revision = revision + 1")
        killed.commit()
        copy = path.with_name("copy.db")
        for part in ("", "-wal"):
            copy.with_name(copy.name + part).write_bytes(path.with_name(path.name + part).read_bytes())
    notice = repair_if_damaged(copy)
    assert notice is not None
    assert "4 results could be taken over" in notice


def test_a_sound_store_stays_where_it_is_also_after_a_kill(path):
    filled(path, 3)
    with contextlib.closing(sqlite3.connect(path)) as held:
        held.execute("SELECT * FROM fields").fetchone()
        filled(path, 0)
        with Store.open(path) as store:
            store.add(field(4), "d")
            assert path.with_name("results.db-wal").stat().st_size
            assert repair_if_damaged(path) is None
    assert not list(path.parent.glob("*damaged*"))


def test_republishing_by_time_and_by_specimen(path):
    early, late = filled(path, 2)
    with Store.open(path) as store:
        store.mark_delivered([early, late])
        assert store.republish(since=datetime.now(UTC) + timedelta(minutes=1)) == 0
        assert store.republish(specimen_id="T") == 0
        assert store.republish(since=datetime.now(UTC) - timedelta(minutes=1), specimen_id="S") == 2
        assert [row.field_id for row in store.undelivered(9)] == [early, late]
        assert all(row.run_id != identity.RUN_ID for row in store.undelivered(9)), "historical"


def limited(path, max_mb) -> StoreConfig:
    """A store of less room than a configuration may ask for: a test would fill a larger one for long."""
    config = StoreConfig(str(path))
    msgspec.structs.force_setattr(config, "max_mb", max_mb)
    return config


def test_a_full_store_drops_the_oldest_delivered_and_never_what_waits(path):
    ids = filled(path, 600)
    with Store.open(path) as store:
        store.mark_delivered(ids[:300])
        limit = (store.upkeep.used_bytes() - 60_000) / 1e6
        keeping = Housekeeping(limited(path, limit), store)
        assert keeping.tidy() is None
        assert store.backlog() == 300
        kept = [each.field_id for each in store.fields("S")]
        assert kept == ids[-len(kept) :], "the oldest went"
        assert len(list(store.contributions("S"))) == 600, "and still count"
        reason = Housekeeping(limited(path, 0.01), store).tidy()
        assert reason is not None
        assert "store.max_mb" in reason
        assert store.backlog() == 300
        assert [each.field_id for each in store.fields("S")] == ids[300:]


def test_much_to_drop_is_dropped_in_several_goes_between_which_fields_are_counted(path, monkeypatch):
    ids = filled(path, 1500)
    with Store.open(path) as store:
        store.mark_delivered(ids)
        keeping = Housekeeping(limited(path, store.upkeep.used_bytes() / 2e6), store)
        monkeypatch.setattr("edge.daemon.housekeeping._WORK_S", 0.0)
        kept = [len(list(store.fields("S")))]
        while not kept[1:] or kept[-1] < kept[-2]:
            assert keeping.tidy() is None, "counting goes on"
            kept.append(len(list(store.fields("S"))))
        assert len(kept) > 4, kept
        assert store.upkeep.used_bytes() <= limited(path, store.upkeep.used_bytes() / 1e6).max_mb * 1e6
        old = Housekeeping(StoreConfig(str(path), retention_days=-1), store)  # all of it is too old
        monkeypatch.setattr(identity, "clock_synced", lambda: True)
        for _ in range(kept[-1] // 100 + 2):
            assert old.tidy() is None
        assert not list(store.fields("S"))


def test_the_least_limit_holds_the_most_crowded_field_and_counting_goes_on(path):
    with Store.open(path) as store:
        store.start_specimen("S")
        assert store.add(field(1, *(cell(map_side=30) for _ in range(500))))
        config = StoreConfig(str(path), max_mb=LEAST_MAX_MB)
        assert Housekeeping(config, store).tidy() is None


def test_a_store_that_is_full_of_what_was_counted_says_so_and_drops_nothing_of_it(path):
    ids = filled(path, 300)
    with Store.open(path) as store:
        store.mark_delivered(ids)
        reason = Housekeeping(limited(path, 0.01), store).tidy()
        assert reason is not None
        assert reason.endswith("by what earlier results counted, which stays; raise it to count on")
        assert len(list(store.contributions("S"))) == 300


@pytest.mark.parametrize("years", [-50, 50])
def test_times_from_before_the_clock_was_set_are_corrected(path, monkeypatch, years):
    wrong = 365.25 * 86400 * years
    with monkeypatch.context() as unset:
        unset.setattr(identity, "clock_offset_s", lambda: time.time() - time.monotonic() + wrong)
        with Store.open(path) as store:
            store.start_specimen("S")
            taken = datetime.now(UTC)
            moved = [
                msgspec.structs.replace(field(n), captured_at=taken + timedelta(seconds=wrong))
                for n in (1, 2, 3)
            ]
            other = msgspec.structs.replace(moved[2], boot_id="an earlier boot")
            assert all(store.add(each) for each in (*moved[:2], other))
            store.mark_delivered([moved[0].field_id])
    monkeypatch.setattr(identity, "clock_synced", lambda: True)
    with Store.open(path) as store:
        keeping = Housekeeping(StoreConfig(str(path), retention_days=1), store)
        assert keeping.tidy() is None
        said, right, unknown = store.fields("S")
    uuid = {"specimen_uuid": said.specimen_uuid}  # the store's own word, whatever was given
    assert said == msgspec.structs.replace(moved[0], **uuid)
    assert unknown == msgspec.structs.replace(other, **uuid)
    assert right.clock_synced
    assert abs((right.captured_at - taken).total_seconds()) < 5


def test_the_very_first_field_is_corrected_too(path, monkeypatch):
    monkeypatch.setattr(identity, "clock_synced", lambda: False)
    monkeypatch.setattr(identity, "clock_offset_s", lambda: 100.0)
    filled(path, 2)
    with Store.open(path) as store:
        before = [each.captured_at for each in store.fields("S")]
        assert store.upkeep.correct_times(100.0 + 3600) == 2
        after = list(store.fields("S"))
        assert [each.sequence for each in after] == [1, 2]
        assert [each.captured_at for each in after] == [at + timedelta(hours=1) for at in before]
        assert store.upkeep.correct_times(9999.0) == 0


def test_what_was_delivered_before_the_clock_was_set_ages_from_then_on(path, monkeypatch):
    ids = filled(path, 2)
    with Store.open(path) as store:
        with monkeypatch.context() as unset:
            unset.setattr(identity, "clock_synced", lambda: False)
            unset.setattr(identity, "now", lambda: datetime(1970, 1, 2, tzinfo=UTC))
            store.mark_delivered(ids[:1])
        monkeypatch.setattr(identity, "clock_synced", lambda: True)
        config = StoreConfig(str(path), retention_days=30)
        Housekeeping(config, store).tidy()
        assert len(list(store.fields("S"))) == 2
        later = datetime.now(UTC) + timedelta(days=31)
        monkeypatch.setattr(identity, "now", lambda: later)
        Housekeeping(config, store).tidy()
        assert [each.field_id for each in store.fields("S")] == ids[1:]


def test_others_can_write_while_much_is_dropped(path, monkeypatch):
    ids = filled(path, 100)
    real = retention.transaction

    @contextlib.contextmanager
    def transaction(*store):
        with real(*store):
            yield
            time.sleep(0.1)  # a slow disk

    monkeypatch.setattr(retention, "_PAGE", 4)
    monkeypatch.setattr(retention, "transaction", transaction)
    with Store.open(path) as store:
        store.mark_delivered(ids)

    def drop():
        with Store.open(path) as store:
            return store.upkeep.prune(0)

    with ThreadPoolExecutor(1) as another, contextlib.closing(sqlite3.connect(path, timeout=1.7)) as other:
        dropped = another.submit(drop)
        wait_for(lambda: other.execute(PRUNED).fetchone()[0] > 0, "the first ones")
        with other:
            other.execute("UPDATE fields SET error = 'none' WHERE sequence = 1")
        assert other.execute(PRUNED).fetchone()[0] < 100
        assert dropped.result() == 100


def test_nothing_ages_while_the_clock_is_not_set(path, monkeypatch):
    ids = filled(path, 1)
    monkeypatch.setattr(identity, "clock_synced", lambda: True)
    with Store.open(path) as store:
        store.mark_delivered(ids)
        Housekeeping(StoreConfig(str(path)), store).tidy()
        year_2076 = datetime.now(UTC) + timedelta(days=18262)
        monkeypatch.setattr(identity, "now", lambda: year_2076)
        monkeypatch.setattr(identity, "clock_synced", lambda: False)
        Housekeeping(StoreConfig(str(path)), store).tidy()
        assert len(list(store.fields("S"))) == 1
        monkeypatch.setattr(identity, "clock_synced", lambda: True)
        Housekeeping(StoreConfig(str(path)), store).tidy()
        assert not list(store.fields("S"))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xff\xd8\xff\xe0 and a picture", "a picture"),
        (b"BM" + bytes(8) + b"\x36\0\0\0\x28\0\0\0\x10\0\0\0\x10\0\0\0\1\0\x18\0" + bytes(900), "a picture"),
        (b"[camera]\nkind = 'replay'\n", "a text"),
        (b"\t\r\n" + bytes(range(32, 127)), "a text"),
        (b"\x1c\0\0\0TFL3" + bytes(90), "a model"),
    ],
)
def test_a_file_that_never_was_a_store_is_left_where_it_is(tmp_path, content, kind):
    path = tmp_path / "something"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=f"is {kind}, and no result store; give store.path another name"):
        repair_if_damaged(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_a_store_that_root_makes_belongs_to_whom_its_folder_belongs(tmp_path):
    os.chown(tmp_path, 4711, 4712)
    with Store.open(tmp_path / "results.db") as store:
        store.start_specimen("S")
        owners = {each.name: (each.stat().st_uid, each.stat().st_gid) for each in tmp_path.iterdir()}
    assert "results.db-wal" in owners
    assert set(owners.values()) == {(4711, 4712)}
