"""How right the answering model was on the cells that people have named, by the calls it made before them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from edge.adaptation.counted_share import CountedShare
from edge.labels import OTHER
from edge.slide.contribution import COUNTED_ELSEWHERE
from edge.specimens.named_count import unfit
from edge.specimens.records import ClassCalls, MeasuredCalls

if TYPE_CHECKING:
    from collections.abc import Collection

    from edge.messages import ModelReference
    from edge.store.fields import Store


def measured_calls(
    store: Store, model: ModelReference, labels: Collection[str], *, simulated: bool
) -> MeasuredCalls:
    """Return how this model's calls compare with people's names, over all specimens of this device.

    A call was made before the person saw it, so also of a model that was fitted to these cells since. Cells
    that the edge cuts, those of fields that were smeared, discarded specimens, and calls of other models are
    left out. labels: the model's; what people call otherwise is `other` for it. simulated: whether the device
    draws its slide. Raises StoreError.
    """
    cells: Counter[str] = Counter()
    right: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    calls, wrong = 0, 0
    for specimen in store.specimens():
        name = specimen.specimen_id
        if unfit(specimen, simulated=simulated) is not None or not store.ledger.reviews(name):
            continue
        standings = store.ledger.standings(name)
        by_model = store.cells.called_by(name, model.sha256)
        for cell_id, word in store.ledger.words(name, standings).items():
            one = standings.get(cell_id)
            if one is None or one.aside in COUNTED_ELSEWHERE or cell_id not in by_model:
                continue
            named = word.label if word.label is not None and word.label in labels else OTHER
            cells[named] += 1
            right[named] += one.label == named
            refused[named] += one.aside is not None
            if one.aside is None:
                calls += 1
                wrong += one.label != named
    counted = sum(cells.values()) - cells[OTHER]
    return MeasuredCalls(
        model=model,
        cells=sum(cells.values()),
        called=_share(counted - sum(refused.values()) + refused[OTHER], counted),
        wrong_calls=_share(wrong, calls),
        classes=tuple(
            ClassCalls(label, _share(right[label], cells[label]), refused[label]) for label in sorted(cells)
        ),
    )


def _share(count: int, of: int) -> CountedShare:
    return CountedShare.counted(count, of, digits=1)
