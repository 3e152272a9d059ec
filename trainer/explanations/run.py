"""`leukoscope-train explain`: maps, pictures and the proof of a run, within a bound on time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from edge.errors import ConfigError, OutputError
from edge.models.bundle import read_bundle
from trainer.evaluation.bootstrap import DRAWS
from trainer.evaluation.record import part_of
from trainer.explanations import measures, proof
from trainer.explanations.baselines import BASELINES
from trainer.explanations.deadline import Deadline
from trainer.explanations.device import Device, Int8
from trainer.explanations.page import page
from trainer.explanations.parts import by_source, curves, fidelity_of, on_cells, randomised, true_groups
from trainer.explanations.pictures import black_boxes, galleries
from trainer.explanations.records import SCHEMA, Explanation
from trainer.explanations.session import Session
from trainer.explanations.subjects import held_out
from trainer.explanations.work import DEVICE, GRADCAM, METHODS, Cells, Maker
from trainer.files import put_in_place
from trainer.networks.predicting import predict
from trainer.training.run import open_run, progress_bar, quantized_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import keras
    import numpy as np
    from numpy.typing import NDArray

    from trainer.training.run import Run

PAGE, FIGURES = "explanation.html", "explanation.json"


def explain_run(
    folder: Path,
    data: Path,
    out: Path | None = None,
    *,
    images: int = 200,
    time_limit: float = 600.0,
    methods: Sequence[str] = tuple(METHODS),
    on: str = "int8",
    model: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Explanation:
    """Explain what a run held out of training; write page, figures and pictures into `out`.

    out: default the folder `explanation` of the run. images: cells in the proof. time_limit: seconds from
    now; what they were not enough for is named in the result. methods: keys of `METHODS`. on: "int8" or
    "float", the arithmetic that LIME, SHAP, deletion and insertion ask. model: a bundle of this run, instead
    of quantizing anew.
    Raises BundleError, ConfigError, DataError, ExportError, NoRuntimeError, OutputError.
    """
    started, deadline = clock(), Deadline(time_limit, clock)
    out = out or folder / "explanation"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror or error})") from None
    with progress_bar() as progress:
        session = Session(deadline, progress)
        opened = open_run(folder, data, progress)
        run, network, seen = opened.run, opened.model, set(opened.seen.photographs)
        classes = run.recipe.data.classes
        if model is None:
            quantized = quantized_run(opened, progress)
            int8 = Int8(quantized.model, quantized.outputs, quantized.turns)
        else:
            int8 = _of_bundle(model, run)
        del opened  # its crops fill a gigabyte
        if run.recipe.data.split == "study":
            session.notes.append("this split deals copies of the same photographs to training as well")
        chosen = [METHODS[name] for name in methods]
        if not int8.has_maps and DEVICE in chosen:
            session.notes.append("no maps in the int8 file: the device could not show why it calls a cell so")
        device = Device(int8)
        ask = device.logits if on == "int8" else _float(network, run.recipe.turns)
        maker = Maker(network, device, chosen, ask, classes, run.recipe.turns)
        cells = _cells(maker, run, folder, data, images, session)
        pictures = black_boxes(maker, cells, chosen, classes, session)
        fidelity = fidelity_of(int8, cells, maker, images, session)
        changed = randomised(network, cells, chosen, session)
        groups = [*by_source(cells), *true_groups(maker, run, data, seen, images, session)]
        measured, mean_curves = curves(maker, cells, session)
        measured += [one for name, group, numbers in groups for one in on_cells(name, group, numbers)]
        alike = {
            name: {i: measures.pearson(found[i], cells.maps[GRADCAM][i]) for i in found}
            for name, found in cells.maps.items()
            if name != GRADCAM
        }
        rows = proof.rows(proof.Measured("held out", proof.CORRELATION, alike), cells.photographs)
        by_group = {"held out": cells.photographs} | {n: g.photographs for n, g, _ in groups}
        for one in measured:
            rows += proof.rows(one, by_group[one.group])
        pictures = galleries(cells, chosen, classes) | pictures
        found = Explanation(
            schema=SCHEMA,
            recipe=run.recipe.name,
            network=str(run.recipe.network["name"]),
            classes=classes,
            layer=str(maker.cam.layer.name),
            measured_on=part_of(run.recipe.data),
            model="quantized anew from the run" if model is None else model.name,
            on=on,
            images=len(cells.subjects),
            time_limit=time_limit,
            seconds=round(clock() - started, 1),
            bootstrap_draws=DRAWS,
            unreached=tuple(session.unreached),
            notes=tuple(session.notes),
            blank={
                name: (sum(map(measures.is_blank, cells.maps[name].values())), len(cells.maps[name]))
                for name in (*chosen, *BASELINES)
                if name in cells.maps
            },
            fidelity=fidelity,
            rows=tuple(row for row in rows if row.method in chosen or row.method in BASELINES),
            curves=mean_curves,
            randomisation=changed,
            costs=maker.costs(),
            pictures=tuple(picture for picture, _ in pictures.values()),
        )
    _write(out, found, {name: content for name, (_, content) in pictures.items()})
    return found


def _of_bundle(path: Path, run: Run) -> Int8:
    bundle = read_bundle(path)
    told = bundle.description
    # Of another split it may have been trained on what this run held out.
    if told.labels != run.recipe.data.classes or told.training.get("split_sha256") != run.split_sha256:
        raise ConfigError(f"{path}: was not exported from this run: its classes or its split are others")
    return Int8(bundle.model, told.outputs, told.turns)


def _float(network: keras.Model, turns: int) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    return lambda pixels: predict(network, pixels, turns)


def _cells(maker: Maker, run: Run, folder: Path, data: Path, images: int, session: Session) -> Cells:
    kept = run.held_out if run.recipe.data.split == "photographs" else run.tested
    if not kept:
        raise ConfigError(f"{folder}: nothing was held out of this run's training to explain")
    advance = session.bar("Grad-CAM, int8 maps and baselines", images)
    deadline = session.deadline.part(0.35)
    cells = maker.fast(held_out(run, folder, data, session.progress), images, deadline, advance)
    if deadline.over:
        session.short("cells", len(cells.subjects), images)
    elif len(cells.subjects) < images:
        session.notes.append(f"no more than {len(cells.subjects)} cells were held out")
    return cells


def _write(out: Path, found: Explanation, pictures: dict[str, bytes]) -> None:
    try:
        for name, content in pictures.items():
            put_in_place(out / name, content)
        put_in_place(out / FIGURES, msgspec.json.format(msgspec.json.encode(found), indent=1))
        put_in_place(out / PAGE, page(found, pictures).encode())
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror or error})") from None
