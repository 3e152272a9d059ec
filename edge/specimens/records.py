"""What is read of specimens and their cells: plain values, as the command line and the page show them."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 (msgspec reads annotations)
from typing import Literal, NamedTuple

from msgspec import Struct

from edge.adaptation.counted_share import CountedShare  # noqa: TC001 (msgspec reads annotations)
from edge.adaptation.remark import Remark  # noqa: TC001 (msgspec reads annotations)
from edge.messages import Cell, Differential, ModelReference
from edge.messages.differential import Signature  # noqa: TC001
from edge.messages.field import Box  # noqa: TC001
from edge.store.signed_revisions import Superseded  # noqa: TC001
from edge.store.specimen import Specimen, SpecimenState  # noqa: TC001

OrderName = Literal["start", "stop", "review", "sign", "discard", "rename", "wbc_count"]


class SpecimenChange(NamedTuple):
    """An order that was done: which, to which specimen as it now stands, and to which of its cells."""

    order: OrderName
    specimen: Specimen
    cell_ids: tuple[str, ...] = ()


class SpecimenSummary(Struct, frozen=True, kw_only=True):
    """A specimen in one line. cells: that count. doubtful: cells that a person should look at and has not.

    lacks_cells: too few count for a signature without a reason. reviewed, renamed: cells that people have
    looked at, and called otherwise than the model. waiting: for a signature. notes: sentences, such as why
    no more is counted.
    """

    specimen_id: str
    specimen_uuid: str
    revision: int
    state: SpecimenState
    simulated: bool
    started_at: datetime
    stopped_at: datetime | None
    target: int
    wbc_count: float | None
    fields: int
    cells: int
    lacks_cells: bool
    doubtful: int
    reviewed: int
    renamed: int
    waiting: bool
    signature: Signature | None
    notes: tuple[str, ...]


class CellRecord(Struct, frozen=True, kw_only=True):
    """One sighting of a white cell: what the model called it, what a person did, and what counts.

    label: what counts now. model_label: what the model called it, with its probability and its second guess.
    confidence: as in the field's message. rejected: why the model does not answer for it. seen_before: it is
    the same cell as one that counts already. aside: why it does not count by the model, or None. doubtful: a
    person should look at it, and nobody has. excluded: a person says that it is no white cell. box: x, y,
    width, height in pixels of its frame; window: the square that its picture shows, likewise.
    """

    cell_id: str
    field_id: str
    sequence: int
    specimen_id: str
    label: str
    model_label: str
    probability: float
    second_label: str | None
    second_probability: float | None
    confidence: float | None
    rejected: str | None
    cut_by_edge: bool
    flags: tuple[str, ...]
    counted: bool
    seen_before: bool
    aside: str | None
    doubtful: bool
    person_label: str | None
    excluded: bool
    reviewed_by: str | None
    reviewed_at: datetime | None
    box: Box
    window: Box
    micrometres_per_pixel: float | None
    picture: bool


class CellDetail(Struct, frozen=True, kw_only=True):
    """All that is known of a cell. found: as its field's message has it, with heat map and probabilities.

    field_width, field_height: of its frame, pixels. source: the frame's name.
    """

    record: CellRecord
    found: Cell
    field_width: int
    field_height: int
    source: str
    captured_at: datetime


class SignedReport(Differential, frozen=True, kw_only=True):
    """A differential as it was signed. superseded: why that signature holds no longer; null: it holds."""

    superseded: Superseded | None = None


class HistoryEntry(Struct, frozen=True, kw_only=True):
    """What was done to a specimen: what, when, by whom where a person did it, and why.

    revision: that it made. One that was signed has a report of its own. noted_at: what the device's clock
    showed then, where it was set only later; null: `at`. clock_synced: false where `at` is by a clock that
    was not set.
    """

    revision: int
    at: datetime
    noted_at: datetime | None = None
    clock_synced: bool = True
    kind: str
    what: str
    operator: str | None
    why: str | None


class CellWord(Struct, frozen=True, kw_only=True):
    """What a person said of a cell, and whether it still holds. label: None: not a white cell."""

    cell_id: str
    at: datetime
    operator: str
    action: str
    label: str | None
    model_label: str
    reason: str | None
    holds: bool


class ClassCalls(Struct, frozen=True):
    """What the model called the cells that people gave one name.

    label: people's name; `other`: no white cell, or of a class that the model does not know. right: called
    so, before any refusal. refused: not counted, of them.
    """

    label: str
    right: CountedShare
    refused: int


class MeasuredCalls(Struct, frozen=True, kw_only=True):
    """How right a model was on cells that people have named since.

    called: of the cells that people counted, those that the model counted too. wrong_calls: of all that it
    counted. People look at doubtful cells first, so it was mostly better than this.
    """

    model: ModelReference
    cells: int
    called: CountedShare
    wrong_calls: CountedShare
    classes: tuple[ClassCalls, ...]


class AdaptationState(Struct, frozen=True, kw_only=True):
    """How far an adaptation has come.

    state: "idle" before the first, "refused" where nothing was changed. doing, done, total: what is being
    done, how much of it is done and how much there is. sentence: what came of it. cells: by class, of those
    it learnt from. before, after: macro recall on cells held back, 0 to 1. model, sha256: the new one.
    remarks: what was passed over, and why; each a code with its values, and a sentence.
    """

    state: Literal["idle", "running", "done", "refused"] = "idle"
    doing: str = ""
    done: int = 0
    total: int = 0
    sentence: str = ""
    cells: dict[str, int] = {}
    before: float | None = None
    after: float | None = None
    model: str | None = None
    sha256: str | None = None
    remarks: tuple[Remark, ...] = ()
