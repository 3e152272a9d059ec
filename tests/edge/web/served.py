"""The page as it is served: a process of its own on a port, and a client that sends what it is told to."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from edge.people import People, people_file

PATIENCE_S = 150.0
PIN = "471193"
PEOPLE = (("ADA", "administrator"), ("REV", "reviewer"), ("OPE", "operator"))


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Served:
    """`leukoscope web` over a folder with a store. people: codes with their roles; all have the same PIN."""

    def __init__(
        self, folder: Path, people=(), *, host="127.0.0.1", more="", environment=None, camera='kind = "usb"'
    ):
        self.folder, self.port = folder, free_port()
        self.store = folder / "results.db"
        (folder / "run").mkdir(exist_ok=True)
        self.config = folder / "leukoscope.toml"
        self.config.write_text(
            f'[camera]\n{camera}\n[store]\npath = "results.db"\n'
            f'[web]\nhost = "{host}"\nport = {self.port}\npreview_dir = "run"\n{more}',
            encoding="utf-8",
        )
        self.people = People(people_file(self.store))
        for code, role in people:
            self.people.add(code, f"Name of {code}", role, PIN)
        self.log = folder / "web.log"
        self._environment = {**os.environ, **(environment or {})}
        self.start()

    def start(self):
        """Start the process, or start it again, and wait until it listens."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "edge.cli", "web", "--config", str(self.config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment)
        self._wait()

    def kill(self):
        """End the process as a power cut does."""
        self.process.kill()
        self.process.wait()

    def _wait(self):
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends:
            assert self.process.poll() is None, self.log.read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(self.log.read_text())

    def ask(self, method, path, body=None, *, cookie=None, headers=(), raw=None) -> Answer:
        """Ask once, on a connection of its own. body: JSON; raw: bytes, or pieces that are sent chunked."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        sent = {**dict(headers)}
        if cookie is not None:
            sent["Cookie"] = f"leukoscope={cookie}"
        if body is not None:
            raw = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, raw, sent, encode_chunked=not isinstance(raw, bytes | None))
            found = connection.getresponse()
            kept = {name.lower(): value for name, value in found.getheaders()}
            return Answer(found.status, kept, found.read())
        finally:
            connection.close()

    def sign_in(self, code, pin=PIN) -> str:
        """Return the token of a new session."""
        answer = self.ask("POST", "/api/v1/session", {"code": code, "pin": pin})
        assert answer.status == 200, answer
        return answer.headers["set-cookie"].partition("=")[2].partition(";")[0]

    def bytes_back(self, *pieces, pause_s=0.0, within_s=PATIENCE_S) -> bytes:
        """Send bytes as they are, and return all that comes until the other side ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=within_s) as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)
            found = b""
            while more := connection.recv(65536):
                found += more
            return found

    def memory_mb(self) -> float:
        """Return the process's resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
