"""A network's answers: kept in a run's folder and read back; and made in a process without TensorFlow.

That process is `python -m trainer.evaluation.answers MODEL LOGITS RUNTIME CROPS ANSWERS`.
"""

from __future__ import annotations

import io
import sys
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import ConfigError
from edge.models.runtime import Runtime
from trainer.files import put_in_place

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WARM_UP, _TIMED = 5, 50  # crops
# What NumPy and zipfile raise at one flipped byte or another: found by flipping each.
_DAMAGED = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Answers:
    """What a run answered to each image that it was measured on, in one order.

    labels: int64 (n,), numbers of the recipe's classes. photographs: n names. float32, int8: logits, float32
    (n, classes); int8 is None where only float was measured. cells: n names of what counts once; None: the
    photographs.
    """

    labels: NDArray[np.int64]
    photographs: tuple[str, ...]
    float32: NDArray[np.float32]
    int8: NDArray[np.float32] | None
    cells: tuple[str, ...] | None = None


def answers_name(on: str | None = None) -> str:
    """Return the name, in a run's folder, of the answers on its own test part or on another data set."""
    return "answers.npz" if on is None else f"answers-{on.replace('/', '-')}.npz"


def write_answers(folder: Path, answers: Answers, on: str | None = None) -> None:
    """Write the answers, in place of former ones. Raises OSError."""
    # What may be lacking stands first: damage to a zip file's list can hide its last entry.
    arrays = {} if answers.int8 is None else {"int8": answers.int8}
    if answers.cells is not None:
        arrays["cells"] = np.array(answers.cells, np.str_)
    arrays |= {
        "labels": answers.labels.astype(np.int64),
        "photographs": np.array(answers.photographs, np.str_),
        "float32": answers.float32,
    }
    written = io.BytesIO()
    np.savez_compressed(written, **arrays)
    put_in_place(folder / answers_name(on), written.getvalue())


def read_answers(folder: Path, on: str | None = None) -> Answers:
    """Read what `evaluate` has written. Raises ConfigError naming the file that is missing or damaged."""
    path = folder / answers_name(on)
    where = f"--run {folder}" + (f" --on {on}" if on else "")
    try:
        # Opened here: NumPy leaves a file open that turns out to be damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise ConfigError(f"{path}: is not there; run leukoscope-train evaluate {where} first") from None
    except _DAMAGED as error:
        raise ConfigError(
            f"{path}: cannot be read ({error}); run leukoscope-train evaluate {where} again"
        ) from None
    wrong = _wrong(arrays)
    if wrong:
        raise ConfigError(f"{path}: {wrong}; run leukoscope-train evaluate {where} again")
    return Answers(
        arrays["labels"],
        tuple(arrays["photographs"].tolist()),
        arrays["float32"],
        arrays.get("int8"),
        tuple(arrays["cells"].tolist()) if "cells" in arrays else None,
    )


def _wrong(arrays: dict[str, NDArray[np.generic]]) -> str | None:
    """Say what is wrong with the arrays of a file, or None."""
    wanted = [("labels", "i8", 1), ("photographs", "U", 1), ("float32", "f4", 2)]
    wanted += [("cells", "U", 1)] if "cells" in arrays else []
    for name, kind, axes in wanted:
        if name not in arrays:
            return f"has no array {name}"
        if not arrays[name].dtype.str[1:].startswith(kind) or arrays[name].ndim != axes:
            return f"array {name} is {arrays[name].dtype} with {arrays[name].ndim} axes"
    floats = arrays["float32"]
    others = arrays.get("int8", floats)
    cells = arrays.get("cells", arrays["photographs"])
    if not len(arrays["labels"]) == len(arrays["photographs"]) == len(cells) == len(floats):
        return "its arrays are not of one length"
    if others.shape != floats.shape or others.dtype != floats.dtype:
        return "its int8 answers do not match its float answers"
    labels = arrays["labels"].astype(np.int64)
    if len(labels) and not 0 <= labels.min() <= labels.max() < floats.shape[1]:
        return "a label in it is no number of a class"
    return None


def median_ms(runtime: Runtime, crop: NDArray[np.uint8]) -> float:
    """Return the median time that the runtime takes for a crop, uint8 (120, 120, 3), in milliseconds."""
    taken = []
    for _ in range(_WARM_UP + _TIMED):
        started = time.perf_counter()
        runtime.run(crop)
        taken.append(time.perf_counter() - started)
    return float(1000 * np.median(taken[_WARM_UP:]))


def main(model: str, logits: str, runtime: str, crops: str, answers: str, turns: str) -> None:
    """Read crops, uint8 (n, 120, 120, 3), and write logits, float32 (n, classes); both are .npy files.

    On stdout goes the median time of a crop, in milliseconds.
    """
    opened = Runtime(Path(model).read_bytes(), {"logits": logits}, choice=runtime, turns=int(turns))
    pixels = np.load(crops)
    np.save(answers, np.array([opened.run(crop)["logits"] for crop in pixels], np.float32))
    sys.stdout.write(f"{median_ms(opened, pixels[0])}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
