"""A broker for one demo, on this machine only: mosquitto if it is there, else one in Python."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

from edge.errors import BrokerError

_START_S = 20.0


class LocalBroker:
    """Runs from `with` to its end, on a free port of the loopback interface.

    port, protocol: how to reach it. description: what it is, for people. Raises BrokerError on entering.
    """

    def __init__(self) -> None:
        self.port = _free_port()
        # Debian has it in /usr/sbin, which is not on every user's path.
        path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
        self._mosquitto = shutil.which("mosquitto", path=path)
        self.protocol = "5" if self._mosquitto else "3.1.1"
        self.description = "mosquitto" if self._mosquitto else "the embedded broker (amqtt)"
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        if self._mosquitto is None and importlib.util.find_spec("amqtt") is None:
            raise BrokerError(
                "the demo needs an MQTT broker: type 'sudo apt-get install mosquitto', "
                "or 'pip install amqtt' for an embedded one"
            )
        if self._mosquitto:
            self._folder = tempfile.TemporaryDirectory(prefix="leukoscope-broker-")
            folder = Path(self._folder.name)
            folder.chmod(0o755)  # started as root, mosquitto drops to its own user before it reads
            config = folder / "mosquitto.conf"
            config.write_text(
                f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n", "ascii"
            )
            command = [self._mosquitto, "-c", str(config)]
        else:
            command = [sys.executable, "-m", "edge.demo.embedded_broker", str(self.port)]
        self._process = subprocess.Popen(  # noqa: S603 (found by which, or our own interpreter)
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._folder is not None:
            self._folder.cleanup()

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None  # noqa: S101
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise BrokerError(f"{self.description} ended at once with status {self._process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise BrokerError(f"{self.description} did not answer on port {self.port} within {_START_S:.0f} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
