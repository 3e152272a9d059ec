"""What commands carry: a struct each, which validates the payload and of which the JSON Schema is made."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge.messages.differential import CellsPerLitre, OperatorCode  # noqa: TC001 (msgspec reads annotations)
from edge.messages.ids import KnownSpecimenId, SpecimenId  # noqa: TC001
from edge.messages.target import MOST_CELLS

CorrelationId = Annotated[
    str,
    Meta(max_length=128, description="comes back in the answer; the same request again is not done twice"),
]
Target = Annotated[int, Meta(ge=1, le=MOST_CELLS, description="cells to count: 100, 200, 400")]
WbcCountText = Annotated[
    str, Meta(max_length=64, description='with comma or point, and its unit: "7,2", "7.2 10^9/L", "7200/uL"')
]
Reason = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{1,200}\Z")]

CellId = Annotated[str, Meta(pattern=r"^[0-9A-Za-z-]{1,64}\Z", description="as the field's message has it")]
Shown = Annotated[
    tuple[Annotated[str, Meta(max_length=64)], ...],
    Meta(
        max_length=2000,
        description="what each of the cells was called as the person saw it; refused where one no longer is",
    ),
]
Revision = Annotated[
    int,
    Meta(
        ge=0, description="of the specimen as the person saw it; refused where that is no longer the latest"
    ),
]


class Ping(Struct, frozen=True, forbid_unknown_fields=True):
    """Is anybody there."""

    correlation_id: CorrelationId | None = None


class CellImage(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Publish a cell's picture once, JPEG, on `image/<cell_id>`."""

    cell_id: CellId
    correlation_id: CorrelationId | None = None


class StartSpecimen(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Count from here on into this specimen.

    target: null is the configuration's. resume: take up one that was stopped and not signed.
    """

    specimen_id: SpecimenId
    target: Target | None = None
    wbc_count: Annotated[
        CellsPerLitre | WbcCountText | None,
        Meta(description="white cells of the same blood, if they were counted: a number is 10^9/L"),
    ] = None
    resume: bool = False
    operator: OperatorCode | None = None
    correlation_id: CorrelationId | None = None


class StopSpecimen(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Count no more into the open specimen; it waits for a signature. specimen_id: only if it is that one."""

    specimen_id: KnownSpecimenId | None = None
    operator: OperatorCode | None = None
    correlation_id: CorrelationId | None = None


class SignSpecimen(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A person confirms the count. specimen_id: null is the only one that waits for it.

    reason: why fewer cells than the target are enough, or doubtful cells need not be looked at; needed then,
    and kept with the signature.
    """

    operator: OperatorCode
    specimen_id: KnownSpecimenId | None = None
    reason: Reason | None = None
    revision: Revision | None = None
    correlation_id: CorrelationId | None = None


class DiscardSpecimen(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The specimen is not to be used. specimen_id: null is the open one, else the only one that waits."""

    reason: Reason
    specimen_id: KnownSpecimenId | None = None
    operator: OperatorCode | None = None
    revision: Revision | None = None
    correlation_id: CorrelationId | None = None


class ReviewCells(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A person says what cells are: all of them, or none where one cannot be.

    confirm: what the model called it, relabel: `label`, exclude: not a white cell, undo: the last such word
    is taken back. reason: needed where the specimen is signed, which is then to be signed again.
    """

    specimen_id: KnownSpecimenId
    cell_ids: Annotated[tuple[CellId, ...], Meta(min_length=1, max_length=2000)]
    action: Literal["confirm", "relabel", "exclude", "undo"]
    label: Annotated[
        Annotated[str, Meta(max_length=64)] | None, Meta(description="of a relabelled cell: a class")
    ] = None
    shown: Shown | None = None
    operator: OperatorCode
    reason: Reason | None = None
    revision: Revision | None = None
    correlation_id: CorrelationId | None = None


class RenameSpecimen(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The id was mistyped: give a specimen that is not signed another one. The former id stays on record."""

    specimen_id: KnownSpecimenId
    new_id: SpecimenId
    operator: OperatorCode | None = None
    correlation_id: CorrelationId | None = None


class SetWbcCount(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The total white count came later, or was mistyped: give it to a specimen that is not signed.

    wbc_count: null takes one back. The former stays on record.
    """

    specimen_id: KnownSpecimenId
    wbc_count: Annotated[
        CellsPerLitre | WbcCountText | None,
        Meta(description="white cells of the same blood: a number is 10^9/L"),
    ]
    operator: OperatorCode | None = None
    correlation_id: CorrelationId | None = None


Request = (
    Ping
    | CellImage
    | StartSpecimen
    | StopSpecimen
    | ReviewCells
    | SignSpecimen
    | DiscardSpecimen
    | RenameSpecimen
    | SetWbcCount
)

IMAGE = "cell/image"

REQUESTS: dict[str, type[Request]] = {
    "ping": Ping,
    IMAGE: CellImage,
    "specimen/start": StartSpecimen,
    "specimen/stop": StopSpecimen,
    "specimen/review": ReviewCells,
    "specimen/sign": SignSpecimen,
    "specimen/discard": DiscardSpecimen,
    "specimen/rename": RenameSpecimen,
    "specimen/wbc_count": SetWbcCount,
}
"""Every command there is, by its name in the topic."""


class SpecimenNote(Struct, frozen=True):
    """The specimen that a command was about, as it stands after it."""

    specimen_id: str
    state: Literal["open", "stopped", "complete", "final", "corrected", "discarded"]
    simulated: Annotated[bool, Meta(description="cells of a drawn slide were counted: no blood")] = False
    specimen_uuid: str = ""
    revision: Annotated[int, Meta(ge=0, description="rises with all that people change of it")] = 0
