"""A run's checkpoints: the last whole epoch, put in place at once."""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
from typing import TYPE_CHECKING

from edge.errors import ConfigError, LeukoscopeError

if TYPE_CHECKING:
    from pathlib import Path

    import keras

WEIGHTS = "model.keras"
HISTORY = "history.json"
STATE = "training.keras"
DAMAGED = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What Keras and the zip file of a checkpoint raise where bytes of it are wrong."""


class TrainingError(LeukoscopeError):
    """Training cannot go on; the last good checkpoint is kept."""


def last_checkpoint(out: Path) -> Path | None:
    """The newest whole checkpoint folder of a run, or None. WEIGHTS in it holds the averaged weights."""
    return max(_checkpoints(out), key=_epochs, default=None)


def member_folder(out: Path, member: int) -> Path:
    """The folder of one of a run's trainings, counted from 0, where it has several."""
    return out / f"member-{member + 1}"


def is_begun(out: Path) -> bool:
    """Whether a run has a checkpoint, of the first of its trainings at least."""
    return any(last_checkpoint(folder) is not None for folder in (out, member_folder(out, 0)))


def refuse_another_kind(out: Path, record: str) -> None:
    """See that checkpoints in a folder have the record of this kind of run. Raises ConfigError."""
    if is_begun(out) and not (out / record).exists():
        raise ConfigError(
            f"{out}: holds checkpoints of another kind of run, without {record}; give another --out"
        )


def _checkpoints(out: Path) -> list[Path]:
    found = out.glob("epoch-*")
    return [path for path in found if path.name.removeprefix("epoch-").isdecimal() and path.is_dir()]


def _epochs(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("epoch-"))


def save_checkpoint(
    model: keras.Model, average: keras.Model, history: list[dict[str, float]], out: Path
) -> None:
    """Write beside, then put in place: a full disk or a kill leaves the last good checkpoint.

    Earlier checkpoints, and what killed runs left half written, are removed; a later checkpoint is not.
    """
    folder = out / f"epoch-{len(history):04d}"
    partial = out / f"partial-{folder.name}"
    former = last_checkpoint(out)
    for leftover in out.glob("partial-epoch-*"):  # before writing: they may fill the disk
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        partial.mkdir()
        model.save(partial / STATE)
        average.save(partial / WEIGHTS)
        (partial / HISTORY).write_text(json.dumps(history, indent=1), encoding="utf-8")
        partial.rename(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise TrainingError(
            f"{folder}: cannot be written ({error.strerror or error}); "
            f"{'the last good checkpoint is ' + str(former) if former else 'there is no earlier one'}"
        ) from None
    for other in _checkpoints(out):
        if _epochs(other) < len(history):
            shutil.rmtree(other, ignore_errors=True)
