"""The process of a peer: it loads what the peer wants, and answers one call after the other with its time.

A line of JSON each way. In: the number of a picture. Out, once it is loaded: `Ready`, or why it is not; then
an `Answer` a call. What the peer's libraries print goes to the log and disturbs nobody.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import Struct

from benchmarks.timing import timed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class Job(Struct, frozen=True):
    """What a peer is to work on.

    model: a bundle. files: pictures. crops: a .npy file, uint8 RGB (n, 120, 120, 3). variant: which form of
    the peer, where it has several. folder: where it may write.
    """

    model: str
    files: tuple[str, ...]
    crops: str
    threads: int
    variant: str
    folder: str

    def read_crops(self) -> NDArray[np.uint8]:
        """Return the crops."""
        crops: NDArray[np.uint8] = np.load(self.crops)
        return crops


class Ready(Struct, frozen=True):
    """The peer has given its first answer.

    version: of its library. first_s: from the process's start, what it had to convert left out.
    missing: what is not installed. failed: why it does not run.
    """

    version: str = ""
    first_s: float = 0.0
    missing: str | None = None
    failed: str | None = None


class Answer(Struct, frozen=True):
    """One call: seconds, wall and processor; the class's number where the network is ours, else -1.

    peak_rss_mib: of the process so far.
    """

    wall_s: float
    cpu_s: float
    label: int
    peak_rss_mib: float


class Loaded(Struct, frozen=True):
    """What a peer's loader gives: a call that takes a picture's number and gives the class's.

    spent_s: what it took for what a user does once and not at every start, as converting the network.
    """

    call: Callable[[int], int]
    version: str
    spent_s: float = 0.0


def serve(load: Callable[[Job], Loaded]) -> None:
    """Be the process: read the job named on the command line, load, and answer until the input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(what: Struct) -> None:
        out.write(msgspec.json.encode(what).decode() + "\n")
        out.flush()

    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Job)
    try:
        peer = load(job)
        peer.call(0)
    except ImportError as error:
        say(Ready(missing=error.name or str(error)))
        return
    except Exception as error:  # noqa: BLE001 (whatever a library raises, it is named and left out)
        say(Ready(failed=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"))
        return
    say(Ready(peer.version, _age_s() - peer.spent_s))
    for line in sys.stdin:
        labels: list[int] = []
        spent = timed(partial(_kept, labels, peer.call, int(line)))
        say(Answer(spent.wall_s, spent.cpu_s, labels[0], _peak_rss_mib()))


def _kept(labels: list[int], call: Callable[[int], int], number: int) -> None:
    labels.append(call(number))


def _age_s() -> float:
    """Return how long ago this process was started."""
    begun = int(Path("/proc/self/stat").read_text("utf-8").rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - begun / os.sysconf("SC_CLK_TCK")


def _peak_rss_mib() -> float:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
