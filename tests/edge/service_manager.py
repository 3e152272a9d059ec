"""systemd's side of the socket, for a daemon that a test runs."""

from __future__ import annotations

import os
import socket
import subprocess
import time

from daemons import REPOSITORY, SCRIPTED


class Manager:
    """Systemd's end of the socket."""

    def __init__(self, folder) -> None:
        self.path = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.setblocking(False)
        self.heard: list[tuple[float, str]] = []

    def hear(self) -> list[str]:
        while True:
            try:
                self.heard.append((time.monotonic(), self._socket.recv(4096).decode()))
            except BlockingIOError:
                return [text for _, text in self.heard]

    def close(self) -> None:
        self._socket.close()


def spawn(path, manager, log, command=SCRIPTED, **more):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "NOTIFY_SOCKET": manager.path, **more}
    with log.open("ab") as stderr:
        return subprocess.Popen([*command, str(path)], cwd=REPOSITORY, env=environment, stderr=stderr)
