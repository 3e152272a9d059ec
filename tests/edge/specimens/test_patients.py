"""Two patients' blood never becomes one count unless somebody says so; what was said is kept and shown."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import sys
import time
from pathlib import Path

import msgspec
import pytest
from daemons import SCRIPTED, Interrupted, changed, draw, run, spawn, toml
from mqtt_partners import wait_for
from samples import cell, field

from edge.cli import main
from edge.config import Config, MqttConfig, SimulatedConfig, SpecimenConfig, StoreConfig
from edge.errors import SpecimenError
from edge.messages.commands import (
    RenameSpecimen,
    SetWbcCount,
    SignSpecimen,
    StartSpecimen,
    StopSpecimen,
)
from edge.messages.wbc_count import read_wbc_count
from edge.specimens.orders import Orders
from edge.store.fields import Store

_LONG_S = 120.0  # for a process, on a machine that has much else to do


@pytest.fixture
def other(tmp_path) -> Path:
    """Return another patient's pictures."""
    draw(tmp_path / "other", 5, start=60)
    return tmp_path / "other"


def all_of(path: Path) -> list[tuple]:
    """Return all that a store says of patients: every specimen, event and field."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        queries = (
            "SELECT * FROM specimens",
            "SELECT * FROM specimen_events",
            "SELECT sequence, specimen_id, source_id, tally, payload FROM fields",
        )
        return [row for query in queries for row in db.execute(query).fetchall()]


def specimen(config: Config, specimen_id: str = "S"):
    with Store.open(Path(config.store.path)) as store:
        return store.ledger.find(specimen_id), store.ledger.counted(specimen_id)


def refused(config: Config, sentence: str, **keywords) -> None:
    before = all_of(Path(config.store.path))
    with pytest.raises(SpecimenError, match=sentence):
        run(config, **keywords)
    assert all_of(Path(config.store.path)) == before


def test_another_source_under_the_same_id_is_refused_and_with_resume_counted_and_shown(
    config,
    other,
    broker,
    listen,
):
    listener = listen(broker)
    assert run(config) == 0
    second = changed(config, "camera", paths=(str(other),))
    refused(
        second, r"S is there already: complete, .*12 fields with 12 cells.*images/011\.png, of another source"
    )
    assert run(second, resume=True) == 0
    wait_for(lambda: listener.counted() == 17, "both")
    said = listener.of("result/differential")[-1]
    assert (said.state, said.ended) == ("complete", "source ended")
    (change,) = said.changes
    assert change.what == "counting was resumed"
    assert "with --resume; it was complete, 12 fields with 12 cells of replay-" in change.why
    assert run(second) == 0, "the same source once more adds nothing, and needs no word"
    refused(config, "of another source")


@pytest.mark.usefixtures("broker")
def test_what_is_signed_takes_more_only_with_resume_and_is_then_to_be_signed_again(config, images, other):
    assert run(config) == 0
    orders = Orders(Path(config.store.path), by_command=False, target=200)
    orders.sign(SignSpecimen(operator="M1", reason="few cells"))
    second = changed(config, "camera", paths=(str(other),))
    refused(second, "final, signed by M1")
    assert run(second, resume=True, camera=lambda c: Interrupted(c, after=2)) == 0
    with pytest.raises(SpecimenError, match="is still counted"):
        orders.sign(SignSpecimen(operator="M2", reason="few cells"))
    assert run(second) == 0, "interrupted, it goes on without a word"
    found, counted = specimen(config)
    assert (found.state, found.signature, counted) == ("corrected", None, (17, 17))
    assert [change.what for change in found.changes] == ["counting was resumed", "fields were added"]
    # The same folder, with a picture more than when it was complete.
    draw(other, 1, start=90)
    refused(second, "now there is a picture that it has not")
    assert run(second, resume=True) == 0
    assert specimen(config)[1] == (18, 18)
    assert images.is_dir()


@pytest.mark.usefixtures("broker")
def test_a_folder_whose_pictures_were_exchanged_while_it_was_interrupted_is_another_patient(
    config,
    images,
    other,
):
    assert run(config, camera=lambda c: Interrupted(c, after=4)) == 0
    for path in images.iterdir():
        path.unlink()
    for path in other.iterdir():
        path.rename(images / f"{int(path.stem) - 60:03}.png")
    refused(config, "its source begins with another picture now")
    assert run(config, resume=True) == 0
    found, counted = specimen(config)
    assert (found.state, counted) == ("complete", (9, 9))
    assert "of the same source" in found.changes[0].why


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (
            lambda s: s.ledger.begin_source("S") and s.ledger.discard("clotted", "S"),
            "was discarded .clotted.",
        ),
        (lambda s: s.ledger.start("S", target=1, wbc_count=None, resume=False), "by command: give another"),
    ],
)
def test_what_no_run_may_add_to(config, prepare, sentence):
    with Store.open(Path(config.store.path)) as store:
        prepare(store)
    refused(config, sentence)
    refused(config, sentence, resume=True)


def test_a_kill_at_any_moment_changes_nothing_of_whose_pictures_are_counted(
    tmp_path,
    config,
    images,
    other,
    broker,
    listen,
):
    """Slide one killed, slide two refused, slide two resumed and killed: each picture once, and all shown."""
    draw(images, 18, start=12)
    draw(other, 25, start=65)
    listener, log, rng = listen(broker), tmp_path / "log", random.Random(18)  # noqa: S311
    first = toml(changed(config, "camera", frames_per_second=60.0), tmp_path / "first.toml")
    second = toml(
        changed(config, "camera", paths=(str(other),), frames_per_second=60.0), tmp_path / "two.toml"
    )
    path = Path(config.store.path)

    def count() -> int:
        with contextlib.closing(sqlite3.connect(path, timeout=20)) as db:
            if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'fields'").fetchone():
                return 0
            return int(db.execute("SELECT count(*) FROM fields").fetchone()[0])

    def killed(command: list[str], file: Path, more: int) -> None:
        before = count() if path.exists() else 0
        with spawn(command, file, log) as daemon:
            wait_for(lambda: path.exists() and count() >= before + more, "fields", _LONG_S)
            time.sleep(rng.uniform(0, 0.1))
            daemon.kill()

    def ended(command: list[str], file: Path) -> int:
        with spawn(command, file, log) as daemon:
            return daemon.wait(_LONG_S)

    resume = [*SCRIPTED, "--resume"]
    killed(SCRIPTED, first, 3)
    assert ended(SCRIPTED, second) == 1, "the first one is half counted"
    killed(SCRIPTED, first, 3)
    assert ended(SCRIPTED, first) == 0
    before = all_of(path)
    for _ in range(2):
        assert ended(SCRIPTED, second) == 1
        assert all_of(path) == before
    killed(resume, second, 3)
    killed(SCRIPTED, second, 3)
    assert ended(SCRIPTED, second) == 0
    found, counted = specimen(config)
    assert (found.state, counted) == ("complete", (60, 60))
    assert [change.what for change in found.changes] == ["counting was resumed"]
    wait_for(lambda: listener.counted() == 60, "the count")
    assert "of another source. Give another specimen.id" in log.read_text()


@pytest.mark.usefixtures("broker")
def test_a_specimen_that_is_renamed_while_it_is_counted_stays_one(config, images):
    path = Path(config.store.path)
    orders = Orders(path, by_command=False, target=200)

    class Renaming(Interrupted):
        def read(self):
            if self._left == 6:
                orders.rename(RenameSpecimen(specimen_id="S", new_id="S-17"))
            return super().read()

    assert run(config, camera=lambda c: Renaming(c, after=9)) == 0
    assert run(config) == 0, "the configuration still has the former id"
    with Store.open(path) as store:
        (found,) = store.specimens()
        assert (found.specimen_id, found.state) == ("S-17", "complete")
        assert store.ledger.counted("S-17") == (12, 12)
        assert {each.specimen_id for each in store.fields("S-17")} == {"S-17"}
        assert [row.specimen_id for row in store.fields("S-17")].count("S-17") == 12
    assert [change.what for change in found.changes] == ["it was renamed from S"]
    assert images.is_dir()


def test_an_id_is_as_it_was_once_it_is_signed_and_never_anothers(tmp_path):
    path = tmp_path / "results.db"
    orders = Orders(path, by_command=True, target=1)
    with Store.open(path) as store:
        for name in ("Ward 5/bed", "B"):  # the first as release 0.1 took it
            store.ledger.begin_source(name)
            store.add(field(store.next_sequence(), cell(), specimen_id=name), name)
            store.finish_specimen(name)
    with pytest.raises(SpecimenError, match="there is a specimen B already"):
        orders.rename(RenameSpecimen(specimen_id="Ward 5/bed", new_id="B"))
    with pytest.raises(SpecimenError, match="there is no specimen C"):
        orders.rename(RenameSpecimen(specimen_id="C", new_id="D"))
    assert orders.rename(RenameSpecimen(specimen_id="Ward 5/bed", new_id="A-1")).specimen_id == "A-1"
    assert orders.sign(SignSpecimen(operator="M1", specimen_id="A-1")).state == "final"
    with pytest.raises(SpecimenError, match="was signed: its id stays"):
        orders.rename(RenameSpecimen(specimen_id="A-1", new_id="A-2"))
    with Store.open(path) as store:
        assert [one.specimen_id for one in store.specimens()] == ["A-1", "B"]
        assert store.ledger.unpublished()[-1][0] == "A-1", "the broker hears of it"


NEVER_A_NAME = "it goes out over MQTT, so it is never a name"


@pytest.mark.parametrize("wrong", ["Anna Müller", "ward/5", "a" * 65, "S 1"])
def test_an_id_that_may_be_a_name_is_refused_with_the_reason(tmp_path, capsys, wrong):
    file = tmp_path / "leukoscope.toml"
    camera = '[camera]\nkind = "simulated"\n'
    for text, key in (
        (f'{camera}[specimen]\nid = "{wrong}"\n', "specimen.id"),
        (f'device_id = "{wrong}"\n{camera}', "device_id"),
    ):
        file.write_text(text, encoding="utf-8")
        assert main(["config", "check", str(file)]) == 2
        said = capsys.readouterr().err
        assert key in said
        assert NEVER_A_NAME in said
        assert "^" not in said
    file.write_text(f'{camera}[specimen]\nlifecycle = "command"\n', encoding="utf-8")
    for order in (["start", wrong], ["rename", "S", wrong]):
        Store.open(tmp_path / "leukoscope.db").close()
        assert main(["specimen", *order, "--config", str(file)]) == 1
        assert NEVER_A_NAME in capsys.readouterr().err
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"specimen_id": wrong}, StartSpecimen)


@pytest.mark.usefixtures("broker")
def test_below_the_target_a_signature_has_a_reason_which_is_kept_and_shown(config, capsys, tmp_path):
    assert run(config) == 0
    file = str(toml(config, tmp_path / "device.toml"))
    sign = ["specimen", "sign", "--operator", "M1", "--config", file]
    assert main(sign) == 1
    assert "has 12 of 200 cells: give a reason" in capsys.readouterr().err
    assert specimen(config)[0].signature is None
    assert main([*sign, "--reason", "no more blood"]) == 0
    assert "final, signed by M1 because: no more blood" in capsys.readouterr().out
    assert main(["specimen", "show", "--config", file]) == 0
    assert "S: final, signed by M1 because: no more blood; 12 of 200 cells" in capsys.readouterr().out
    assert main(["specimen", "list", "--config", file]) == 0
    assert "signed because: no more blood" in capsys.readouterr().out


def test_a_drawn_slide_is_marked_wherever_it_is_seen(tmp_path, broker, listen, capsys):
    listener = listen(broker)
    config = Config(
        SimulatedConfig(cells=3),
        device_id="test-1",
        specimen=SpecimenConfig(id="S"),
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(host=broker.host, port=broker.port),
    )
    file = toml(config, tmp_path / "device.toml")
    log = tmp_path / "log"
    with spawn([sys.executable, "-m", "edge.cli", "run", "--config"], file, log) as daemon:
        assert daemon.wait(_LONG_S) == 0
    lines = log.read_text().splitlines()
    assert lines
    assert all(" SIMULATED " in line for line in lines), lines
    wait_for(lambda: listener.state("result/differential") == "complete", "the end")
    assert all(each.simulated for each in listener.fields().values())
    assert all(each.simulated for each in listener.of("result/differential"))
    assert main(["specimen", "sign", "--operator", "M1", "--reason", "few", "--config", str(file)]) == 0
    assert "signed by M1 because: few (a simulated slide: no blood)" in capsys.readouterr().out
    assert main(["specimen", "show", "--json", "--config", str(file)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["simulated"], said["signature"]["simulated"]) == (True, True)
    for command in (["specimen", "list"], ["specimen", "show"], ["results", "list"]):
        assert main([*command, "--config", str(file)]) == 0
        assert "SIMULATED" in capsys.readouterr().out
    assert main(["results", "export", "--config", str(file)]) == 0
    exported = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert exported
    assert all(each["simulated"] for each in exported)


def test_blood_is_not_called_simulated(config, listen, broker):
    listener = listen(broker)
    assert run(config) == 0
    wait_for(lambda: listener.state("result/differential") == "complete", "the end")
    assert not any(each.simulated for each in listener.fields().values())
    assert not any(each.simulated for each in listener.of("result/differential"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (7.2, 7.2),
        ("7.2", 7.2),
        ("7,2", 7.2),
        (" 7,25 10^9/L ", 7.25),
        ("7.2 x10⁹/l", 7.2),
        ("7,2 G/L", 7.2),
        ("7.2 10^3/µL", 7.2),
        ("7,2 K/uL", 7.2),
        ("7200/uL", 7.2),
        ("7200 /µL", 7.2),
        ("7200 per microlitre", 7.2),
        ("7200/mm3", 7.2),
        ("850/μL", 0.85),
    ],
)
def test_a_total_white_count_as_people_write_it(given, expected):
    assert read_wbc_count(given) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("given", "instead"),
    [
        ("7200", "write 7200/uL"),
        (7200, "write 7200/uL"),
        ("7,200/uL", "write it as 7200/uL"),
        ("7.2.1", "write it as 7.2 or 7,2"),
        ("seven", "write it as 7.2 or 7,2"),
        ("7.2 mg/dl", "write it as 7.2 or 7,2"),
        ("-7", "write it as"),
        ("\u0667\u0660\u0660", "write it as 7.2 or 7,2"),  # 700 in Arabic digits, which have lost their unit
        ("\u09ed.\u09e8 10^9/L", "write it as 7.2 or 7,2"),
        ("0", "above 0"),
        (-1.0, "above 0"),
        (float("nan"), "above 0"),
    ],
)
def test_what_is_no_total_white_count_is_said_with_what_to_write(given, instead):
    with pytest.raises(ValueError, match=instead):
        read_wbc_count(given)


def test_a_total_white_count_is_kept_and_shown_with_its_unit(tmp_path, capsys):
    file = tmp_path / "leukoscope.toml"
    file.write_text('[camera]\nkind = "usb"\n', encoding="utf-8")
    assert main(["specimen", "start", "A", "--wbc-count", "7200/uL", "--config", str(file)]) == 0
    assert capsys.readouterr().out == "specimen A: open; 7.2 10^9/L white cells\n"
    assert main(["specimen", "show", "--config", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "total white count: 7.2 10^9/L" in shown
    rows = [line.split() for line in shown.splitlines()]
    assert ["neutrophil", "0", "-", "-", "-", "-"] in rows, "of no cells, nothing is known"
    assert main(["specimen", "show", "--json", "--config", str(file)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["wbc_count"], said["wbc_count_unit"]) == (7.2, "10^9/L")
    assert main(["specimen", "start", "B", "--wbc-count", "7,200/uL", "--config", str(file)]) == 1
    assert "write it as 7200/uL" in capsys.readouterr().err


def test_who_orders_it_is_kept_with_a_specimen_whoever_it_was_asked_of(tmp_path, capsys):
    file = tmp_path / "device.toml"
    file.write_text('[camera]\nkind = "usb"\n[store]\npath = "results.db"\n', encoding="utf-8")
    for order in (
        ("start", "A", "--operator", "mt.01"),
        ("stop", "--operator", "mt.02"),
        ("rename", "A", "B", "--operator", "mt.03"),
        ("discard", "B", "--reason", "mixed up", "--operator", "mt.04"),
    ):
        assert main(["specimen", *order, "--config", str(file)]) == 0
    capsys.readouterr()
    assert main(["specimen", "history", "B", "--config", str(file)]) == 0
    told = capsys.readouterr().out
    places = [told.index(f"mt.0{number}") for number in (1, 2, 3, 4)]
    assert places == sorted(places)
    path = tmp_path / "results.db"
    orders = Orders(path, by_command=True, target=200)
    sent = b'{"specimen_id": "C", "operator": "dr.5", "correlation_id": "c"}'
    order = msgspec.json.decode(sent, type=StartSpecimen)
    orders.handlers()["specimen/start"](order)
    with Store.open(path) as store:
        assert [each.operator for each in store.ledger.events("C")] == ["dr.5"]
    assert main(["specimen", "stop", "--operator", "Jane Doe", "--config", str(file)]) == 1
    assert "operator: " in capsys.readouterr().err


def test_a_total_white_count_may_come_later_until_the_specimen_is_signed(tmp_path, capsys):
    file = tmp_path / "device.toml"
    file.write_text('[camera]\nkind = "usb"\n[store]\npath = "results.db"\n', encoding="utf-8")
    path = tmp_path / "results.db"
    orders = Orders(path, by_command=True, target=1)
    orders.start(StartSpecimen(specimen_id="A", wbc_count="72"))
    with Store.open(path) as store:
        store.add(field(store.next_sequence(), cell(), specimen_id="A"))

    def give(*count: str) -> int:
        return main(["specimen", "wbc-count", "A", *count, "--operator", "mt.01", "--config", str(file)])

    def shown() -> dict:
        assert main(["specimen", "show", "A", "--json", "--config", str(file)]) == 0
        return msgspec.json.decode(capsys.readouterr().out)

    assert give("7200/uL") == 0
    capsys.readouterr()
    said = shown()
    assert said["wbc_count"] == 7.2
    assert [row["absolute"]["value"] for row in said["classes"] if row["count"]] == [7.2]
    (change,) = said["changes"]
    assert (change["what"], change["operator"]) == ("its total white count is 7.2 10^9/L", "mt.01")
    revision = said["revision"]
    assert give("blood") == 1
    assert "write it as 7.2" in capsys.readouterr().err
    assert shown()["revision"] == revision
    assert orders.set_wbc_count(SetWbcCount(specimen_id="A", wbc_count=None)).wbc_count is None
    orders.stop(StopSpecimen())
    orders.sign(SignSpecimen(operator="M1"))
    with pytest.raises(SpecimenError, match="was signed: its total white count stays"):
        orders.set_wbc_count(SetWbcCount(specimen_id="A", wbc_count=7.2))
    with pytest.raises(SpecimenError, match="there is no specimen B"):
        orders.set_wbc_count(SetWbcCount(specimen_id="B", wbc_count=7.2))
    assert main(["specimen", "history", "A", "--config", str(file)]) == 0
    assert "total white count was taken back" in " ".join(capsys.readouterr().out.split())
