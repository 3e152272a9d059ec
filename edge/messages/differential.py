"""What a differential is made of, as its message carries it."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 (msgspec reads annotations at run time)
from typing import Annotated, Literal

from msgspec import Meta, Struct

Certainty = Literal["definite", "possible"]
State = Literal["running", "preliminary", "complete", "final", "corrected", "discarded"]

CellsPerLitre = Annotated[float, Meta(gt=0, le=2000, description="10^9/L of blood")]
OperatorCode = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_.-]{1,32}\Z", description="a code, never a name, of letters, digits, _ . -"),
]
Percent = Annotated[float, Meta(ge=0, le=100)]
Kappa = Annotated[float, Meta(ge=-1, le=1)]


class Share(Struct, frozen=True):
    """A percentage and its 95 % interval."""

    percent: Percent
    low: Percent
    high: Percent


class Absolute(Struct, frozen=True):
    """Cells in 10^9/L of blood, and the 95 % interval; the total white count is taken as exact."""

    value: float
    low: float
    high: float


class ClassCount(Struct, frozen=True):
    """One class of the differential: count, percentage of the denominator, and its 95 % interval.

    percent, low, high: null while no cell is counted, as nothing is known then.
    """

    label: str
    count: int
    percent: Percent | None
    low: Percent | None
    high: Percent | None
    corrected: Annotated[
        Share | None, Meta(description="by the model's own confusion matrix; null: see `correction`")
    ] = None
    absolute: Annotated[
        Absolute | None, Meta(description="null without a total white count, and while no cell is counted")
    ] = None

    def spoken(self) -> tuple[str, str]:
        """Return the percentage and its interval as people read them."""
        if self.percent is None:
            return "-", "-"
        return f"{self.percent:.1f}", f"{self.low:.1f} to {self.high:.1f}"


class Correction(Struct, frozen=True):
    """How `corrected` was found. method: null where it was not, and reason says why."""

    method: str | None
    on: Annotated[str | None, Meta(description="the photographs that the confusion matrix is of")] = None
    reason: str | None = None


Verdict = Literal["familiar", "doubtful", "unfamiliar"]


class Familiarity(Struct, frozen=True):
    """Whether the specimen's cells are like those that the model knows: read it before the count.

    Where they are doubtful or unfamiliar nothing is corrected, and the intervals hold wherever the refused
    cells may belong. Where they are unfamiliar, the count is not to be relied on, and is never enough.
    """

    verdict: Annotated[Verdict | None, Meta(description="null: it cannot be told, and reasons say why")]
    reasons: tuple[str, ...] = ()
    next_step: str | None = None

    def spoken(self) -> str | None:
        """Return what a person must know before the count, or None."""
        if self.verdict in {None, "familiar"}:
            return None
        care = "do not rely on this count" if self.verdict == "unfamiliar" else "take care with this count"
        return f"{self.verdict} microscope: {care}: {'; '.join(self.reasons)}; {self.next_step}".capitalize()


class Signature(Struct, frozen=True):
    """Who has confirmed the count, and when.

    reason: why fewer cells than the target were enough. simulated: of a drawn slide, which says nothing of
    anybody's blood.
    """

    operator: OperatorCode
    at: datetime
    reason: Annotated[str | None, Meta(description="for signing below the target; null: none was given")] = (
        None
    )
    simulated: bool = False


class Change(Struct, frozen=True):
    """What was changed after the count had ended, or of its id, total count or times, and why.

    operator: null: not by a person.
    """

    at: datetime
    what: str
    why: str
    operator: OperatorCode | None = None


class ClassAgreement(Struct, frozen=True):
    """Of the cells that a person has looked at: how many of a class each has seen, and both."""

    label: str
    by_model: int
    by_person: int
    both: int


class Renamed(Struct, frozen=True):
    """How many cells of a class a person has called otherwise."""

    label: str
    to: str
    cells: int


class Agreement(Struct, frozen=True, kw_only=True):
    """How far the model and people say the same of the cells that people have looked at.

    They are no sample of all: people look at doubtful cells first.
    """

    cells: int
    agreed: int
    kappa: Annotated[
        Kappa | None,
        Meta(description="Cohen's; null where all is of one class, and nothing is told by it"),
    ]
    low: Annotated[Kappa | None, Meta(description="95 % interval of kappa")]
    high: Annotated[Kappa | None, Meta(description="95 % interval of kappa")]
    method: str
    classes: tuple[ClassAgreement, ...]
    renamed: tuple[Renamed, ...]


class Flag(Struct, frozen=True):
    """A rule that a differential has set off."""

    rule: str
    version: int
    label: str
    certainty: Certainty
    sentence: str


class SpecimenStatus(Struct, frozen=True, kw_only=True):
    """What people and the daemon have said of a specimen, beside its cells.

    state: None while the count itself says it. ended: why no more is counted. wbc_count: as it was given
    with the specimen, 10^9/L.
    """

    state: State | None = None
    specimen_uuid: str = ""
    revision: int = 0
    simulated: bool = False
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    ended: str | None = None
    wbc_count: CellsPerLitre | None = None
    signature: Signature | None = None
    changes: tuple[Change, ...] = ()
    discarded: Change | None = None
