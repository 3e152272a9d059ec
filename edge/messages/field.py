"""What a field is made of, as its message carries it."""

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
            description="red, green and blue level of the glass around it, by which its light was set; null: "
            "the study's masking sets none, or an older version made the message"
        ),
    ] = None
    label: str
    probability: Probability
    probabilities: dict[str, Probability]
    logits: Annotated[
        dict[str, float] | None,
        Meta(
            description="as the network gives them; less the field's alignment, and divided by the model's "
            "temperature, they give the probabilities; null: an older version made the message"
        ),
    ] = None
    confidence: Annotated[
        Probability | None,
        Meta(description="in the call, from its probability and its likeness to known cells of its class"),
    ] = None
    distance: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(
            description="to known cells of its class, in times of what 99 % of these stay within; null: the "
            "model's bundle does not tell"
        ),
    ] = None
    rejected: Annotated[
        str | None,
        Meta(description="why it is not counted: other, unfamiliar, uncertain; null where it is"),
    ]
    cut_by_edge: Annotated[bool, Meta(description="the frame's edge cuts it: it is not counted")]
    heatmap: Heatmap | None
    evidence_in_cell: Annotated[
        Probability | None,
        Meta(description="share of the heatmap's sum that lies in the cell's own mask; null: no evidence"),
    ] = None
    evidence_in_nucleus: Annotated[
        Probability | None,
        Meta(
            description="share of the heatmap's sum that lies in the nucleus; null: no evidence or no nucleus"
        ),
    ] = None
    flags: Annotated[
        tuple[str, ...],
        Meta(description="why to doubt a call, counted or not: evidence outside the cell"),
    ] = ()

    def spoken(self) -> str:
        """Return the call as people read it, with why it is not counted."""
        remarks = ("cut by the edge" if self.cut_by_edge else None, self.rejected, *self.flags)
        said = "".join(f" ({remark})" for remark in remarks if remark)
        return f"{self.label} {100 * self.probability:.0f} %{said}"


class Alignment(Struct, frozen=True):
    """What was taken from the logits of a field's cells, for cells of this microscope have it all.

    It is told by cells that nobody has named: the first hundred that the specimen's fields before this one
    show whole, each once.
    """

    cells: Annotated[int, Meta(ge=0, description="how many cells told it")]
    logits: Annotated[dict[str, float], Meta(description="what is taken from each class's logit")]
    settled: Annotated[
        bool, Meta(description="enough cells have told it: it stays for the rest of the specimen")
    ] = False
    before: Annotated[
        dict[str, float] | None,
        Meta(
            description="what the specimen began with: of the one before, with the same camera; null: nothing"
        ),
    ] = None


class FieldScale(Struct, frozen=True):
    """What the red cells of one field say, and how many there are to say so."""

    micrometres_per_pixel: Annotated[float, Meta(gt=0)]
    red_cells: Annotated[int, Meta(ge=1)]


class Scale(Struct, frozen=True):
    """How large a pixel is, and how that is known.

    "red cells": of all fields of the specimen so far, or of this one. "remembered": of the specimen before,
    with the same camera. "nucleus", "white cells": a guess from their size, where no field has red cells to
    measure.
    """

    micrometres_per_pixel: Annotated[float, Meta(gt=0)]
    source: Literal["configured", "red cells", "remembered", "nucleus", "white cells"]
    spread: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="how far fields differ from it, as a share of it; null: one field or none"),
    ] = None
    settled: Annotated[
        bool, Meta(description="enough fields agree: it stays for the rest of the specimen")
    ] = False
    field: Annotated[
        FieldScale | None, Meta(description="what this field alone says; null: it has too few red cells")
    ] = None

    @property
    def is_guess(self) -> bool:
        """Return whether it is only told by how large nuclei or white cells usually are."""
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
    background_rgb: Annotated[
        tuple[float, float, float] | None,
        Meta(description="red, green and blue level of bare glass, where a tenth of the frame is bare"),
    ] = None
    stain: Annotated[
        float | None,
        Meta(description="optical density (natural log) of the field in green, root mean square"),
    ] = None
    coverage: Annotated[Share | None, Meta(description="share of the frame that cells cover")] = None
