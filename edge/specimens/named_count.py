"""How many cells of each class people have named, of those that the model can be adapted to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from edge.labels import NOT_WHITE
from edge.slide.contribution import COUNTED_ELSEWHERE
from edge.store.review_reading import aside_of

if TYPE_CHECKING:
    from edge.store.fields import Store
    from edge.store.specimen import Specimen


def unfit(specimen: Specimen, *, simulated: bool) -> str | None:
    """Return the code of the remark why nothing is learnt from a specimen; None where something may be.

    simulated: whether this device draws its slide.
    """
    if specimen.state == "discarded":
        return "discarded"
    if specimen.simulated != simulated:
        return "of blood" if simulated else "drawn"
    return None


def count_named(store: Store, *, simulated: bool) -> dict[str, int]:
    """Return the named cells by what people call them, the most first. Raises StoreError.

    Only whole ones with a picture, of fields that were not smeared: of those the model can learn.
    """
    named: Counter[str] = Counter()
    for specimen in store.specimens():
        if unfit(specimen, simulated=simulated) is not None or not store.ledger.reviews(specimen.specimen_id):
            continue
        standings = store.ledger.standings(specimen.specimen_id)
        pictures = store.pictures.known(specimen.specimen_id)
        for cell_id, word in store.ledger.words(specimen.specimen_id, standings).items():
            if cell_id in pictures and aside_of(cell_id, standings) not in COUNTED_ELSEWHERE:
                named[NOT_WHITE if word.label is None else word.label] += 1
    return dict(named.most_common())
