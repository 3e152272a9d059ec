"""What commands carry: a struct each, which validates the payload and of which the JSON Schema is made."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge.differential_parts import CellsPerLitre, OperatorCode  # noqa: TC001 (msgspec reads annotations)

CorrelationId = Annotated[
    str,
    Meta(max_length=128, description="comes back in the answer; the same request again is not done twice"),
]
SpecimenId = Annotated[
    str, Meta(pattern=r"^[^\x00-\x1f\x7f]{1,64}\Z", description="what the operator typed, never a name")
]
Target = Annotated[int, Meta(ge=1, le=10_000, description="cells to count: 100, 200, 400")]
Reason = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{1,200}\Z")]


class Ping(Struct, frozen=True, forbid_unknown_fields=True):
    """Is anybody there."""

    correlation_id: CorrelationId | None = None


class StartSpecimen(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Count from here on into this specimen.

    target: null is the configuration's. resume: take up one that was stopped and not signed.
    """

    specimen_id: SpecimenId
    target: Target | None = None
    total_count: Annotated[
        CellsPerLitre | None, Meta(description="white cells of the same blood, 10^9/L, if they were counted")
    ] = None
    resume: bool = False
    correlation_id: CorrelationId | None = None


class StopSpecimen(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Count no more into the open specimen; it waits for a signature. specimen_id: only if it is that one."""

    specimen_id: SpecimenId | None = None
    correlation_id: CorrelationId | None = None


class SignSpecimen(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A person confirms the count. specimen_id: null is the only one that waits for it."""

    operator: OperatorCode
    specimen_id: SpecimenId | None = None
    correlation_id: CorrelationId | None = None


class DiscardSpecimen(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The specimen is not to be used. specimen_id: null is the open one, else the only one that waits."""

    reason: Reason
    specimen_id: SpecimenId | None = None
    correlation_id: CorrelationId | None = None


Request = Ping | StartSpecimen | StopSpecimen | SignSpecimen | DiscardSpecimen

REQUESTS: dict[str, type[Request]] = {
    "ping": Ping,
    "specimen/start": StartSpecimen,
    "specimen/stop": StopSpecimen,
    "specimen/sign": SignSpecimen,
    "specimen/discard": DiscardSpecimen,
}
"""Every command there is, by its name in the topic."""


class SpecimenNote(Struct, frozen=True):
    """The specimen that a command was about, as it stands after it."""

    specimen_id: str
    state: Literal["open", "stopped", "final", "corrected", "discarded"]
