"""What the daemon counts with: a model, and the analyzer that asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from edge.updates.probation import FirstStart

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge.messages import Alignment, Cell, ModelReference, Quality, Scale
    from edge.messages.field import Box
    from edge.models.confusion import Confusion
    from edge.models.known import KnownMicroscopes
    from edge.naming.alignment import Told
    from edge.quality.reference import QualityReference


class AnalyzedField(Protocol):
    """What an analyzer says of one frame. The cells have no ids yet."""

    @property
    def width(self) -> int:
        """Of the frame, pixels."""
        ...

    @property
    def height(self) -> int:
        """Of the frame, pixels."""
        ...

    @property
    def quality(self) -> Quality:
        """Whether it was worth analysing."""
        ...

    @property
    def scale(self) -> Scale | None:
        """How large a pixel is, where that is known."""
        ...

    @property
    def red_cells(self) -> int | None:
        """How many red cells a finder saw, an estimate; None without a finder."""
        ...

    @property
    def platelets(self) -> int | None:
        """How many platelets a finder saw, an estimate; None without a finder."""
        ...

    @property
    def alignment(self) -> Alignment | None:
        """What was taken from the cells' logits, if the model's bundle knows of that."""
        ...

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every white cell."""
        ...

    @property
    def timings_ms(self) -> dict[str, float]:
        """How long each stage took."""
        ...


class FieldAnalyzer(Protocol):
    """Frame in, field out."""

    def analyze(self, pixels: NDArray[np.uint8], reference: QualityReference) -> AnalyzedField:
        """Analyse a frame, uint8 RGB (height, width, 3). reference: what the specimen's fields are like."""
        ...

    def look(self, pixels: NDArray[np.uint8], /) -> tuple[Box, ...]:
        """Return the boxes of a frame's white cells, from which nothing is learnt: it is not counted."""
        ...

    def restore(self, scales: Iterable[Scale], remembered: float | None, told: Told, /) -> None:
        """Begin a specimen, or go on with it.

        scales: of its fields so far, in their order. remembered: micrometres a pixel, of the specimen before.
        told: by its cells that this model has called, of how far its logits have moved.
        """
        ...

    def learn(self, logits: Sequence[Sequence[float]], /) -> None:
        """Let cells that have not told yet, (n, labels), tell how far the specimen's logits have moved."""
        ...


class CountingModel(Protocol):
    """A model that counts. It may become another one between two frames, as `ModelInUse` does."""

    @property
    def analyzer(self) -> FieldAnalyzer:
        """What analyses frames with it."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that it counts."""
        ...

    @property
    def reference(self) -> ModelReference:
        """Its name, and its bundle's hash."""
        ...

    @property
    def runtime(self) -> str:
        """What runs it, with its version."""
        ...

    @property
    def confusion(self) -> Confusion | None:
        """How it errs, if its bundle says so."""
        ...

    @property
    def known(self) -> KnownMicroscopes | None:
        """What cells of the microscopes that it knows are like, if its bundle says so."""
        ...

    @property
    def first_start(self) -> FirstStart:
        """Who is told that it works."""
        ...


class Model(NamedTuple):
    """An analyzer, what is known of the model behind it, and its trial where it was just installed."""

    analyzer: FieldAnalyzer
    labels: tuple[str, ...]
    reference: ModelReference
    runtime: str
    confusion: Confusion | None = None
    known: KnownMicroscopes | None = None
    first_start: FirstStart = FirstStart()
