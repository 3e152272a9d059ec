"""Stores that each earlier version left, opened by today's: see stores/README.md."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mqtt_partners import wait_for
from samples import DEVICE, LABELS, MODEL, cell, field, info

from edge.cli import main
from edge.config import MqttConfig
from edge.daemon.health import Machine, Progress
from edge.differential.count import SpecimenCount
from edge.errors import SpecimenError
from edge.mqtt.publisher import Publisher
from edge.slide.registration import unpacked
from edge.store.database import MIGRATIONS
from edge.store.fields import Store
from edge.store.recovery import repair_if_damaged

VERSIONS = {int(path.stem[1:]): path for path in (Path(__file__).parent / "stores").glob("v*.db")}
BED = "Ward 5/bed ü"

FOLDERS = ("film-3", "film-4")
COMMANDED = ("W-1", "W-2", "W-3", "W-4", BED)
COUNTS = {
    "film-3": {"neutrophil": 4, "lymphocyte": 3, "eosinophil": 1},
    "film-4": {"neutrophil": 1, "monocyte": 1},
    "W-1": {"neutrophil": 1, "monocyte": 1},
    "W-2": {"neutrophil": 1, "lymphocyte": 1},
    "W-3": {"neutrophil": 1, "lymphocyte": 1},
    "W-4": {},
    BED: {"eosinophil": 1},
}
SIGNED = {"W-1": "mt.07", "W-3": "mt.08"}
CHANGED = ("film-4", "W-2", "W-3")
WAITING = ["film-3", "film-4", "film-5", "W-2-late", "W-3-late", "live-1", "live-2"]


@pytest.fixture(params=sorted(VERSIONS))
def version(request):
    return request.param


@pytest.fixture
def path(version, tmp_path):
    return Path(shutil.copy(VERSIONS[version], tmp_path / "results.db"))


@pytest.fixture
def store(path):
    with Store.open(path) as opened:
        yield opened


def known(version) -> tuple[str, ...]:
    return (*FOLDERS, *(COMMANDED if version > 1 else ()), "W-6")


def waiting(version) -> list[str]:
    return [name for name in WAITING if version > 1 or not name.startswith("W-")]


def differential(store: Store, specimen_id: str):
    specimen = store.ledger.find(specimen_id)
    count = SpecimenCount(specimen_id, LABELS, specimen.target or 200)
    for _, contribution in store.contributions(specimen_id):
        count.add(contribution)
    return count.differential(
        device_id=DEVICE,
        model=MODEL,
        updated_at=datetime.now(UTC),
        clock_synced=True,
        status=specimen.status,
    )


def counted(store: Store, specimen_id: str) -> dict[str, int]:
    return {row.label: row.count for row in differential(store, specimen_id).classes if row.count}


def test_there_is_a_store_of_every_version():
    before_this_one = range(1, 1 + len(MIGRATIONS))
    assert set(before_this_one) <= set(VERSIONS), "stores/README.md says how to make one"
    for version, path in VERSIONS.items():
        with contextlib.closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (version,)


def test_every_cell_that_was_counted_counts(store, version):
    assert [one.specimen_id for one in store.specimens()] == list(known(version))
    for specimen_id in known(version)[:-1]:
        assert counted(store, specimen_id) == COUNTS[specimen_id], specimen_id
    # Since fields have places, its neutrophil was seen a second time, and better, as a lymphocyte.
    assert counted(store, "W-6") == ({"neutrophil": 1, "lymphocyte": 2} if version < 3 else {"lymphocyte": 2})
    film = differential(store, "film-3")
    assert (film.fields, film.fields_refused, film.incomplete) == (5, 1, 1)
    assert film.unclassified == {"uncertain": 1}


def test_who_signed_what_is_kept_and_nothing_else_is_signed(store, version):
    for specimen_id in known(version):
        specimen = store.ledger.find(specimen_id)
        said = differential(store, specimen_id)
        operator = SIGNED.get(specimen_id)
        assert (specimen.signature and specimen.signature.operator) == operator, specimen_id
        assert (said.signature and said.signature.operator) == operator, specimen_id
        if operator is not None:
            assert specimen.signature.at.strftime("%Y-%m-%d") == "2026-03-02"
            assert specimen.state in {"final", "corrected"}
            with pytest.raises(SpecimenError, match=operator):
                store.ledger.sign("mt.99", specimen_id)


def test_what_waited_for_a_signature_waits_and_can_be_signed(store, version):
    unsigned = [name for name in known(version) if name not in {*SIGNED, "W-4", "W-6"}]
    for specimen_id in unsigned:
        assert store.ledger.find(specimen_id).waiting, specimen_id
        # From version 8 on it knows which cells are doubtful, and that nobody has looked at them.
        # That one was stopped at its target is no reason any more where fewer cells count.
        wanted = (version > 7 and specimen_id == "film-3") or specimen_id == BED
        reason = "seen on the slide" if wanted else None
        signed = store.ledger.sign("mt.09", specimen_id, reason=reason)
        assert signed.signature.operator == "mt.09"
        # Nobody had signed film-4 before it was changed, so that nothing final was.
        assert signed.state == ("corrected" if specimen_id == "W-2" else "final")


def test_what_was_changed_discarded_or_given_with_a_specimen_is_kept(store, version):
    live = store.ledger.find("W-6")
    assert live.state == "open"
    # The clock of `make.py` goes on by a minute with each look, and version 8 looks oftener.
    assert live.started_at.startswith("2026-03-02T08:" if version < 8 else "2026-03-02T09:")
    for name in FOLDERS:
        assert (store.ledger.find(name).state, store.ledger.find(name).ended) == ("complete", "source ended")
        assert store.ledger.find(name).stopped_at > store.ledger.find(name).started_at
    if version == 1:
        return
    # From version 7 on, only what was signed is corrected by what comes later.
    changed = CHANGED if version < 7 else CHANGED[1:]
    for name in known(version):
        assert bool(store.ledger.find(name).changes) == (name in changed), name
    discarded = store.ledger.find("W-4")
    assert (discarded.state, discarded.discarded.why) == ("discarded", "the smear is clotted")
    signed, bed = store.ledger.find("W-1"), store.ledger.find(BED)
    assert (signed.target, signed.wbc_count) == (100, 7.4)
    assert (bed.state, bed.target, bed.wbc_count) == ("stopped", 50, None)
    assert store.ledger.open_by_command() == live
    assert (live.target, live.wbc_count) == (200, None if version < 3 else 6.2)
    assert [row.absolute.value for row in differential(store, "W-1").classes if row.count] == [3.7, 3.7]


def test_fields_come_back_whole_but_the_pruned_one(store, version):
    film = list(store.fields("film-3"))
    assert [each.field_id for each in film] == ["film-2", "film-3", "film-4", "film-5"]
    second, _, fourth, fifth = film
    assert [(one.label, one.rejected) for one in second.cells] == [
        ("neutrophil", None),
        ("monocyte", "uncertain"),
    ]
    assert second.cells[0].heatmap == cell().heatmap
    assert second.captured_at.strftime("%Y-%m-%d") == "2026-03-02"
    assert [not one.cut_by_edge for one in fourth.cells] == [True, False]
    assert (fifth.quality.accepted, fifth.quality.reason) == (False, "overexposed")
    assert store.has_source("film-3", "a.png"), "the pruned picture is not analysed again"
    live = list(store.fields("W-6"))
    assert [each.clock_synced for each in live] == [True, False]
    assert [each.position and (each.position.x, each.position.y) for each in live] == (
        [None, None] if version < 3 else [(0.0, 0.0), (120.5, -3.0)]
    )


def test_a_restart_knows_the_slide_that_was_kept(store, version):
    kept = [
        (each.field_id, picture is not None and unpacked(picture, each.height, each.width) is not None)
        for each, picture in store.keyframes.seen("W-6")
    ]
    assert kept == [("live-1", version > 4), ("live-2", version > 4)]


def test_counting_goes_on_in_the_open_specimen(store, version):
    number = store.next_sequence()
    assert number == 1 + max(each.sequence for each in store.fields("W-6"))
    assert store.add(field(number, cell(), specimen_id="W-6"))
    before = 1 if version < 3 else 0
    assert counted(store, "W-6")["neutrophil"] == before + 1
    if version > 1:
        assert store.ledger.stop().state == "stopped"


def test_what_the_broker_does_not_know_yet_is_told(store, version):
    assert [row.field_id for row in store.undelivered(99)] == waiting(version)
    assert store.refused() == (1, "the broker takes at most 1000 bytes")
    assert [answer.correlation_id for answer in store.answers.unsent()] == ["order-2"] * (version > 3)
    told = {name for name, _ in store.ledger.unpublished()}
    assert told == (set(known(version)) - {"W-1"} if version > 1 else set())


def test_what_waited_is_delivered_once_and_as_historical(path, version, broker, listen, tmp_path):
    listener = listen(broker)
    progress, machine = Progress(), Machine(tmp_path)
    publisher = Publisher(
        MqttConfig(host=broker.host, port=broker.port),
        store=path,
        info=info(),
        health=lambda backlog: progress.health(DEVICE, machine, backlog),
    )
    publisher.start()
    try:
        fields = waiting(version)
        wait_for(lambda: len(listener.of("result/field")) >= len(fields), "the backlog")
        wait_for(lambda: len(listener.of("response/specimen/stop")) == (version > 3), "the answer")
    finally:
        assert publisher.close(20) == 0
    said = listener.of("result/field")
    assert [each.field_id for each in said] == fields
    assert all(each.historical for each in said)


def test_the_command_line_lists_shows_and_exports_all(path, version, tmp_path, capsys):
    config = tmp_path / "leukoscope.toml"
    config.write_text(
        f'device_id = "test-1"\n[store]\npath = "{path}"\n[camera]\nkind = "replay"\npaths = ["{tmp_path}"]\n'
    )
    assert main(["specimen", "list", "--config", str(config)]) == 0
    listed = {row[0]: row for row in (line.split("\t") for line in capsys.readouterr().out.splitlines())}
    for specimen_id in known(version)[:-1]:
        assert str(sum(COUNTS[specimen_id].values())) in listed[specimen_id], specimen_id
        assert main(["specimen", "show", specimen_id, "--json", "--config", str(config)]) == 0
        said = json.loads(capsys.readouterr().out)
        assert {row["label"]: row["count"] for row in said["classes"] if row["count"]} == COUNTS[specimen_id]
    assert main(["results", "export", "--store", str(path)]) == 0
    exported = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {each["specimen_id"] for each in exported} == set(known(version))
    assert "film-1" not in {each["field_id"] for each in exported}


def test_a_damaged_one_gives_up_the_same_content(path, version):
    with contextlib.closing(sqlite3.connect(path)) as db:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'fields_waiting'"
        (page,) = db.execute(query).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)
    assert repair_if_damaged(path) is not None
    with Store.open(path) as store:
        assert [one.specimen_id for one in store.specimens()] == list(known(version))
        for specimen_id in known(version)[:-1]:
            specimen = store.ledger.find(specimen_id)
            assert counted(store, specimen_id) == COUNTS[specimen_id]
            assert (specimen.signature and specimen.signature.operator) == SIGNED.get(specimen_id)
            assert specimen.waiting == (specimen_id not in {*SIGNED, "W-4"})
            assert specimen_id in SIGNED or specimen.state != "final"
        assert [row.field_id for row in store.undelivered(99)] == waiting(version)
