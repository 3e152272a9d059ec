"""Results that need no model and no picture; an analyzer that always says the same of the same picture."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from edge import identity
from edge.daemon.model import Model
from edge.messages import Alignment, Cell, FieldResult, Heatmap, Info, ModelReference, Quality, Scale

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEVICE = "test-1"
LABELS = ("neutrophil", "lymphocyte", "monocyte", "eosinophil")
MODEL = ModelReference("scripted", "0" * 64)


def cell(
    label: str = "neutrophil", *, rejected: str | None = None, cut_by_edge: bool = False, map_side: int = 4
) -> Cell:
    return Cell(
        cell_id=identity.new_id(),
        box=(1, 2, 30, 40),
        crop=(-3, 0, 44, 44),
        label=label,
        probability=0.9,
        probabilities=dict.fromkeys(LABELS, 0.1),
        rejected=rejected,
        cut_by_edge=cut_by_edge,
        heatmap=Heatmap((map_side, map_side), bytes(range(map_side)) * map_side, 3.5),
    )


def quality(reason: str | None = None) -> Quality:
    return Quality(accepted=reason is None, reason=reason, focus=5.0, brightness=180.0, clipped=0.0)


def field(sequence: int = 1, *cells: Cell, specimen_id: str = "S", refused: str | None = None) -> FieldResult:
    return FieldResult(
        field_id=identity.new_id(),
        specimen_id=specimen_id,
        device_id=DEVICE,
        boot_id=identity.boot_id(),
        sequence=sequence,
        captured_at=datetime.now(UTC),
        clock_synced=False,
        historical=False,
        source=f"picture {sequence}",
        width=640,
        height=480,
        model=MODEL,
        quality=quality(refused),
        timings_ms={"total": 1.0},
        cells=cells,
    )


def info() -> Info:
    return Info(
        device_id=DEVICE,
        boot_id=identity.boot_id(),
        versions={},
        model=MODEL,
        labels=LABELS,
        capabilities=(),
        config={},
    )


@dataclass(frozen=True)
class Analyzed:
    width: int
    height: int
    quality: Quality
    cells: tuple[Cell, ...]
    timings_ms: dict[str, float]
    scale: Scale | None = None
    red_cells: int | None = None
    platelets: int | None = None
    alignment: Alignment | None = None


class ScriptedAnalyzer:
    """One cell a picture; its class is the picture's mean brightness modulo the number of classes."""

    def analyze(self, pixels: NDArray[np.uint8], _reference: object = None) -> Analyzed:
        height, width = pixels.shape[:2]
        label = LABELS[round(float(pixels.mean())) % len(LABELS)]
        return Analyzed(width, height, quality(), (cell(label),), {"total": 0.1})

    def learn(self, _logits: object) -> None:
        pass

    def restore(self, _scales: object, _remembered: object, _logits: object) -> None:
        """It measures nothing, and has nothing to take up."""


def scripted(_config: object) -> Model:
    return Model(ScriptedAnalyzer(), LABELS, MODEL, "scripted 1")


CELLS = (
    cell("neutrophil"),
    cell("neutrophil"),
    cell("lymphocyte"),
    cell("monocyte", rejected="uncertain"),
    cell("lymphocyte", cut_by_edge=True),
)
"""Of a field: counted ones, one that is doubtful, and one that the frame cuts."""
