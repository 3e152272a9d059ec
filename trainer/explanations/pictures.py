"""The galleries: which cells they show, and their titles and words."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from trainer.explanations import gallery
from trainer.explanations.records import Picture
from trainer.explanations.work import DEVICE, GRADCAM, LIME, PLUS, SHAP, firsts_of, in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.explanations.session import Session
    from trainer.explanations.work import Cells, Maker

    Pictures = dict[str, tuple[Picture, bytes]]
    """File name -> what it is, and its PNG."""

_SHOWN = 3  # cells a class in the galleries
_SLOW_SHARE = 4  # LIME and SHAP explain a quarter of the images, and of each class at least one


def black_boxes(
    maker: Maker, cells: Cells, chosen: Sequence[str], classes: Sequence[str], session: Session
) -> Pictures:
    """Explain by LIME and SHAP, one cell of each class first, and draw these."""
    firsts = firsts_of(cells)
    wanted = in_order(cells)[: max(len(firsts), len(cells.subjects) // _SLOW_SHARE)]
    slow = [name for name in (SHAP, LIME) if name in chosen]
    bars = {name: session.bar(name, len(wanted)) for name in slow}
    for method in slow:
        maker.slow(method, cells, firsts, session.deadline.part(0.4), partial(bars[method], 1))
    for method in slow:
        less = maker.slow(method, cells, wanted, session.deadline.part(0.25), partial(bars[method], 1))
        session.unreached += [less] if less else []
    pictures = {}
    if shown := [i for i in firsts if i in maker.shap]:
        title = "SHAP: what speaks for each class, and against it"
        content = gallery.shap_rows(
            [_shown(cells, i) for i in shown], [maker.shap[i] for i in shown], classes, title
        )
        says = "One cell of each class; columns: each class. Over the columns, the sum of the values."
        pictures["shap.png"] = (Picture(title, "shap.png", says), content)
    if shown := [i for i in firsts if i in maker.lime]:
        title = "LIME: the superpixels that speak most for each class"
        content = gallery.lime_rows(
            [_shown(cells, i) for i in shown], [maker.lime[i] for i in shown], classes, title
        )
        says = (
            "One cell of each class; columns: each class. Over the columns, the percentage points of "
            "probability that the outlined superpixels bring; where none speaks for a class, all is pale."
        )
        pictures["lime.png"] = (Picture(title, "lime.png", says), content)
    return pictures


def galleries(cells: Cells, chosen: Sequence[str], classes: Sequence[str]) -> Pictures:
    """A picture a class: some of its cells with the maps of their calls."""
    pictures = {}
    names = [name for name in (GRADCAM, PLUS, DEVICE) if name in chosen and name in cells.maps]
    for label, name in enumerate(classes):
        numbers = [i for i, subject in enumerate(cells.subjects) if subject.label == label][:_SHOWN]
        if not numbers or not names:
            continue
        file = f"maps-{re.sub(r'[^a-z0-9]+', '-', name.lower())}.png"
        title = f"{name}: what the call rests on"
        content = gallery.maps_of_class(
            title,
            [_shown(cells, i) for i in numbers],
            {method: [cells.maps[method].get(i) for i in numbers] for method in names},
            classes,
        )
        says = (
            "Outlines: red the nucleus, green the cell, as found by the masking; white, on the overlays: "
            "half of the map's peak."
        )
        pictures[file] = (Picture(title, file, says), content)
    return pictures


def _shown(cells: Cells, number: int) -> gallery.Shown:
    return gallery.Shown(cells.subjects[number], cells.called[number], cells.probability[number])
