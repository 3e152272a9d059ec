"""What the log of a run tells a person, from its first line to its last."""

from __future__ import annotations

import re
import shutil

from daemons import SCRIPTED, spawn, toml
from mqtt_partners import PATIENCE_S

from edge.daemon import run_log
from edge.daemon.health import Progress
from edge.daemon.run_log import RunLog
from edge.messages.differential import Change, Signature
from edge.specimens.words import specimen_in_words
from edge.store.specimen import Specimen, read_time

NOW = read_time("2026-05-01T08:00:00Z")


def test_a_run_says_what_it_counts_and_ends_with_one_line(tmp_path, config, broker, images):
    shutil.copy(images / "000.png", images / "x.png")
    (images / "y.png").write_bytes(b"no picture")
    log = tmp_path / "log"
    with spawn(SCRIPTED, toml(config, tmp_path / "device.toml"), log) as daemon:
        assert daemon.wait(3 * PATIENCE_S) == 1
    lines = log.read_text().splitlines()
    told = "\n".join(lines)
    for part in (
        "leukoscope 0.",
        "device test-1",
        f"camera: replay of {images}",
        "model: scripted 000000000000",
        f"results: {config.store.path}",
        f"broker: 127.0.0.1:{broker.port}, MQTT 5",
        f"broker 127.0.0.1:{broker.port}: connected",
        "specimen S",
        "specimen S: its source has ended, ",
        "y.png",
        "not counted: the same picture again (1), unreadable (1)",
    ):
        assert part in told, part
    assert re.search(r"12 fields, 12 cells counted, 12 delivered$", lines[-1])
    assert told.count(" delivered") == 1


def test_refusals_are_said_by_reason_once_a_minute_and_none_is_left_out(monkeypatch, caplog):
    caplog.set_level("INFO")
    now = 1000.0
    monkeypatch.setattr(run_log.time, "monotonic", lambda: now)
    progress = Progress()
    log = RunLog(progress)
    for second in range(150):
        now = 1000.0 + second
        progress.refused("too dark" if second % 3 else "blurred")
        log.refusals()
    assert caplog.messages == [
        "not counted: too dark (40), blurred (21)",
        "not counted: too dark (40), blurred (20)",
    ]
    log.ends(0, 0, "", None)
    assert caplog.messages[2:] == [
        "not counted: too dark (20), blurred (9)",
        "0 fields, 0 cells counted, 0 delivered",
    ]
    log.ends(0, 1, "r.db", "broker b:1: nothing answers there")
    assert (
        caplog.messages[-1]
        == "1 result is kept in r.db for the next run to send: broker b:1: nothing answers there"
    )


def test_how_a_specimen_stands_is_said_in_words():
    opened = Specimen("S-7", "open", "2026-05-01T08:00:00Z")
    signed = opened._replace(state="final", signature=Signature("K7", NOW))
    discarded = opened._replace(state="discarded", discarded=Change(NOW, "it was discarded", "clotted"))
    for specimen, cells, words in (
        (opened, 1, "counting, 1 cell so far"),
        (opened._replace(state="stopped"), 100, "stopped at 100 cells, waits for a signature"),
        (signed, 100, "signed by K7, 100 cells"),
        (discarded, 3, "discarded: clotted"),
    ):
        assert specimen_in_words(specimen, cells) == f"specimen S-7: {words}"
