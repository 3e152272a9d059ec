"""Every MQTT payload as a typed struct."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 (msgspec reads annotations at run time)
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edge.messages.commands import SpecimenNote  # noqa: TC001 (msgspec reads annotations at run time)
from edge.messages.differential import (
    Agreement,
    CellsPerLitre,
    Change,
    ClassCount,
    Correction,
    Familiarity,
    Flag,
    OperatorCode,
    Signature,
    State,
)
from edge.messages.field import Alignment, Cell, Heatmap, ModelReference, Quality, RefusalReason, Scale
from edge.messages.former import stored
from edge.messages.position import FieldPosition  # noqa: TC001
from edge.messages.schema import schema_of, schemas_by_name
from edge.messages.shortening import with_fewer_changes, with_fewer_heatmaps

__all__ = [
    "MAX_PAYLOAD",
    "Alignment",
    "Cell",
    "Differential",
    "FieldResult",
    "Health",
    "Heatmap",
    "Info",
    "Message",
    "ModelReference",
    "Quality",
    "RefusalReason",
    "Response",
    "Scale",
    "Status",
    "decode",
    "decode_field",
    "encode",
    "json_schema",
    "json_schemas",
]

MAX_PAYLOAD = 64 * 1024
"""Bytes. A broker drops a client that sends more than it allows, again and again: nothing larger is sent."""

Milliseconds = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]


class FieldResult(Struct, frozen=True, kw_only=True, tag_field="schema", tag="leukoscope.field/2"):
    """One analysed field with its cells."""

    field_id: str
    specimen_id: str
    specimen_uuid: str = ""
    device_id: str
    boot_id: str
    sequence: Annotated[int, Meta(ge=0)]
    captured_at: datetime
    clock_synced: bool
    historical: Annotated[bool, Meta(description="true when it is delivered late")]
    source: str
    simulated: Annotated[bool, Meta(description="of a drawn slide: no microscope, no blood")] = False
    width: int
    height: int
    model: ModelReference
    quality: Quality
    scale: Annotated[
        Scale | None, Meta(description="null: the frame was refused, or no finder looks for the cells")
    ] = None
    position: Annotated[
        FieldPosition | None,
        Meta(description="null: not looked for, as of images, or refused, or blurred by motion"),
    ] = None
    calibration: Annotated[
        Annotated[str, Meta(pattern="^[0-9a-f]{16}$")] | None,
        Meta(description="id of the camera calibration by which the frame was corrected; null: it was not"),
    ] = None
    alignment: Annotated[
        Alignment | None,
        Meta(description="null: no white cell, or the model's bundle does not say where known ones lie"),
    ] = None
    timings_ms: dict[str, Milliseconds]
    cells: tuple[Cell, ...]
    red_cells: Annotated[
        Count | None,
        Meta(description="seen in the field, an estimate; null: more than can be listed, or no finder"),
    ] = None
    platelets: Annotated[
        Count | None,
        Meta(description="seen in the field, an estimate; null: more than can be listed, or no finder"),
    ] = None
    heatmaps_omitted: Annotated[
        int, Meta(ge=0, description="cells whose heatmap was left out to keep the message below 64 KiB")
    ] = 0


class Differential(Struct, frozen=True, kw_only=True, tag_field="schema", tag="leukoscope.differential/2"):
    """The current specimen's count, or the last one's. `counted` is the denominator of the percentages."""

    specimen_id: str
    specimen_uuid: Annotated[str, Meta(description="never another's, as a typed id may be")] = ""
    revision: Annotated[int, Meta(ge=0, description="rises with all that people change of it")] = 0
    device_id: str
    simulated: Annotated[bool, Meta(description="cells of a drawn slide were counted: no blood")] = False
    state: Annotated[
        State,
        Meta(
            description="running; preliminary: enough are counted, or it was stopped; complete: its source "
            "has ended, and nobody has signed; final: signed; corrected: changed after that; discarded"
        ),
    ]
    updated_at: datetime
    clock_synced: Annotated[
        bool,
        Meta(
            description="false: the device's clock is not set, or was not when some of this was done, and "
            "a time here may be wrong; times are set right, with a new revision, where the clock is set later"
        ),
    ]
    started_at: datetime | None = None
    stopped_at: Annotated[datetime | None, Meta(description="null while cells are counted")] = None
    ended: Annotated[
        str | None,
        Meta(
            description="why no more is counted: source ended, stopped, enough; null while cells are counted"
        ),
    ] = None
    familiar: Annotated[
        Familiarity, Meta(description="whether its cells are like those that the model knows: read it first")
    ] = Familiarity(None)
    target: int
    stop_reason: Annotated[str | None, Meta(description="why no more cells are needed; null: go on")] = None
    fields: int
    fields_refused: int
    counted: int
    denominator: str = ""
    unclassified: Annotated[
        dict[str, int], Meta(description="whole cells that are not counted, by the reason")
    ]
    incomplete: Annotated[int, Meta(description="cells cut by the frame's edge, not counted")]
    reviewed: Annotated[int, Meta(ge=0, description="cells that a person has looked at and named")] = 0
    renamed: Annotated[int, Meta(ge=0, description="of them, those that the model had called otherwise")] = 0
    excluded: Annotated[
        dict[str, int], Meta(description="cells that are not counted, by what a person has called them")
    ] = {}
    reviewers: Annotated[tuple[OperatorCode, ...], Meta(description="who has looked at cells")] = ()
    agreement: Annotated[
        Agreement | None, Meta(description="of model and people; null while nobody has looked at a cell")
    ] = None
    classes: tuple[ClassCount, ...]
    not_assessed: Annotated[
        tuple[str, ...], Meta(description="classes that the model has no name for: unknown, not 0")
    ]
    interval: Annotated[str, Meta(description="the method of low and high")]
    correction: Correction = Correction(None)
    wbc_count: Annotated[CellsPerLitre | None, Meta(description="given with the specimen")] = None
    wbc_count_unit: Literal["10^9/L"] = "10^9/L"
    flags: tuple[Flag, ...] = ()
    signature: Annotated[Signature | None, Meta(description="null: nobody has confirmed it")] = None
    changes: Annotated[
        tuple[Change, ...],
        Meta(
            description="after it had ended, or of its id, the oldest first; of too many for a message, the "
            "first says how many earlier ones are left out"
        ),
    ] = ()
    discarded: Change | None = None
    model: ModelReference


class Status(Struct, frozen=True, kw_only=True, tag_field="schema", tag="leukoscope.status/2"):
    """Is the device there. `offline` is also what the broker says in its name when it vanishes."""

    device_id: str
    state: Literal["online", "offline"]
    boot_id: str


class Info(Struct, frozen=True, kw_only=True, tag_field="schema", tag="leukoscope.info/2"):
    """What the device is: versions, model, configuration without secrets."""

    device_id: str
    boot_id: str
    versions: dict[str, str]
    model: ModelReference
    model_notice: Annotated[
        str | None, Meta(description="why another model answers than the one installed last; null: none does")
    ] = None
    labels: tuple[str, ...]
    capabilities: tuple[str, ...]
    config: dict[str, Any]


class Health(Struct, frozen=True, kw_only=True, tag_field="schema", tag="leukoscope.health/2"):
    """How the device is. A figure that this machine does not give is null."""

    device_id: str
    boot_id: str
    at: datetime
    uptime_s: float
    cpu_load: float | None
    memory_rss_mb: float | None
    memory_available_mb: float | None
    temperature_c: float | None
    throttled: bool | None
    disk_free_mb: float | None
    backlog: int
    fields: int
    fields_refused: dict[str, int]
    frames_per_second: float
    stages_ms: dict[str, float]
    specimen_id: Annotated[
        str | None, Meta(description="that is being counted; null: frames are looked at and not counted")
    ] = None
    notices: Annotated[
        dict[str, str],
        Meta(description="what an operator must know: paused, camera, disk, a store that was damaged"),
    ] = {}
    results_refused: Annotated[
        int, Meta(ge=0, description="of the backlog: the broker does not take them")
    ] = 0
    refusal: Annotated[str | None, Meta(description="why it did not take the last of them")] = None


class Response(Struct, frozen=True, kw_only=True, tag_field="schema", tag="leukoscope.response/2"):
    """The answer to a command."""

    device_id: str
    command: str
    correlation_id: str | None
    ok: bool
    error: str | None = None
    specimen: SpecimenNote | None = None


Message = FieldResult | Differential | Status | Info | Health | Response
_MESSAGES: tuple[type[Struct], ...] = (FieldResult, Differential, Status, Info, Health, Response)

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encode(message: Message) -> bytes:
    """Return the payload, at most MAX_PAYLOAD bytes.

    A field too crowded for that leaves out the heatmaps of its last cells and says how many. A differential
    that was changed too often leaves out the oldest changes; in their place stands how many.
    Raises ValueError when even that is not enough.
    """
    payload = _encoder.encode(message)
    excess = len(payload) - MAX_PAYLOAD
    if excess > 0 and isinstance(message, FieldResult):
        cells, omitted = with_fewer_heatmaps(message.cells, excess)
        payload = _encoder.encode(msgspec.structs.replace(message, cells=cells, heatmaps_omitted=omitted))
    elif excess > 0 and isinstance(message, Differential):
        changes = with_fewer_changes(message.changes, excess)
        payload = _encoder.encode(msgspec.structs.replace(message, changes=changes))
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a message of {len(payload)} bytes is over the limit of {MAX_PAYLOAD}")
    return payload


def decode(payload: bytes) -> Message:
    """Read any payload. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(payload)


def decode_field(payload: bytes) -> FieldResult:
    """Read a stored field, also of release 0.1. Raises msgspec.DecodeError where it is damaged."""
    return stored(payload, FieldResult)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) that every payload satisfies; `commands`: those of what is sent here."""
    return schema_of(_MESSAGES)


def json_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of each message and command by itself, such as `field` and `cmd/specimen/start`."""
    return schemas_by_name(_MESSAGES)
