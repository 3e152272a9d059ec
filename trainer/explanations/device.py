"""The int8 file's own answers and maps, on every runtime that is installed.

`python -m trainer.explanations.device MODEL OUTPUTS RUNTIME TURNS SECONDS CROPS ANSWERS` is the process
without TensorFlow in which a runtime answers: tflite-runtime cannot load beside it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import NoRuntimeError
from edge.models.runtime import RUNTIMES, Runtime, installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_GRACE = 30.0  # seconds for the process to start, and for the crop that it is at


@dataclass(frozen=True)
class Int8:
    """An int8 file: the flatbuffer, and the names of its output tensors by ours (logits, maps, ...).

    turns: in how many quarter turns each crop is looked at.
    """

    model: bytes
    outputs: Mapping[str, str]
    turns: int = 1

    @property
    def has_maps(self) -> bool:
        """Whether it gives the class activation maps of all classes."""
        return "maps" in self.outputs


@dataclass(frozen=True)
class Answered:
    """What one runtime answered to n crops. runtime: its name and version.

    logits: float32 (n, classes). maps: float32 (n, rows, columns, classes), or None from a file without maps.
    """

    runtime: str
    logits: NDArray[np.float32]
    maps: NDArray[np.float32] | None

    def called(self) -> NDArray[np.int64]:
        """Return the class of the highest logit, int64 (n,)."""
        return np.asarray(self.logits.argmax(axis=1), np.int64)

    def evidence(self, classes: NDArray[np.int64]) -> NDArray[np.float32]:
        """What speaks for one class each (n,), float32 (n, rows, columns): ReLU, as the device shows it.

        Raises ValueError where the file has no maps.
        """
        if self.maps is None:
            raise ValueError("the int8 file has no maps")
        return np.maximum(self.maps[np.arange(len(classes)), :, :, classes], 0)


def answer(
    int8: Int8, pixels: NDArray[np.uint8], seconds: float
) -> tuple[dict[str, Answered], tuple[str, ...]]:
    """Let every runtime that is installed answer crops, uint8 (n, 120, 120, 3), in a process of its own.

    Each stops when its share of these seconds is over, and has then answered the first m crops only, at least
    one. Gives distribution -> answers, and in a sentence each which runtimes answered nothing, and why.
    """
    usable = installed(in_new_process=True)
    troubles = [f"{name} is not usable here" for name in RUNTIMES if name not in usable]
    found = {}
    for name, version in usable.items():
        try:
            found[name] = _in_new_process(int8, pixels, name, version, seconds / len(usable))
        except NoRuntimeError as error:
            troubles.append(str(error))
    return found, tuple(troubles)


class Device:
    """The int8 file on the preferred runtime of this very process: as many questions as one likes."""

    def __init__(self, int8: Int8) -> None:
        """Raises NoRuntimeError where no runtime is usable beside TensorFlow."""
        names = [name for name in ("logits", "maps") if name in int8.outputs]
        self._all = Runtime(int8.model, {name: int8.outputs[name] for name in names}, turns=int8.turns)
        self._logits = Runtime(int8.model, {"logits": int8.outputs["logits"]}, turns=int8.turns)

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits, float32 (n, classes), of crops, uint8 (n, 120, 120, 3); n is at least 1."""
        return np.array([self._logits.run(crop)["logits"] for crop in pixels], np.float32)

    def answer(self, pixels: NDArray[np.uint8]) -> Answered:
        """Return all that it answers to crops, uint8 (n, 120, 120, 3); n is at least 1."""
        return _answered(self._all, f"{self._all.name} {self._all.version}", pixels)


def _in_new_process(
    int8: Int8, pixels: NDArray[np.uint8], name: str, version: str, seconds: float
) -> Answered:
    """Return a runtime's answers to as many crops as it reached. Raises NoRuntimeError where it failed."""
    with tempfile.TemporaryDirectory() as folder:
        model, crops, answered = (Path(folder) / file for file in ("int8.tflite", "crops.npy", "answers.npz"))
        model.write_bytes(int8.model)
        np.save(crops, pixels)
        outputs = json.dumps({key: int8.outputs[key] for key in ("logits", "maps") if key in int8.outputs})
        command = [sys.executable, "-m", "trainer.explanations.device", str(model), outputs]
        try:
            done = subprocess.run(  # noqa: S603 (our own interpreter and module)
                [*command, name, str(int8.turns), str(seconds), str(crops), str(answered)],
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds + _GRACE,
            )
        except subprocess.TimeoutExpired:
            raise NoRuntimeError(f"{name}: did not answer one crop in {seconds + _GRACE:.0f} s") from None
        if done.returncode:
            raise NoRuntimeError(f"{name}: {(done.stderr.strip() or 'it failed').splitlines()[-1]}")
        with np.load(answered) as stored:
            return Answered(f"{name} {version}", stored["logits"], stored.get("maps"))


def main(model: str, outputs: str, runtime: str, turns: str, seconds: str, crops: str, answers: str) -> None:
    """Read crops, uint8 (n, 120, 120, 3), from a .npy file; write the outputs of those reached in time."""
    names = json.loads(outputs)
    opened = Runtime(Path(model).read_bytes(), names, choice=runtime, turns=int(turns))
    found = _answered(opened, runtime, np.load(crops), float(seconds))
    arrays = {"logits": found.logits} | ({} if found.maps is None else {"maps": found.maps})
    np.savez(answers, **arrays)


def _answered(opened: Runtime, name: str, pixels: NDArray[np.uint8], seconds: float = inf) -> Answered:
    logits, maps = [], []
    started = time.monotonic()
    for crop in pixels:
        outputs = opened.run(crop)
        logits.append(np.array(outputs["logits"], np.float32))
        if "maps" in outputs:
            maps.append(np.array(outputs["maps"], np.float32))
        if time.monotonic() - started > seconds:
            break
    return Answered(name, np.array(logits), np.array(maps) if maps else None)


if __name__ == "__main__":
    main(*sys.argv[1:])
