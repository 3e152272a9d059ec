from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from daemons import COMMAND, SCRIPTED, Interrupted, changed, draw, run, spawn, stored, toml
from mqtt_partners import PATIENCE_S, wait_for

from edge import identity
from edge.cameras import open_camera
from edge.config import SHIPPED_MODEL, ReplayConfig
from edge.daemon import process
from edge.daemon.housekeeping import Housekeeping
from edge.daemon.process import TRY_LATER, Daemon
from edge.errors import BundleError, CameraError, StoreError
from edge.store import fields as store_module
from edge.store.fields import Store


def test_a_replay_from_start_to_end(config, broker, listen):
    listener = listen(broker)
    assert run(config) == 0
    wait_for(lambda: listener.state("status") == "offline", "the end")
    fields = list(listener.fields().values())
    assert [f.source for f in fields] == [f"images/{n:03}.png" for n in range(12)]
    assert [f.sequence for f in fields] == list(range(1, 13))
    assert not any(f.historical for f in fields)
    ids = [f.field_id for f in fields] + [c.cell_id for f in fields for c in f.cells]
    assert len(set(ids)) == 24
    assert fields == stored(config)
    final = listener.of("result/differential")[-1]
    assert (final.state, final.specimen_id, final.fields, final.counted) == ("complete", "S", 12, 12)
    assert {c.label: c.count for c in final.classes if c.count} == Counter(f.cells[0].label for f in fields)
    assert final.not_assessed == ("basophil",)
    assert {"cmd/ping", "cmd/specimen/start"} <= set(listener.of("info")[0].capabilities)


def test_a_second_run_finds_nothing_new_and_says_complete_again(config, broker, listen):
    assert run(config) == 0
    listener = listen(broker)
    assert run(config) == 0
    wait_for(lambda: [s.state for s in listener.of("status")][-2:] == ["online", "offline"], "the end")
    assert not listener.fields()
    assert len(stored(config)) == 12
    assert {(d.state, d.counted) for d in listener.of("result/differential")} == {("complete", 12)}


def test_running_and_preliminary(config, broker, listen):
    listener = listen(broker)
    assert run(changed(config, "specimen", target=5), camera=lambda c: Interrupted(c, after=9)) == 0
    wait_for(lambda: listener.counted() == 9, "the count")
    states = [(d.state, d.counted) for d in listener.of("result/differential")]
    assert all(state == ("running" if counted < 5 else "preliminary") for state, counted in states)


class Patient:
    """A replay that shows its last frame and then nothing, without an end, until it is told to end."""

    def __init__(self, config: ReplayConfig, until) -> None:
        self._replay = open_camera(config)
        self._until = until

    def read(self):
        frame = self._replay.read()
        if frame is None:
            self._until()
        return frame

    def close(self) -> None:
        self._replay.close()


def test_the_count_of_fields_that_came_fast_follows_when_no_more_come(config, broker, listen):
    listener = listen(broker)

    def until() -> None:
        wait_for(lambda: listener.counted() == 12, "the count of all fields, while the source is still there")
        states.append(listener.state("result/differential"))

    states: list[str] = []
    assert run(config, camera=lambda c: Patient(c, until)) == 0
    assert states == ["running"]
    wait_for(lambda: listener.state("result/differential") == "complete", "the end")


def test_a_stopped_run_is_taken_up_where_it_was_left(config, broker, listen):
    config = changed(config, "specimen", id="")
    listener = listen(broker)
    assert run(config, camera=lambda c: Interrupted(c, after=4)) == 0
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert run(config) == 0
    wait_for(lambda: len(listener.fields()) == 12, "the rest")
    wait_for(lambda: listener.state("result/differential") == "complete", "the end")
    assert len({f.specimen_id for f in listener.fields().values()}) == 1
    assert listener.of("result/differential")[-1].counted == 12


def test_without_a_specimen_id_the_same_images_are_one_specimen_and_others_another(
    config, broker, listen, images, tmp_path
):
    config = changed(config, "specimen", id="")
    listener = listen(broker)
    assert run(config) == 0
    assert run(config) == 0
    with Store.open(Path(config.store.path)) as store:
        (specimen,) = store.specimens()
        assert len(list(store.fields(specimen.specimen_id))) == 12, "the second run analyses nothing anew"
    other = tmp_path / "other"
    other.mkdir()
    (images / "000.png").rename(other / "000.png")
    assert run(changed(config, "camera", paths=(str(other),))) == 0
    wait_for(lambda: len(listener.fields()) == 13, "the other folder's field")
    assert len({f.specimen_id for f in listener.fields().values()}) == 2


def test_unreadable_pictures_are_named_and_passed_over(config, broker, listen, images, caplog):
    (images / "005a.png").write_bytes(b"not a picture")
    (images / "007a.png").write_bytes((images / "007.png").read_bytes()[:60])
    listener = listen(broker)
    assert run(config) == 1
    wait_for(lambda: listener.state("result/differential") == "complete", "the end")
    assert len(listener.fields()) == 12
    warnings = [r.getMessage() for r in caplog.records if r.name == "edge.daemon.frames"]
    assert [Path(w.split(":")[0]).name for w in warnings] == ["005a.png", "007a.png"]


