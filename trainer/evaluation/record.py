"""What `evaluate` leaves of a run's figures, written and read back; it needs no TensorFlow."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from edge.errors import ConfigError
from trainer.evaluation.metrics import Estimate, Figures  # noqa: TC001 (msgspec reads annotations at run time)
from trainer.files import put_in_place
from trainer.training.checkpoints import WEIGHTS, last_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.recipe import Data

SCHEMA = "leukoscope.evaluation/2"


class Evaluation(Struct, frozen=True):
    """The figures of a run and all that is needed to say what they are figures of.

    part: what was measured on. on: the data set, where it is not the run's own. left_out, uncut: images that
    are not used, and images that no cell was found in and that count whole, of all the sets of the run, or of
    `on`; data_sha256 is of the same. float_bytes: float32 weights. int8, agreement, int8_bytes, int8_ms,
    runtime: None where only float was measured. agreement: share of images that both call the same.
    weights_sha256: of the checkpoint that was measured. int8_ms: median milliseconds for a crop, one thread,
    on the machine that measured.
    """

    schema: str
    recipe: str
    part: str
    on: str | None
    images: int
    photographs: int
    uncut: int
    left_out: int
    data_sha256: dict[str, str]
    split_sha256: str
    bootstrap_draws: int
    float32: Figures
    int8: Figures | None
    agreement: Estimate | None
    float_bytes: int
    int8_bytes: int | None
    int8_ms: float | None
    runtime: str | None
    weights_sha256: str = ""


def file_name(on: str | None = None) -> str:
    """Return the name, in a run's folder, of the evaluation on its own test part or on another data set."""
    return "evaluation.json" if on is None else f"evaluation-{on.replace('/', '-')}.json"


def weights_sha256(folder: Path) -> str:
    """Return the hash of the weights of a run's last checkpoint. Raises ConfigError where there is none."""
    path = (last_checkpoint(folder) or folder) / WEIGHTS
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from None


def part_of(data: Data) -> str:
    """Name the part of its own data that a run is measured on."""
    if data.split == "study":
        return "test part of the study's random split"
    if data.split == "folders":
        return f"the test folders ({', '.join(data.test_sets)})"
    if data.split == "grouped":
        return f"fold {data.fold + 1} of {data.folds} (photographs)"
    return "held-out photographs"


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write it, in place of a former one. Raises OSError."""
    content = msgspec.json.format(msgspec.json.encode(evaluation), indent=1)
    put_in_place(folder / file_name(evaluation.on), content)


def read_evaluation(path: Path) -> Evaluation:
    """Read an evaluation. Raises ConfigError naming a file that is missing, damaged or of a former schema."""
    again = f"run leukoscope-train evaluate --run {path.parent}"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: is not there; {again} first") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from None
    try:
        schema = msgspec.json.decode(raw, type=_OfAnySchema).schema
        if schema == SCHEMA:
            return msgspec.json.decode(raw, type=Evaluation)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not an evaluation ({error}); {again} again") from None
    raise ConfigError(f"{path}: is {schema}, and {SCHEMA} is needed; {again} again")


class _OfAnySchema(Struct):
    schema: str
