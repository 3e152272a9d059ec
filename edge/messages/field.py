"""The parts of a field's message."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Box = Annotated[tuple[int, int, int, int], Meta(description="x, y, width, height in pixels of the frame")]
Probability = Annotated[float, Meta(ge=0, le=1)]
Share = Annotated[float, Meta(ge=0, le=1)]


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
    glass_rgb: Annotated[
        tuple[float, float, float] | None,
        Meta(
            description="red, green and blue level of the glass around it, by which its crop was brightened; "
            "null: the study's masking does not do that, or an older version made the message"
        ),
    ] = None
    label: str
    probability: Probability
    probabilities: dict[str, Probability]
    logits: Annotated[
        dict[str, float] | None,
        Meta(
            description="as the network gives them; the field's alignment subtracted, and divided by the "
            "model's temperature, they give the probabilities; null: an older version made the message"
        ),
    ] = None
    confidence: Annotated[
        Probability | None,
        Meta(description="how far to trust the call, by its probability and its likeness to known cells"),
    ] = None
    distance: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(
            description="from known cells of its class; 99 % of these are within 1; null: the model's bundle "
            "has no data for it"
        ),
    ] = None
    rejected: Annotated[
        str | None,
        Meta(description="why it is not counted: other, unfamiliar, uncertain; null: it is"),
    ]
    cut_by_edge: Annotated[bool, Meta(description="the frame's edge cuts it: it is not counted")]
    heatmap: Heatmap | None
    evidence_in_cell: Annotated[
        Probability | None,
        Meta(description="share of the heatmap's sum that lies within the cell; null: no evidence"),
    ] = None
    evidence_in_nucleus: Annotated[
        Probability | None,
        Meta(description="share of the heatmap's sum within the nucleus; null: no evidence, or no nucleus"),
    ] = None
    flags: Annotated[
        tuple[str, ...],
        Meta(description="reasons to doubt a call, counted or not, such as: evidence outside the cell"),
    ] = ()

    def spoken(self) -> str:
        """Return the call as people read it, with why it is not counted."""
        remarks = ("cut by the edge" if self.cut_by_edge else None, self.rejected, *self.flags)
        said = "".join(f" ({remark})" for remark in remarks if remark)
        return f"{self.label} {100 * self.probability:.0f} %{said}"


class Alignment(Struct, frozen=True):
    """What was subtracted from the logits of a field's cells: the shift that this microscope adds to all.

    It is estimated from cells that nobody has named: the first hundred that earlier fields of the specimen
    show whole, each once.
    """

    cells: Annotated[int, Meta(ge=0, description="how many cells it is estimated from")]
    logits: Annotated[dict[str, float], Meta(description="what is subtracted from each class's logit")]
    settled: Annotated[
        bool, Meta(description="it rests on enough cells, and stays for the rest of the specimen")
    ] = False
    before: Annotated[
        dict[str, float] | None,
        Meta(
            description="the shift that the specimen began with, from the one before it on the same camera; "
            "null: none"
        ),
    ] = None


class FieldScale(Struct, frozen=True):
    """The size of a pixel by the red cells of one field, and how many red cells were measured."""

    micrometres_per_pixel: Annotated[float, Meta(gt=0)]
    red_cells: Annotated[int, Meta(ge=1)]


class Scale(Struct, frozen=True):
    """How large a pixel is, and how that is known.

    "red cells": measured by those of the specimen's fields so far, or of this field. "remembered": from the
    previous specimen with the same camera. "nucleus", "white cells": a guess from their size, as no field had
    red cells to measure.
    """

    micrometres_per_pixel: Annotated[float, Meta(gt=0)]
    source: Literal["configured", "red cells", "remembered", "nucleus", "white cells"]
    spread: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="how far the fields differ from it, as a share of it; null: too few fields"),
    ] = None
    settled: Annotated[
        bool, Meta(description="enough fields agree, so it stays for the rest of the specimen")
    ] = False
    field: Annotated[
        FieldScale | None, Meta(description="by this field alone; null: it has too few red cells")
    ] = None

    @property
    def is_guess(self) -> bool:
        """Return whether it is only a guess from the usual size of nuclei or white cells."""
        return self.source in {"nucleus", "white cells"}


RefusalReason = Literal[
    "blank",
    "no colour",
    "red and blue swapped",
    "too crowded",
    "too dark",
    "overexposed",
    "colour changed",
    "motion",
    "out of focus",
    "stain changed",
]


class Quality(Struct, frozen=True, kw_only=True):
    """Is the frame worth analysing. Compare the figures only within a specimen: they have no fixed scale."""

    accepted: bool
    reason: Annotated[RefusalReason | None, Meta(description="why it was refused; null: it was not")]
    focus: Annotated[
        float,
        Meta(ge=0, description="strength of the sharpest edges, percent of the contrast; higher is sharper"),
    ]
    motion: Annotated[
        Share | None, Meta(description="how far the strong edges are parallel, as motion makes them")
    ] = None
    brightness: Annotated[float, Meta(description="mean grey level, 0 to 255")]
    clipped: Annotated[Share, Meta(description="share of pixels at white")]
    background_rgb: Annotated[
        tuple[float, float, float] | None,
        Meta(description="red, green and blue level of bare glass, where a tenth of the frame is bare"),
    ] = None
    stain: Annotated[
        float | None,
        Meta(description="optical density (natural log) of the field in green, root mean square"),
    ] = None
    coverage: Annotated[Share | None, Meta(description="share of the frame that cells cover")] = None