def test_no_readable_picture_at_all(config, broker, listen, images, caplog):
    for path in images.iterdir():
        path.write_bytes(b"")
    listener = listen(broker)
    assert run(config) == 1
    assert "no frame could be read" in caplog.text
    wait_for(lambda: listener.of("result/differential"), "the empty count")
    assert listener.of("result/differential")[-1].state == "running"


def test_without_a_broker_everything_is_kept_and_delivered_by_the_next_run(
    config, idle_broker, listen, caplog, monkeypatch
):
    assert run(changed(config, "mqtt", drain_s=0.2)) == 3
    sentence = (
        f"12 results are kept in {config.store.path} for the next run to send: broker"
        f" 127.0.0.1:{idle_broker.port}: nothing answers there; is the broker running, and are mqtt.host and"
        " mqtt.port right?"
    )
    assert sentence in caplog.messages
    assert len(stored(config)) == 12
    idle_broker.start()
    listener = listen(idle_broker)
    monkeypatch.setattr(identity, "RUN_ID", "another process")
    assert run(config) == 0
    wait_for(lambda: len(listener.fields()) == 12, "what was kept")
    assert all(f.historical for f in listener.fields().values())
    wait_for(lambda: listener.state("result/differential") == "complete", "the count")


def test_a_broken_model_touches_nothing(config):
    def load(_config):
        raise BundleError("x.tflite: is damaged")

    with pytest.raises(BundleError):
        Daemon(config, load=load).run()
    assert not Path(config.store.path).exists()


def test_a_camera_that_fails_is_an_error_after_what_it_gave_was_delivered(config, broker, listen):
    listener = listen(broker)
    with pytest.raises(CameraError, match="unplugged"):
        run(config, camera=lambda c: Interrupted(c, after=5, error=CameraError("unplugged")))
    wait_for(lambda: len(listener.fields()) == 5, "what it gave")
    assert listener.of("result/differential")[-1].state == "running"


def test_a_full_disk_ends_it_and_loses_nothing(config, broker, listen, monkeypatch):
    real = store_module.Store.add

    def add(store, field, *also):
        if field.sequence > 7:
            raise StoreError("results.db: the result store cannot be written: database or disk is full")
        return real(store, field, *also)

    listener = listen(broker)
    with monkeypatch.context() as full:
        full.setattr(store_module.Store, "add", add)
        with pytest.raises(StoreError, match="full"):
            run(config)
    wait_for(lambda: len(listener.fields()) == 7, "what was stored")
    assert run(config) == 0
    wait_for(lambda: len(listener.fields()) == 12, "the rest")


def test_no_field_is_heard_of_before_it_is_on_the_disk(config, broker, listen, monkeypatch):
    real = store_module.Store.transaction
    listener = listen(broker)
    seen = []

    @contextmanager
    def transaction(store):
        with real(store):
            yield
            time.sleep(0.05)  # a slow disk
            seen.append((len(listener.fields()), len(stored(config))))

    with monkeypatch.context() as slow:
        slow.setattr(store_module.Store, "transaction", transaction)
        assert run(config) == 0
    assert seen
    assert all(heard <= on_disk for heard, on_disk in seen)
    wait_for(lambda: len(listener.fields()) == 12, "all of them")


@pytest.mark.usefixtures("broker")
def test_a_picture_that_comes_again_while_it_waits_for_the_disk_counts_once(tmp_path, config, monkeypatch):
    twice = [tmp_path / side / "slide" for side in ("left", "right")]
    for folder in twice:
        folder.parent.mkdir()
        draw(folder, 1)
    real = store_module.Store.add

    def add(store, *field):
        time.sleep(0.2)  # a slow disk
        return real(store, *field)

    monkeypatch.setattr(store_module.Store, "add", add)
    assert run(changed(config, "camera", paths=tuple(map(str, twice)))) == 0
    assert len(stored(config)) == 1


def test_the_clock_may_be_set_while_a_field_waits_for_the_disk(config, tmp_path, monkeypatch):
    draw(tmp_path / "one", 1)
    real = store_module.Store.add
    ahead_s = [3600.0]
    monkeypatch.setattr(identity, "clock_synced", lambda: not ahead_s[0])
    monkeypatch.setattr(identity, "clock_offset_s", lambda: time.time() - time.monotonic() + ahead_s[0])

    def add(store, *field):
        ahead_s[0] = 0.0
        return real(store, *field)

    monkeypatch.setattr(store_module.Store, "add", add)
    assert run(changed(changed(config, "camera", paths=(str(tmp_path / "one"),)), "mqtt", drain_s=0.0)) == 3
    (before,) = stored(config)
    assert not before.clock_synced
    with Store.open(Path(config.store.path)) as store:
        Housekeeping(config.store, store).tidy()
    (after,) = stored(config)
    assert after.clock_synced
    assert 3599 < (before.captured_at - after.captured_at).total_seconds() < 3601


