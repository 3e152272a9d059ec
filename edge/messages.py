"""Every MQTT payload as a typed struct. `python -m edge.messages` prints the JSON Schema made from them."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 (msgspec reads annotations at run time)
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edge.differential_parts import (
    CellsPerLitre,
    Change,
    ClassCount,
    Correction,
    Signature,
    State,
)
from edge.flags import Flag  # noqa: TC001
from edge.place import FieldPlace  # noqa: TC001
from edge.requests import REQUESTS, SpecimenNote

MAX_PAYLOAD = 64 * 1024
"""Bytes. A broker drops a client that sends more than it allows, again and again: nothing larger is sent."""

Box = Annotated[tuple[int, int, int, int], Meta(description="x, y, width, height in pixels of the frame")]
Probability = Annotated[float, Meta(ge=0, le=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Milliseconds = Annotated[float, Meta(ge=0)]


class ModelReference(Struct, frozen=True):
    """Which model answered."""

    name: str
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Heatmap(Struct, frozen=True):
    """Class activation map of the called class over the cell's crop.

    data: row-major uint8 grid (base64 in JSON), 255 where the evidence is strongest, 0 where there is none
    or where it speaks against the class. `peak` is the value of 255, in logits.
    """

    shape: Annotated[tuple[int, int], Meta(description="rows, columns")]
    data: Annotated[bytes, Meta(description="row-major uint8 grid")]
    peak: float


class Cell(Struct, frozen=True, kw_only=True):
    """One white cell: where it is, what it was called, and why."""

    cell_id: str
    box: Box
    crop: Annotated[
        Box,
        Meta(description="the square that was classified and that the heatmap covers; may pass the frame"),
    ]
    label: str
    probability: Probability
    probabilities: dict[str, Probability]
    trust: Annotated[
        Probability | None,
        Meta(description="in the call, from its confidence and its likeness to known cells of its class"),
    ] = None
    rejected: Annotated[
        str | None,
        Meta(description="why it is not counted: other, unfamiliar, uncertain; null where it is"),
    ]
    complete: Annotated[bool, Meta(description="false: cut by the frame's edge, not counted")]
    heatmap: Heatmap | None
    evidence_in_cell: Annotated[
        Probability | None,
        Meta(description="share of the heatmap's sum that lies in the cell's own mask; null: no evidence"),
    ] = None
    evidence_in_nucleus: Annotated[
        Probability | None, Meta(description="share of the heatmap's sum that lies in the cell's nucleus")
    ] = None
    flags: Annotated[
        tuple[str, ...],
        Meta(description="why to doubt a call, counted or not: evidence outside the cell"),
    ] = ()

    def spoken(self) -> str:
        """Give the call as people read it, with why it is not counted."""
        aside = "" if self.complete else " (cut by the edge)"
        aside += "".join(f" ({remark})" for remark in (self.rejected, *self.flags) if remark)
        return f"{self.label} {100 * self.probability:.0f} %{aside}"


class Scale(Struct, frozen=True):
    """How large a pixel is, and how that is known.

    "nucleus": a guess from the size of a white cell's nucleus, where the field has no red cells to measure.
    """

    micrometres_per_pixel: Annotated[float, Meta(gt=0)]
    source: Literal["configured", "red cells", "nucleus"]


RefusalReason = Literal[
    "blank",
    "too crowded",
    "too dark",
    "overexposed",
    "colour changed",
    "motion",
    "out of focus",
    "stain changed",
]


class Quality(Struct, frozen=True, kw_only=True):
    """Is the frame worth analysing. Figures are relative to nothing: compare them within a specimen."""

    accepted: bool
    reason: Annotated[RefusalReason | None, Meta(description="the one that it was refused for; null: none")]
    focus: Annotated[
        float,
        Meta(ge=0, description="strength of the sharpest edges, percent of the contrast; rises when sharper"),
    ]
    motion: Annotated[
        Share | None, Meta(description="how far the strong edges are parallel, as motion leaves them")
    ] = None
    brightness: Annotated[float, Meta(description="mean grey level, 0 to 255")]
    clipped: Annotated[Share, Meta(description="share of pixels at white")]
    light: Annotated[
        tuple[float, float, float] | None,
        Meta(description="red, green and blue level of bare glass, where a tenth of the frame is bare"),
    ] = None
    stain: Annotated[
        float | None,
        Meta(description="optical density (natural log) of the field in green, root mean square"),
    ] = None
    covered: Annotated[Share | None, Meta(description="share of the frame that cells cover")] = None


class FieldResult(Struct, frozen=True, kw_only=True, tag_field="schema", tag="leukoscope.field/1"):
    """One analysed field with its cells."""

    field_id: str
    specimen_id: str
    device_id: str
    boot_id: str
    sequence: Annotated[int, Meta(ge=0)]
    captured_at: datetime
    clock_synced: bool
    historical: Annotated[bool, Meta(description="true when it is delivered late")]
    source: str
    width: int
    height: int
    model: ModelReference
    quality: Quality
    scale: Annotated[Scale | None, Meta(description="null where there is no white cell")] = None
    place: Annotated[
        FieldPlace | None,
        Meta(description="null: not looked for, as of images, or refused, or smeared by movement"),
    ] = None
    calibration: Annotated[
        Annotated[str, Meta(pattern="^[0-9a-f]{16}$")] | None,
        Meta(description="id of the camera calibration by which the frame was corrected; null: it was not"),
    ] = None
    timings_ms: dict[str, Milliseconds]
    cells: tuple[Cell, ...]
    heatmaps_omitted: Annotated[
        int, Meta(ge=0, description="cells whose heatmap was left out to keep the message below 64 KiB")
    ] = 0


class Differential(Struct, frozen=True, kw_only=True, tag_field="schema", tag="leukoscope.differential/1"):
    """The current specimen's count, or the last one's. `counted` is the denominator of the percentages."""

    specimen_id: str
    device_id: str
    state: Annotated[
        State,
        Meta(
            description="running; preliminary: enough are counted, or it was stopped; final: signed, or all "
            "of a folder or slide; corrected: changed after that; discarded"
        ),
    ]
    updated_at: datetime
    clock_synced: bool
    started_at: datetime | None = None
    stopped_at: Annotated[datetime | None, Meta(description="null while cells are counted")] = None
    target: int
    enough: Annotated[str | None, Meta(description="why no more cells are needed; null: go on")] = None
    fields: int
    fields_refused: int
    counted: int
    denominator: str = ""
    unclassified: Annotated[
        dict[str, int], Meta(description="whole cells that are not counted, by the reason")
    ]
    incomplete: Annotated[int, Meta(description="cells cut by the frame's edge, not counted")]
    classes: tuple[ClassCount, ...]
    not_assessed: Annotated[
        tuple[str, ...], Meta(description="classes that the model has no name for: unknown, not 0")
    ]
    interval: Annotated[str, Meta(description="the method of low and high")]
    correction: Correction = Correction(None)
    total_count: Annotated[CellsPerLitre | None, Meta(description="given with the specimen")] = None
    flags: tuple[Flag, ...] = ()
    signature: Annotated[Signature | None, Meta(description="null: nobody has confirmed it")] = None
    changes: Annotated[tuple[Change, ...], Meta(description="after it was final")] = ()
    discarded: Change | None = None
    model: ModelReference


class Status(Struct, frozen=True, kw_only=True, tag_field="schema", tag="leukoscope.status/1"):
    """Is the device there. `offline` is also what the broker says in its name when it vanishes."""

    device_id: str
    state: Literal["online", "offline"]
    boot_id: str


class Info(Struct, frozen=True, kw_only=True, tag_field="schema", tag="leukoscope.info/1"):
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


class Health(Struct, frozen=True, kw_only=True, tag_field="schema", tag="leukoscope.health/1"):
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
        Meta(description="what an operator must know: paused, camera, a store that was damaged"),
    ] = {}
    results_refused: Annotated[
        int, Meta(ge=0, description="of the backlog: the broker does not take them")
    ] = 0
    refusal: Annotated[str | None, Meta(description="why it did not take the last of them")] = None


class Response(Struct, frozen=True, kw_only=True, tag_field="schema", tag="leukoscope.response/1"):
    """The answer to a command."""

    device_id: str
    command: str
    correlation_id: str | None
    ok: bool
    error: str | None = None
    specimen: SpecimenNote | None = None


Message = FieldResult | Differential | Status | Info | Health | Response

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encode(message: Message) -> bytes:
    """Give the payload, at most MAX_PAYLOAD bytes.

    A field too crowded for that leaves out the heatmaps of its last cells and says how many.
    Raises ValueError when even that is not enough.
    """
    payload = _encoder.encode(message)
    if len(payload) <= MAX_PAYLOAD or not isinstance(message, FieldResult):
        return _checked(payload)
    cells = list(message.cells)
    omitted = 0
    excess = len(payload) - MAX_PAYLOAD + 16  # 16: room for the count itself to grow
    for i in reversed(range(len(cells))):
        if excess <= 0:
            break
        if cells[i].heatmap is not None:
            bare = msgspec.structs.replace(cells[i], heatmap=None)
            excess -= len(_encoder.encode(cells[i])) - len(_encoder.encode(bare))
            cells[i] = bare
            omitted += 1
    return _checked(
        _encoder.encode(msgspec.structs.replace(message, cells=tuple(cells), heatmaps_omitted=omitted))
    )


def _checked(payload: bytes) -> bytes:
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a message of {len(payload)} bytes is over the limit of {MAX_PAYLOAD}")
    return payload


def decode(payload: bytes) -> Message:
    """Read any payload. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(payload)


def decode_field(payload: bytes) -> FieldResult:
    """Read a field's payload. Raises as `decode`."""
    return msgspec.json.decode(payload, type=FieldResult)


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema (2020-12) that every payload satisfies; `commands`: those of what is sent here."""
    requests = {f"cmd/{name}": request for name, request in REQUESTS.items()}
    (payloads, *commands), definitions = msgspec.json.schema_components(
        (Message, *requests.values()), ref_template="#/$defs/{name}"
    )
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **payloads,
        "commands": dict(zip(requests, commands, strict=True)),
        "$defs": definitions,
    }
    # As JSON has it: a default of () is a list there.
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(schema))
    return plain


if __name__ == "__main__":
    print(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode())  # noqa: T201
