"""How a model errs: its confusion matrix on photographs that it was not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORST_CONDITION = 50.0  # beyond, one cell more or less moves the result by dozens


class Confusion(Struct, frozen=True):
    """How a model answered to what it was not trained on, as the device would: with its right to refuse.

    on: which photographs. labels: the model's, in its order. counts: a row for each true label, a column for
    each called one and one more for cells refused as uncertain or unfamiliar; each photograph weighs 1,
    however many copies there are of it.
    """

    on: str
    labels: Annotated[tuple[str, ...], Meta(min_length=2)]
    counts: tuple[tuple[Annotated[float, Meta(ge=0)], ...], ...]

    def problem(self) -> str | None:
        """Say why it is no confusion matrix, or None."""
        rows, columns = len(self.labels), len(self.labels) + 1
        if len(self.counts) != rows or any(len(row) != columns for row in self.counts):
            return f"its confusion matrix is not {rows} rows of {columns}"
        return None

    def uncorrectable(self) -> str | None:
        """Say why nothing can be corrected by it, or None."""
        missing = [label for label, row in zip(self.labels, self.counts, strict=True) if not sum(row)]
        if missing:
            return f"the model's held-out photographs show no {', '.join(missing)}"
        import numpy as np  # noqa: PLC0415 (the page's process reads bundles, and mostly counts nothing)

        if np.linalg.cond(answers(np.array(self.counts))) > _WORST_CONDITION:
            return "the model confuses classes so often that its confusion matrix cannot be inverted"
        return None


def answers(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return from counts (..., true, called and refused) the chances of each call: (..., called, true)."""
    shares = counts / counts.sum(axis=-1, keepdims=True)
    swapped: NDArray[np.float64] = shares[..., :-1].swapaxes(-1, -2)
    return swapped
