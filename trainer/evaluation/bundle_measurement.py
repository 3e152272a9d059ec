"""What a bundle is worth on labelled images, as the device would call them, with its right to refuse."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import Struct

from edge.errors import BundleError, ConfigError, OutputError
from edge.labels import OTHER
from edge.models.bundle import read_bundle
from edge.models.reject import TOO_FAR
from edge.naming.classifier import Classifier
from edge.naming.seen_cells import seen_before
from trainer.data.datasets import find_set, known_to
from trainer.data.fields import one_name_a_field
from trainer.data.images import DataError
from trainer.data.own_sets import set_of_path
from trainer.data.photographs_of_sets import Contents, originals_of, photographs_of_sets
from trainer.data.samples import Loaded, load_samples, named
from trainer.data.splits import photograph_weights
from trainer.evaluation.metrics import Estimate, Figures, measure
from trainer.evaluation.rejection import figures
from trainer.evaluation.seen import seen_nearly
from trainer.files import put_in_place
from trainer.recipe import Data, Recipe
from trainer.training.fitting import centre
from trainer.training.run import progress_bar, read_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rich.progress import Progress

    from edge.models.bundle import Bundle
    from edge.models.reject import Reject
    from edge.naming.classifier import Call
    from trainer.data.arrays import Samples
    from trainer.data.dataset import Dataset
    from trainer.training.run import Run

SCHEMA = "leukoscope.measurement/1"
_COUNTED = "photographs or slides"


class Measurement(Struct, frozen=True):
    """A bundle's figures on one data set.

    data_sha256: of the data set.
    part: all of the set, or what of it the run had not trained on. left_out: images without a cell, or whose
    photograph is not known, and those of `trained_on`, whose cell looks like one that the bundle was trained
    on; they count in nothing else. calls: of the likeliest class, before any refusal.
    among_counted: of the cells of classes that are counted alone, by the likeliest of these; None where there
    are no such cells, or the bundle knows no others. rejecting: see `trainer.evaluation.rejection.figures`.
    """

    schema: str
    model: str
    model_sha256: str
    on: str
    part: str
    images: int
    photographs: int
    left_out: int
    data_sha256: str
    calls: Figures
    among_counted: Figures | None
    rejecting: dict[str, float]
    trained_on: int = 0


def measure_bundle(
    model: Path,
    data: Path,
    on: str,
    *,
    run: Path | None = None,
    photographs: Path | None = None,
) -> Measurement:
    """Measure a bundle on a data set or a folder; with `run`, on what that run was not trained on.

    Each image's largest cell (or the one in its box) is cut and called as on the device. Left out is what
    looks like a cell that the bundle was trained on, and with `run` what is of a photograph that it was
    trained on. photographs: groups file made earlier.
    Raises BundleError, ConfigError, DataError.
    """
    bundle = read_bundle(model)
    try:
        trained = msgspec.convert(bundle.description.training.get("recipe"), Recipe)
    except msgspec.ValidationError as error:
        raise BundleError(f"{model}: does not say by which recipe it was trained ({error})") from None
    on, described = set_of_path(on, data, known_to(trained.data))
    own = on in map(posixpath.normpath, trained.data.sets)
    if own and run is None:
        raise ConfigError(f"{on}: {model} was trained on it; give its run to measure what was held out")
    record = None if run is None else _run_of(bundle, run)
    asked = msgspec.structs.replace(
        trained.data,
        sets=(on,),
        split="photographs",
        test_sets=(),
        leave_out=(),
        own={**trained.data.own, **described},
    )
    with progress_bar() as progress:
        contents = Contents()
        trained_on: set[str] = set()
        if not own:
            dataset = find_set(on, asked.own, data)
            trained_on = (
                _behind_copies(dataset, trained.data, data)
                if record is None or run is None
                else _trained_on(record, run, data, progress, contents)
            )
        loaded = load_samples(
            msgspec.structs.replace(trained, data=asked),
            data,
            run,
            photographs,
            progress,
            every_class=False,
            contents=None if own else contents,
        )
        samples, part = loaded.samples, "all"
        if own and record is not None:
            samples, part = samples.chosen(_held_out(on, loaded, record)), "held out of training"
        seen = np.zeros(len(samples.labels), np.bool_)
        if not own:
            seen = named(samples, trained_on) | seen_before(tuple(centre(samples.pixels)), bundle.seen)
            seen[~seen] = seen_nearly(samples.pixels[~seen], bundle.seen)
            samples = samples.chosen(~seen)
        if not len(samples.labels):
            raise ConfigError(f"{on}: {model} was trained on the cells of all its images")
        classifier = Classifier.load(model)
        bar = progress.add_task("calling", total=len(samples.labels), note="")
        calls = []
        for crop in centre(samples.pixels):
            calls.append(classifier.classify(crop))
            progress.advance(bar)
    classes, rule = bundle.description.labels, bundle.description.reject
    probabilities = np.array([call.probabilities for call in calls], np.float64)
    counted = np.array([label != OTHER for label in classes])
    is_known = counted[samples.labels]
    logits = np.log(np.maximum(probabilities, 1e-9)).astype(np.float32)
    right = is_known & (np.where(counted, probabilities, -1.0).argmax(axis=1) == samples.labels)
    return Measurement(
        schema=SCHEMA,
        model=bundle.description.name,
        model_sha256=bundle.sha256,
        on=on,
        part=part,
        images=len(samples.labels),
        photographs=len(set(samples.photographs)),
        left_out=loaded.left_out + int(seen.sum()),
        trained_on=int(seen.sum()),
        data_sha256=loaded.hashes[on],
        calls=measure(logits, samples.labels, samples.photographs, classes, samples.shown()),
        among_counted=among(counted, logits, samples, classes),
        rejecting=figures(
            np.array([call.confidence for call in calls]),
            rule.minimum_probability if rule.familiarity is None else rule.familiarity.minimum_trust,
            right,
            is_known,
            np.array([_answered(call, rule) for call in calls]),
            photograph_weights(samples.shown()),
        ),
    )


def _answered(call: Call, rule: Reject) -> bool:
    """Whether the device would count the call, were its confidence only high enough."""
    if call.label == OTHER or rule.familiarity is None:
        return call.label != OTHER
    near = call.distance is None or call.distance <= TOO_FAR
    return near and float(call.probabilities.max()) >= rule.minimum_probability


def _run_of(bundle: Bundle, run: Path) -> Run:
    """Return the record of the bundle's run. Raises ConfigError for another run's."""
    record = read_run(run)
    if record.split_sha256 != bundle.description.training.get("split_sha256", record.split_sha256):
        raise ConfigError(f"{run}: is not the run that {bundle.path} was made from: it was split otherwise")
    return record


def _trained_on(run: Run, folder: Path, data: Path, progress: Progress, contents: Contents) -> set[str]:
    """Return the photographs that a run was trained on; add the files of its sets to `contents`."""
    groups = photographs_of_sets(run.recipe.data, data, folder, None, progress, contents)
    return {*one_name_a_field(groups).values()} - {*run.held_out, *run.tested, *run.recipe.data.leave_out}


def _held_out(on: str, loaded: Loaded, record: Run) -> NDArray[np.bool_]:
    """Tell which samples of a set a run has held out: bool (n,). Raises ConfigError for none, DataError."""
    then = {posixpath.normpath(name): sha256 for name, sha256 in record.data_sha256.items()}
    if loaded.hashes[on] != then.get(on):
        raise DataError(f"{on}: is not as it was when the run was trained on it")
    held_out = named(loaded.samples, (*record.held_out, *record.tested))
    if not held_out.any():
        raise ConfigError(f"{on}: no image of it was held out of training")
    return held_out


def _behind_copies(dataset: Dataset, trained: Data, data: Path) -> set[str]:
    """Return the originals of a set of copies that a bundle may have been trained on: no hash tells them."""
    if dataset.originals not in {find_set(name, trained.own).originals for name in trained.sets}:
        return set()
    names = {path.stem for path in originals_of(dataset, data) or ()} - set(trained.leave_out)
    return {*one_name_a_field({name: name for name in names}).values()}


def among(
    counted: NDArray[np.bool_], logits: NDArray[np.float32], samples: Samples, classes: Sequence[str]
) -> Figures | None:
    """Measure the cells of the counted classes, bool (classes,), as if there were no other answer."""
    cells = samples.chosen(counted[samples.labels])
    if counted.all() or not len(cells.labels):
        return None
    number = np.cumsum(counted) - 1
    return measure(
        logits[counted[samples.labels]][:, counted],
        number[cells.labels],
        cells.photographs,
        tuple(name for name, is_counted in zip(classes, counted, strict=True) if is_counted),
        cells.shown(),
    )


def sentences(found: Measurement) -> str:
    """Return the figures in words, in percent with 95 % intervals over photographs."""
    calls, rejecting = found.calls, found.rejecting

    def percent(one: Estimate) -> str:
        return f"{100 * one.value:.1f} % ({100 * one.low:.1f}-{100 * one.high:.1f})"

    by_photograph = percent(calls.photograph_accuracy), percent(calls.photograph_macro_recall)
    lines = [
        f"{found.model} on {found.on}, {found.part}: {found.images} images of {found.photographs} {_COUNTED}",
        *_left_out(found.trained_on),
        f"right: {percent(calls.accuracy)}; each cell once: {by_photograph[0]}",
        f"macro recall: {percent(calls.macro_recall)}; each cell once: {by_photograph[1]}",
    ]
    names = [one.label for one in calls.classes]
    for name, row in zip(names, calls.confusion, strict=True):
        if sum(row):
            others = ", ".join(f"{n} {o}" for n, o in zip(row, names, strict=True) if n and o != name)
            own = row[names.index(name)]
            lines.append(f"  {name}: {own} of {sum(row)}{'; called ' + others if others else ''}")
    if found.among_counted is not None:
        among = found.among_counted
        lines.append(
            f"the counted classes alone, were {OTHER} no answer: {percent(among.photograph_accuracy)}, "
            f"macro recall {percent(among.photograph_macro_recall)}, each cell once"
        )
    if "others_called" in rejecting:
        lines.append(
            f"with refusals: no cell is of a class that is counted; {100 * rejecting['others_called']:.1f} % "
            "are called one all the same"
        )
        return "\n".join(lines)
    lines.append(
        f"with refusals: {100 * rejecting['called']:.1f} % of the cells of known classes are called, "
        f"{100 * rejecting['wrong_calls']:.1f} % of all calls are wrong; were 90 % of them called, "
        f"{100 * rejecting['wrong_calls_at_90']:.1f} %"
    )
    if "auroc" in rejecting:
        lines.append(f"known classes against others, AUROC: {rejecting['auroc']:.3f}")
    return "\n".join(lines)


def _left_out(images: int) -> list[str]:
    if not images:
        return []
    return [f"left out: {images} images whose cell looks like one that the model was trained on"]


def write_measurement(path: Path, found: Measurement) -> None:
    """Write the figures as JSON. Raises OutputError."""
    try:
        put_in_place(path, msgspec.json.format(msgspec.json.encode(found), indent=1))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from None
