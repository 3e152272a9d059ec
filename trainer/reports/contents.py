"""What a report says: of each run what its folder holds, and how it was evaluated."""

from __future__ import annotations

from msgspec import Struct

from trainer.evaluation.curves import Curves  # noqa: TC001 (msgspec reads annotations at run time)
from trainer.evaluation.record import Evaluation  # noqa: TC001
from trainer.recipe import Recipe  # noqa: TC001


class Record(Struct, frozen=True):
    """What the report says of a run.json, which holds more."""

    recipe: Recipe
    data_sha256: dict[str, str]
    split_sha256: str
    photographs: int
    left_out: int
    python: str
    uncut: int = 0
    versions: dict[str, str] = {}
    precision: str = "float32"


class Section(Struct, frozen=True):
    """One evaluation of a run, and the curves of its answers. int8: None where only float was measured."""

    evaluation: Evaluation
    float32: Curves
    int8: Curves | None


class RunReport(Struct, frozen=True):
    """One run. history: what training noted after each epoch. measures: in words, what its split does.

    seconds_per_epoch: median, None for a run whose history does not say. sections: the first is on the run's
    own data, the others on other data sets.
    """

    folder: str
    record: Record
    measures: str
    history: tuple[dict[str, float], ...]
    seconds_per_epoch: float | None
    sections: tuple[Section, ...]


class Report(Struct, frozen=True):
    """All that the page shows, as it goes into the JSON file."""

    schema: str
    runs: tuple[RunReport, ...]
