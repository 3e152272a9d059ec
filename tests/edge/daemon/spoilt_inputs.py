"""spoilt_inputs.py COUNT: read so many spoilt inputs of each kind; print the peak, MB.

A process of its own, so that what is measured is the reading, not who makes the inputs.
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from edge.cameras.image_files import read_image
from edge.config import SHIPPED_MODEL, load_config
from edge.errors import BundleError, ConfigError, UnreadableFrameError
from edge.models.bundle import read_bundle
from edge.mqtt.commands import Commands

CONFIG = b'device_id = "a"\n[camera]\nkind = "replay"\npaths = ["x"]\n[mqtt]\nport = 1883\n[mqtt.tls]\n'


def spoilt(good: bytes, rng: random.Random) -> bytes:
    """Cut it short, or put other bytes into it."""
    at = rng.randrange(len(good) + 1)
    if rng.random() < 0.3:
        return good[:at]
    new = rng.randbytes(rng.randrange(64))
    return good[:at] + new + good[at + len(new) :]


def main(count: int) -> None:
    """Read them all, and say how much memory that took at most."""
    rng = random.Random(1)  # noqa: S311
    picture = cv2.imencode(".png", np.full((40, 50, 3), 200, np.uint8))[1].tobytes()
    commands = Commands("d")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "f.png"
        for good, read, error in (
            (CONFIG, load_config, ConfigError),
            (SHIPPED_MODEL.read_bytes(), read_bundle, BundleError),
            (picture, read_image, UnreadableFrameError),
        ):
            for _ in range(count):
                file.write_bytes(spoilt(good, rng))
                with contextlib.suppress(error):
                    read(file)
        for number in range(count):
            commands.answer("ping", spoilt(b'{"correlation_id": "%d"}' % number, rng))
    # Not ru_maxrss: that of a child begins with what its parent had when it was forked off.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kb = int(status.split("VmHWM:")[1].split()[0])
    print(round(peak_kb / 1000, 1))  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]))