@pytest.mark.usefixtures("broker")
def test_a_second_daemon_on_the_same_store_is_refused(config):
    class Nested(Interrupted):
        def read(self):
            with pytest.raises(StoreError, match="in use"):
                run(config)
            return super().read()

    assert run(config, camera=lambda c: Nested(c, after=1)) == 0


def test_killed_at_any_moment_each_picture_is_stored_once_and_arrives(
    tmp_path, config, broker, listen, images
):
    draw(images, 48, start=12)
    listener = listen(broker)
    path = toml(config, tmp_path / "device.toml")
    rng = random.Random(5)  # noqa: S311
    for enough in (4, 17, 30, 43):
        with spawn(SCRIPTED, path, tmp_path / "log") as daemon:
            wait_for(lambda enough=enough: len(listener.fields()) >= enough, f"{enough} fields")
            time.sleep(rng.uniform(0, 0.02))
            daemon.kill()
    wait_for(lambda: listener.state("status") == "offline", "the will")
    with spawn(SCRIPTED, path, tmp_path / "log") as daemon:
        assert daemon.wait(PATIENCE_S) == 0
    fields = stored(config)
    assert sorted(f.source for f in fields) == [f"images/{n:03}.png" for n in range(60)]
    wait_for(lambda: len(listener.fields()) == 60, "all fields")
    assert set(listener.fields()) == {f.field_id for f in fields}
    wait_for(lambda: listener.state("result/differential") == "complete", "the end")
    final = listener.of("result/differential")[-1]
    assert (final.fields, final.counted) == (60, 60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_even_between_two_slow_frames(tmp_path, config, broker, listen, number):
    listener = listen(broker)
    slow = changed(config, "camera", frames_per_second=0.01)
    with spawn(SCRIPTED, toml(slow, tmp_path / "device.toml"), tmp_path / "log") as daemon:
        wait_for(listener.fields, "the first field")
        daemon.send_signal(number)
        assert daemon.wait(5) == 0
    wait_for(lambda: listener.state("status") == "offline", "the farewell")
    assert listener.of("result/differential")[-1].state == "running"
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log


@pytest.mark.skipif(not SHIPPED_MODEL.is_file(), reason="no model bundle in the tree")
def test_the_real_command_killed_and_run_again(tmp_path, config, broker, listen, images):
    draw(images, 60, start=12)
    listener = listen(broker)
    path = toml(config, tmp_path / "device.toml")
    with spawn(COMMAND, path, tmp_path / "log") as daemon:
        wait_for(lambda: len(listener.fields()) >= 10, "10 fields")
        daemon.kill()
    with spawn(COMMAND, path, tmp_path / "log") as daemon:
        assert daemon.wait(PATIENCE_S) == 0, (tmp_path / "log").read_text()
    fields = stored(config)
    assert sorted(f.source for f in fields) == [f"images/{n:03}.png" for n in range(72)]
    wait_for(lambda: len(listener.fields()) == 72, "all fields")
    assert set(listener.fields()) == {f.field_id for f in fields}


@pytest.mark.parametrize(
    ("lines", "mqtt", "sentence"),
    [
        (["acl_file {}/acl"], {"protocol": "3.1.1"}, "it takes this device's messages and drops them"),
        (["acl_file {}/acl"], {}, "it does not let this device write to leukoscope/test-1/"),
        (["retain_available false"], {}, "it keeps no retained messages; set mqtt.retain = false"),
    ],
)
def test_a_broker_that_takes_nothing_is_exit_status_3_and_said(
    config, idle_broker, caplog, lines, mqtt, sentence
):
    (idle_broker.folder / "acl").write_text("topic read nothing\n")
    (idle_broker.folder / "acl").chmod(0o644)
    idle_broker.start(*(line.format(idle_broker.folder) for line in lines))
    assert run(changed(config, "mqtt", drain_s=5.0, **mqtt)) == 3
    assert any("12 results are kept" in message and sentence in message for message in caplog.messages)


@pytest.mark.skipif(not SHIPPED_MODEL.is_file(), reason="no model bundle in the tree")
def test_the_real_command_needs_no_standard_output(tmp_path, config):
    path = toml(changed(config, "mqtt", drain_s=0.0), tmp_path / "device.toml")
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, str(path)]
    ended = subprocess.run(closed, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 3, ended.stderr
    assert "12 results are kept" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(("camera", "status"), [("live", TRY_LATER), ("images", 1)])
def test_what_nobody_foresaw_is_tried_again_where_nobody_stands_beside_it(
    tmp_path, monkeypatch, caplog, camera, status
):
    text = (
        'kind = "usb"\ndevice = "/dev/video0"'
        if camera == "live"
        else f'kind = "replay"\npaths = ["{tmp_path}"]'
    )
    path = tmp_path / "device.toml"
    path.write_text(f'[camera]\n{text}\n[store]\npath = "{tmp_path}/results.db"\n', encoding="utf-8")

    def fail(*_):
        raise ValueError("nobody foresaw this")

    monkeypatch.setattr(process.Daemon, "run", fail)
    assert process.run_daemon(path) == status
    assert "nobody foresaw this" in caplog.text
