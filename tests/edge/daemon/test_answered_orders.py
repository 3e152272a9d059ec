"""Orders and their answers, whatever ends the process or the connection in between."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from daemons import SCRIPTED, changed, spawn, toml
from mqtt_partners import PATIENCE_S, wait_for

from edge import identity
from edge.mqtt.commands import Commands
from edge.specimens.orders import Orders
from edge.store import command_log as answers_module
from edge.store.command_log import MOST, REMEMBERED_S, Answer
from edge.store.fields import Store

SOAK = os.environ.get("LEUKOSCOPE_SOAK") == "1"
ROUNDS = 60 if SOAK else 5
ROOT = "leukoscope/test-1"

pytestmark = pytest.mark.timeout(900 if SOAK else 180)


@pytest.fixture
def attended(config):
    return changed(config, "specimen", id="", lifecycle="command")


def order(name: str, **carried: object) -> tuple[str, bytes]:
    return f"{ROOT}/cmd/specimen/{name}", json.dumps(carried).encode()


def answers_to(listener, name: str, correlation: str) -> list:
    given = listener.of(f"response/specimen/{name}")
    return [answer for answer in given if answer.correlation_id == correlation]


def noted(path: Path) -> list[tuple[str, str]]:
    """Return what was ordered of which specimen, in order."""
    with contextlib.closing(sqlite3.connect(path)) as store:
        query = "SELECT specimen_id, kind FROM specimen_events WHERE kind <> 'added' ORDER BY number"
        return store.execute(query).fetchall()


class DeafLine:
    """A line to a broker that lets everything through but the device's answers, and all behind them."""

    def __init__(self, broker) -> None:
        self.held_back = threading.Event()
        self._broker = (broker.host, broker.port)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._socket.getsockname()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                device, _ = self._socket.accept()
                broker = socket.create_connection(self._broker)
                self._ends += [device, broker]
                threading.Thread(target=self._upwards, args=(device, broker), daemon=True).start()
                threading.Thread(target=self._downwards, args=(broker, device), daemon=True).start()

    def _upwards(self, device: socket.socket, broker: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := device.recv(65536):
                if b"/response/" in data:
                    self.held_back.set()
                if not self.held_back.is_set():
                    broker.sendall(data)

    @staticmethod
    def _downwards(broker: socket.socket, device: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := broker.recv(65536):
                device.sendall(data)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        for end in (self._socket, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def test_an_order_that_was_done_is_answered_after_the_kill_and_not_done_again(
    tmp_path, attended, broker, listen
):
    listener = listen(broker)
    start = order("start", specimen_id="S-7", correlation_id="a1")
    with contextlib.closing(DeafLine(broker)) as line:
        deaf = changed(attended, "mqtt", host=line.host, port=line.port)
        with spawn(SCRIPTED, toml(deaf, tmp_path / "deaf.toml"), tmp_path / "log") as daemon:
            wait_for(lambda: listener.state("status") == "online", "the birth")
            listener.send(*start)
            assert line.held_back.wait(PATIENCE_S)
            daemon.kill()
    assert not answers_to(listener, "start", "a1")
    with spawn(SCRIPTED, toml(attended, tmp_path / "device.toml"), tmp_path / "log") as daemon:
        wait_for(lambda: answers_to(listener, "start", "a1"), "the answer")
        listener.send(*start)
        wait_for(lambda: len(answers_to(listener, "start", "a1")) == 2, "the same answer")
        first, again = answers_to(listener, "start", "a1")
        assert first == again
        assert (first.ok, first.specimen.specimen_id, first.specimen.state) == (True, "S-7", "open")
        listener.send(*order("stop", correlation_id="a1"))
        wait_for(lambda: answers_to(listener, "stop", "a1"), "a refusal")
        assert "correlation id is that of another command" in answers_to(listener, "stop", "a1")[0].error
        daemon.terminate()
        assert daemon.wait(PATIENCE_S) == 0
    assert noted(Path(attended.store.path)) == [("S-7", "started")]
    with Store.open(Path(attended.store.path)) as store:
        assert not store.answers.unsent(), "the broker has it"


def test_whenever_it_is_killed_each_order_is_done_once_and_the_sender_learns_it(
    tmp_path, attended, broker, listen
):
    """The sender does what senders do: it asks again, under the same id, until it is answered."""
    listener, path = listen(broker), toml(attended, tmp_path / "device.toml")
    rng, done = random.Random(3), []  # noqa: S311
    daemon = spawn(SCRIPTED, path, tmp_path / "log")
    try:
        wait_for(lambda: listener.state("status") == "online", "the birth")
        for number in range(ROUNDS):
            name, state = (("start", "open"), ("stop", "stopped"))[number % 2]
            specimen = f"S-{number // 2}"
            asked = order(name, specimen_id=specimen, correlation_id=str(number))
            listener.send(*asked)
            time.sleep(rng.uniform(0, 0.05))
            daemon.kill()
            daemon.wait(PATIENCE_S)
            daemon = spawn(SCRIPTED, path, tmp_path / "log")
            deadline = time.monotonic() + 60
            while not answers_to(listener, name, str(number)) and time.monotonic() < deadline:
                listener.send(*asked)
                with contextlib.suppress(pytest.fail.Exception):
                    wait_for(lambda name=name, n=number: answers_to(listener, name, str(n)), "it", 1.0)
            told = answers_to(listener, name, str(number))
            assert told
            assert {(a.ok, a.specimen.specimen_id, a.specimen.state) for a in told} == {
                (True, specimen, state)
            }
            done.append((specimen, {"start": "started", "stop": "stopped"}[name]))
    finally:
        daemon.kill()
        daemon.wait(PATIENCE_S)
    assert noted(Path(attended.store.path)) == done


def test_an_order_that_fails_leaves_no_answer_and_one_that_cannot_be_noted_is_not_done(tmp_path, monkeypatch):
    path = tmp_path / "results.db"
    commands = Commands("d", Orders(path, by_command=True, target=200).handlers())
    with Store.open(path) as store:
        assert not commands.answer("specimen/stop", b'{"correlation_id": "1"}', kept=store.answers).ok
        assert store.answers.find("1") is None
        with monkeypatch.context() as broken:
            broken.setattr(identity, "boot_id", lambda: None)
            refused = commands.answer("specimen/start", b'{"specimen_id": "A", "correlation_id": "2"}')
        assert "cannot be written" in refused.error
        assert store.specimens() == []
        assert commands.answer("specimen/start", b'{"specimen_id": "A", "correlation_id": "2"}').ok
        assert [answer.correlation_id for answer in store.answers.unsent()] == ["2"]


def test_answers_are_few_and_forgotten_in_time_also_over_a_boot(tmp_path, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(answers_module.time, "monotonic", lambda: now)
    with Store.open(tmp_path / "results.db") as store:
        for number in range(MOST + 5):
            store.answers.keep(Answer(str(number), "ping", b"x", b"{}"))
        assert [answer.correlation_id for answer in store.answers.unsent()] == [
            str(number) for number in range(5, MOST + 5)
        ]
        now += REMEMBERED_S
        assert store.answers.find("9") == Answer("9", "ping", b"x", b"{}")
        now += 1
        assert store.answers.find("9") is None
        monkeypatch.setattr(identity, "boot_id", lambda: "the next one")
        now = REMEMBERED_S
        assert store.answers.find("9") is not None, "it may be that young"
        now += 1
        assert store.answers.find("9") is None
