"""Inside the daemon, in the boot test only: hang when told, and tell what this very process can see and do.

Loaded by a .pth file. Where the daemon does not speak to systemd itself, it does so in its place.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

STATE = Path("/var/lib/leukoscope")
DEVICES = ("video0", "media0", "vda", "kmsg", "mem", "ttyS0", "fuse", "rtc0", "vhost-net", "watchdog0")


def can_open(path: str, flags: int) -> bool:
    try:
        os.close(os.open(path, flags | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def files(top: str) -> list[str]:
    return sorted(str(Path(folder) / name) for folder, _, names in os.walk(top) for name in names)


def writable() -> list[str]:
    """Return the folders in which this process can make a file."""
    found = []
    for folder, below, _ in os.walk("/"):
        if folder == "/":
            below[:] = [name for name in below if name not in {"proc", "sys", "dev"}]
        name = os.path.join(folder, ".probe")  # noqa: PTH118 (a walk over all there is)
        if can_open(name, os.O_CREAT | os.O_WRONLY):
            os.unlink(name)  # noqa: PTH108
            found.append(folder)
    return found


def has_socket(family: int, kind: int) -> bool:
    try:
        socket.socket(family, kind).close()
    except OSError:
        return False
    return True


def report() -> dict:
    return {
        "uid": os.getuid(),
        "status": [
            line
            for line in Path("/proc/self/status").read_text().splitlines()
            if line[:3] in {"Cap", "NoN", "Sec"}
        ],
        "devices": [name for name in DEVICES if can_open(f"/dev/{name}", os.O_RDWR)],
        "etc": sorted(os.listdir("/etc")),  # noqa: PTH208
        "var": files("/var"),
        "secrets": [
            top for top in ("/etc", "/var/lib", "/home", "/boot") if can_open(f"{top}/secret", os.O_RDONLY)
        ],
        "credentials": {path: Path(path).read_text() for path in files("/run/credentials")},
        "hidden": [
            path
            for path in ("/etc/shadow", "/etc/credstore", "/root", "/srv", "/boot")
            if can_open(path, os.O_RDONLY)
        ],
        "writable": writable(),
        "processes": [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()],  # noqa: PTH208
        "packet_socket": has_socket(socket.AF_PACKET, socket.SOCK_RAW),
        "raw_socket": has_socket(socket.AF_INET, socket.SOCK_RAW),
    }


def notify(text: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
        there.send(text)


def wrap() -> None:
    from edge.daemon.pipeline import Pipeline

    take = Pipeline.take
    stand_in = not any(
        b"NOTIFY_SOCKET" in path.read_bytes()
        for path in Path(sys.modules["edge"].__file__).parent.rglob("*.py")
    )

    def probed(self, frame):
        if (STATE / "hang").exists():
            (STATE / "hang").unlink()
            while True:
                time.sleep(60)
        take(self, frame)
        if (STATE / "ask").exists():
            (STATE / "answer.new").write_text(json.dumps(report()))
            (STATE / "answer.new").rename(STATE / "answer")
            (STATE / "ask").unlink()
        if stand_in:
            notify(b"READY=1\nWATCHDOG=1")

    Pipeline.take = probed


def wait_and_wrap() -> None:
    while "edge.daemon.pipeline" not in sys.modules or not hasattr(
        sys.modules["edge.daemon.pipeline"], "Pipeline"
    ):
        time.sleep(0.005)
    wrap()


if "NOTIFY_SOCKET" in os.environ and importlib.util.find_spec("edge") is not None:
    threading.Thread(target=wait_and_wrap, daemon=True).start()
