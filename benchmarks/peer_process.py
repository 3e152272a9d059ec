"""Peers in processes of their own, called in turns with everything else.

TensorFlow, ONNX Runtime and MediaPipe bring their own OpenCV, threads and NumPy; in one process with the
device's code they would change what is measured, and one that crashes would take the run along.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec
import numpy as np

from benchmarks.peer_serving import Answer, Job, Ready
from benchmarks.timing import Spent
from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Peer:
    """A peer that may be there. module: of its process. extra: what installs it. variant: which form of it.

    whole_pictures: whether it takes pictures, and not crops. own_network: whether it runs the bundle's own
    network, so that its calls can be compared with ours.
    """

    name: str
    module: str
    extra: str
    variant: str = ""
    whole_pictures: bool = False
    own_network: bool = True


PEERS = (
    Peer("notebook way (Keras, GradientTape)", "peer_notebook", "bench-notebook", "", True, False),
    Peer("ONNX Runtime, float", "peer_onnx", "bench-onnx", "float"),
    Peer("ONNX Runtime, int8", "peer_onnx", "bench-onnx", "int8"),
    Peer("MediaPipe ImageClassifier", "peer_mediapipe", "bench-mediapipe"),
)


@dataclass(frozen=True)
class PeerFacts:
    """What a peer's process took, beside its calls: seconds to its first result, peak RSS in MiB.

    agreement: share of the crops that it calls as our runtime does; None where its network is another.
    """

    name: str
    version: str
    first_s: float
    peak_rss_mib: float
    agreement: float | None


class PeersMissingError(LeukoscopeError):
    """A peer is not installed, or does not run here. Its message says which and why."""


class PeerProcess:
    """One peer's process, from its first result to `close`. Raises PeersMissingError where it has none.

    python: the interpreter that has what the peer needs.
    """

    def __init__(self, peer: Peer, job: Job, python: Path) -> None:
        self.peer = peer
        self._labels: dict[int, int] = {}
        self._peak_rss_mib = 0.0
        name = f"{peer.module}-{peer.variant}"
        file = Path(job.folder) / f"{name}.json"
        file.write_bytes(msgspec.json.encode(msgspec.structs.replace(job, variant=peer.variant)))
        self._log = (Path(job.folder) / f"{name}.log").open("w+", encoding="utf-8", errors="replace")
        self._process: subprocess.Popen[str] = subprocess.Popen(  # noqa: S603 (an interpreter of the user's)
            [str(python), "-m", f"benchmarks.{peer.module}", str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        try:
            self._ready = msgspec.json.decode(self._line(), type=Ready)
            self._check()
        except BaseException:
            self.close()
            raise

    def call(self, number: int) -> Spent:
        """Let it work on a picture; give the time that it took, the way there and back left out."""
        assert self._process.stdin is not None  # noqa: S101
        try:
            self._process.stdin.write(f"{number}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PeersMissingError(self._last_words()) from None
        answer = msgspec.json.decode(self._line(), type=Answer)
        self._labels[number] = answer.label
        self._peak_rss_mib = answer.peak_rss_mib
        return Spent(answer.wall_s, answer.cpu_s)

    def facts(self, ours: Sequence[int]) -> PeerFacts:
        """Return what it took. ours: the classes that our runtime gave, by the crops' numbers."""
        agreement = None
        if self.peer.own_network and self._labels:
            same = sum(label == ours[number] for number, label in self._labels.items())
            agreement = round(same / len(self._labels), 4)
        return PeerFacts(
            self.peer.name,
            self._ready.version,
            round(self._ready.first_s, 2),
            round(self._peak_rss_mib, 1),
            agreement,
        )

    def close(self) -> None:
        """End it. Safe to call twice."""
        for end in (self._process.stdin, self._process.stdout):
            if end is not None:
                end.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _check(self) -> None:
        missing, name = self._ready.missing, self.peer.name
        if missing:
            way = f"pip install 'leukoscope[{self.peer.extra}]'"
            raise PeersMissingError(f"{name} ({missing} is not installed: {way})")
        if self._ready.failed:
            raise PeersMissingError(f"{name} ({self._ready.failed})")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            raise PeersMissingError(self._last_words())
        return line

    def _last_words(self) -> str:
        self._process.wait(timeout=10)
        self._log.seek(0)
        words = self._log.read().split("\n")
        last = next((line for line in reversed(words) if line.strip()), "it said nothing")
        return f"{self.peer.name} (its process ended with status {self._process.returncode}: {last[-200:]})"


def job_for(
    model: Path, picture: Path, crops: Sequence[NDArray[np.uint8]], *, threads: int, folder: Path
) -> Job:
    """Write the crops where the peers find them, and give what they are to work on."""
    file = folder / "peer-crops.npy"
    np.save(file, np.stack(crops))
    facts: dict[str, Any] = {"threads": threads, "variant": "", "folder": str(folder)}
    return Job(str(model.resolve()), (str(picture),), str(file), **facts)
