"""The parts of the proof, each within its share of the time that is left."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from trainer.data.images import DataError
from trainer.explanations import measures, proof
from trainer.explanations.cascade import randomise
from trainer.explanations.device import answer
from trainer.explanations.records import MeanCurves
from trainer.explanations.subjects import TRUTH, with_true_masks
from trainer.explanations.work import GRADCAM, PLUS, in_order

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

    from trainer.explanations.device import Int8
    from trainer.explanations.records import Fidelity, Randomisation
    from trainer.explanations.session import Session
    from trainer.explanations.work import Cells, Maker
    from trainer.training.run import Run

    Group = tuple[str, Cells, list[int]]
    """Its name, its cells, and which of them belong to it."""

_RANDOMISED = 48  # images of the cascade
_TRUTH = 100  # images of each set with masks drawn by people


def fidelity_of(
    int8: Int8, cells: Cells, maker: Maker, images: int, session: Session
) -> tuple[Fidelity, ...]:
    """Compare the int8 maps with float Grad-CAM of the same class, on every runtime."""
    if not cells.subjects:
        session.short("fidelity: cells", 0, images)
        return ()
    pixels = cells.pixels(range(len(cells.subjects)))
    called = np.array(cells.called, np.int64)
    if not int8.has_maps:
        return ()
    answers, troubles = answer(int8, pixels, session.deadline.part(0.3).left)
    session.notes += [f"fidelity was not measured on every runtime: {trouble}" for trouble in troubles]
    float_calls = maker.cam.maps(pixels, called).logits.argmax(axis=1)
    true = [cells.maps[GRADCAM][i] for i in range(len(pixels))]
    found = []
    for name, one in answers.items():
        reached = len(one.logits)
        session.short(f"fidelity on {name}: cells", reached, len(pixels))
        maps, of_float = one.evidence(called[:reached]), true[:reached]
        found.append(
            proof.fidelity(
                one.runtime,
                [measures.pearson(a, b) for a, b in zip(maps, of_float, strict=True)],
                ([measures.is_blank(a) for a in maps], [measures.is_blank(b) for b in of_float]),
                one.called() == float_calls[:reached],
                cells.photographs[:reached],
            )
        )
    return tuple(found)


def randomised(
    network: keras.Model, cells: Cells, chosen: Sequence[str], session: Session
) -> Randomisation | None:
    """How much of the maps is left while the weights are drawn anew; None where no such map is chosen."""
    if not {GRADCAM, PLUS} & set(chosen):
        return None
    advance = session.bar("randomisation", 100)
    so_far = [0]

    def report(done: int, of: int) -> None:
        advance(100 * done // of - so_far[0])
        so_far[0] = 100 * done // of

    found, less = randomise(
        network, cells, in_order(cells)[:_RANDOMISED], session.deadline.part(0.35), report
    )
    session.unreached += less
    return found


def by_source(cells: Cells) -> list[Group]:
    """Return the held-out cells of each data set whose masks our own masking found."""
    sources = dict.fromkeys(subject.source for subject in cells.subjects)
    together = [("held out, own masks", cells, list(range(len(cells.subjects))))] if len(sources) > 1 else []
    return together + [
        (f"{source}, own masks", cells, [i for i, s in enumerate(cells.subjects) if s.source == source])
        for source in sources
    ]


def true_groups(
    maker: Maker, run: Run, data: Path, seen: set[str], images: int, session: Session
) -> list[Group]:
    """Explain cells of the sets with masks drawn by people, of photographs that training did not show."""
    groups: list[Group] = []
    for name in TRUTH:
        if run.recipe.data.split == "study" and name.startswith("bccd"):
            session.notes.append(f"{name}: left out, for the run's split shows its photographs in training")
            continue
        if not (data / name.partition("/")[0]).is_dir():
            session.notes.append(f"{name}: is not below the data directory")
            continue
        wanted = min(images, _TRUTH)
        advance = session.bar(f"cells of {name}", wanted)
        subjects = with_true_masks(data, name, run.recipe.data.masking, seen)
        deadline = session.deadline.part(0.3)
        try:
            cells = maker.fast(subjects, wanted, deadline, advance)
        except DataError as error:
            session.notes.append(f"{name}: left out; {error}")
            continue
        if deadline.over:
            session.short(f"{name}: cells", len(cells.subjects), wanted)
        elif not cells.subjects:
            session.notes.append(f"{name}: the masking of this run finds no whole cell in it")
        groups.append((f"{name}, drawn masks", cells, list(range(len(cells.subjects)))))
    return groups


def on_cells(name: str, cells: Cells, numbers: Sequence[int]) -> list[proof.Measured]:
    """Measure energy and pointing in nucleus and cell, where there are masks."""
    found = []
    for kind in ("nucleus", "cell"):
        masks = {i: mask for i in numbers if (mask := getattr(cells.subjects[i], kind)) is not None}
        if not masks:
            continue
        for figure, measure in (
            (proof.ENERGY[kind], measures.energy_inside),
            (proof.POINTING[kind], measures.points_inside),
        ):
            values = {
                method: {i: float(measure(grids[i], mask)) for i, mask in masks.items() if i in grids}
                for method, grids in cells.maps.items()
            }
            found.append(proof.Measured(name, figure, values))
    return found


def curves(
    maker: Maker, cells: Cells, session: Session
) -> tuple[list[proof.Measured], tuple[MeanCurves, ...]]:
    """Delete and insert by every method's map of each cell, as many as time allows."""
    order = in_order(cells)
    advance = session.bar("deletion and insertion", len(order))
    areas: dict[str, dict[str, dict[int, float]]] = {proof.DELETION: {}, proof.INSERTION: {}}
    drawn: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    done = 0
    for number in order:
        if session.deadline.over:
            break
        for method, both in maker.curves(cells, number).items():
            drawn[method].append(np.stack(both))
            for figure, curve in zip(areas, both, strict=True):
                areas[figure].setdefault(method, {})[number] = measures.area(curve)
        done += 1
        advance(1)
    session.short("deletion and insertion: cells", done, len(order))
    means = {method: np.mean(of_method, axis=0).round(5) for method, of_method in drawn.items()}
    return (
        [proof.Measured("held out", figure, values) for figure, values in areas.items()],
        tuple(
            MeanCurves(method, len(drawn[method]), tuple(mean[0].tolist()), tuple(mean[1].tolist()))
            for method, mean in means.items()
        ),
    )
