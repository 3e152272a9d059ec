"""A microscope that the model does not know: what the daemon counts on it, before and after cells are named.

A real daemon with a real broker counts fields of a labelled data set. Then it counts others, so many cells of
each class are named there, as a person does on the page, the model is adapted, and the first fields are
counted again.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.daemon import configuration
from edge.config import load_config
from edge.demo.broker import LocalBroker
from edge.errors import LeukoscopeError
from edge.messages.commands import ReviewCells
from edge.messages.target import MOST_CELLS
from edge.specimens.adapting import adapt_to_named
from edge.specimens.service import SpecimenService
from edge.store.fields import Store
from edge.updates.device_key import sign_for_device
from edge.updates.install import install
from trainer.data.datasets import list_images
from trainer.evaluation.finding import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge.config import Config
    from edge.messages import Differential, FieldResult
    from trainer.data.images import LabelledImage

_LIMIT_S = 900


@dataclass(frozen=True)
class Count:
    """What the daemon made of the fields. Shares are 0 to 1, of cells whose class is known.

    verdict: whether it knows the microscope, and reasons, why not. refused: of the fields, as out of focus or
    the like; what follows is of the others. cells: with a known class. found: of them. recall: of the
    classes, in the mean, where a cell that is not found, or refused, is not right. called: of those found.
    wrong: of the calls. outside: classes whose true share their interval excludes.
    """

    verdict: str | None
    refused: float
    cells: int
    found: float
    recall: float
    called: float
    wrong: float
    outside: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class MicroscopeRun:
    """One set: how many fields were counted, how many cells named, and the count before and after."""

    name: str
    fields: int
    named: dict[str, int]
    before: Count
    after: Count | None
    note: str = ""


def measure(
    model: Path, data: Path, name: str, folder: Path, *, fields: int, named: int, seed: int = 0
) -> MicroscopeRun:
    """Count `fields` fields of a data set with the bundle, name so many cells a class in others, and adapt.

    folder: empty, for the device's files. Raises DataError, and LeukoscopeError where the daemon fails.
    """
    cells = [one for one in list_images(data, name) if one.box is not None]
    if not cells:
        raise LeukoscopeError(
            f"{name}: has no boxes that say where in a field its cells lie; give a set with them"
        )
    counted, others = _parts(cells, fields, seed)
    if not counted or not others:
        raise LeukoscopeError(f"{name}: has too few fields: some are counted, and cells are named in others")
    with LocalBroker() as broker:
        device = _Device(model, folder, broker)
        before = _count(device, "BEFORE", counted)
        device.run("NAMED", others)
        told = device.name("NAMED", others, named, seed)
        try:
            adapt_to_named(device.config, ("NAMED",))
        except LeukoscopeError as error:
            return MicroscopeRun(name, len({one.path for one in counted}), told, before, None, str(error))
        after = _count(device, "AFTER", counted)
    return MicroscopeRun(name, len({one.path for one in counted}), told, before, after)


def markdown(run: MicroscopeRun) -> str:
    """Return a table: a row before and a row after cells were named."""
    lines = [
        f"`{run.name}`, {run.fields} fields, {run.before.cells} cells of known class; named: "
        + ", ".join(f"{count} {label}" for label, count in run.named.items()),
        "",
        "| | microscope | fields refused | found | macro recall | called | wrong calls | interval misses |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for when, one in (("before", run.before), ("after", run.after)):
        if one is None:
            lines.append(f"| {when} | not adapted: {run.note} | | | | | | |")
            continue
        shares = " | ".join(
            f"{100 * v:.1f} %" for v in (one.refused, one.found, one.recall, one.called, one.wrong)
        )
        lines.append(f"| {when} | {one.verdict} | {shares} | {', '.join(one.outside) or 'none'} |")
    return "\n".join(lines)


class _Device:
    """A device's folder: its store, its models, and the pictures that its camera gives."""

    def __init__(self, model: Path, folder: Path, broker: LocalBroker) -> None:
        self._folder, self._broker = folder, broker
        (folder / "keys").mkdir()
        self._configure("FIRST", folder)
        own = folder / "first.tflite"
        shutil.copyfile(model, own)
        sign_for_device(own, self.config)
        install(own, self.config)

    def run(self, specimen: str, cells: Iterable[LabelledImage]) -> None:
        pictures = self._folder / specimen
        pictures.mkdir()
        for path in sorted({one.path for one in cells}):
            shutil.copyfile(path, pictures / _name(path))
        self._configure(specimen, pictures)
        done = subprocess.run(  # noqa: S603 (our own interpreter)
            [sys.executable, "-m", "edge.cli", "run", "--config", str(self._folder / "device.toml")],
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        if done.returncode:
            raise LeukoscopeError(f"the daemon ended with status {done.returncode}: {done.stderr[-300:]}")

    def name(self, specimen: str, cells: Iterable[LabelledImage], each: int, seed: int) -> dict[str, int]:
        """Name up to `each` cells of every class, as the data set does; return how many of each."""
        service = SpecimenService(self.config)
        known = service.classes()
        found: dict[str, list[str]] = defaultdict(list)
        for cell, field, place in self.matched(specimen, cells):
            if place is not None and cell.label in known:
                found[cell.label].append(field.cells[place].cell_id)
        rng = np.random.default_rng(seed)
        told = {}
        for label, ids in sorted(found.items()):
            chosen = tuple(rng.permutation(ids)[:each].tolist())
            told[label] = len(chosen)
            service.review(
                ReviewCells(
                    specimen_id=specimen, cell_ids=chosen, action="relabel", label=label, operator="BENCH"
                )
            )
        return told

    def matched(
        self, specimen: str, cells: Iterable[LabelledImage]
    ) -> list[tuple[LabelledImage, FieldResult, int | None]]:
        """Return each known cell with its field's result and the place in it of the cell that was found."""
        with Store.open(Path(self.config.store.path)) as store:
            fields = {Path(field.source).name: field for field in store.fields(specimen)}
        pairs: list[tuple[LabelledImage, FieldResult, int | None]] = []
        of: dict[str, list[LabelledImage]] = defaultdict(list)
        for one in cells:
            of[_name(one.path)].append(one)
        for name, ones in of.items():
            if name not in fields:
                raise LeukoscopeError(f"{name}: the daemon has no result of it")
            field = fields[name]
            truth = [(b.x, b.y, b.width, b.height) for b in (one.box for one in ones) if b is not None]
            partner = matches(truth, [cell.box for cell in field.cells])
            pairs += [(one, field, partner.get(number)) for number, one in enumerate(ones)]
        return pairs

    def _configure(self, specimen: str, pictures: Path) -> None:
        path = self._folder / "device.toml"
        text = configuration(
            pictures,
            self._broker,
            model={"trusted_keys": str(self._folder / "keys")},
            specimen=f'id = "{specimen}"\ntarget = {MOST_CELLS}',
        )
        path.write_text(text, encoding="utf-8")
        self.config: Config = load_config(path)


def _name(path: Path) -> str:
    return f"{path.parent.name}-{path.name}"


def _parts(
    cells: Sequence[LabelledImage], fields: int, seed: int
) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """Return the cells of the fields that are counted, and of those in which cells are named.

    A cell that is in several fields is in one part only.
    """
    paths = np.random.default_rng(seed).permutation(sorted({str(one.path) for one in cells}))
    chosen = set(paths[: min(fields, len(paths) // 2)].tolist())
    counted = [one for one in cells if str(one.path) in chosen]
    known = {one.cell or one.name for one in counted}
    mixed = {str(one.path) for one in cells if (one.cell or one.name) in known}
    return counted, [one for one in cells if str(one.path) not in mixed]


def _count(device: _Device, specimen: str, cells: Sequence[LabelledImage]) -> Count:
    device.run(specimen, cells)
    differential = SpecimenService(device.config).differential(specimen)
    assessed = {one.label for one in differential.classes}
    pairs = device.matched(specimen, cells)
    fields = {field.field_id: field.quality.accepted for _, field, _ in pairs}
    known = [pair for pair in pairs if pair[0].label in assessed and pair[1].quality.accepted]
    if not known:
        raise LeukoscopeError("no cell is of a class that the model counts")
    right: dict[str, list[bool]] = defaultdict(list)
    found = called = wrong = 0
    for cell, field, place in known:
        result = None if place is None else field.cells[place]
        found += result is not None
        call = result.label if result is not None and result.rejected is None else None
        called += call is not None
        wrong += call is not None and call != cell.label
        right[cell.label].append(call == cell.label)
    return Count(
        verdict=differential.familiar.verdict,
        refused=1 - sum(fields.values()) / len(fields),
        cells=len(known),
        found=found / len(known),
        recall=float(np.mean([np.mean(ones) for ones in right.values()])),
        called=called / max(1, found),
        wrong=wrong / max(1, called),
        outside=_outside(differential, [cell.label for cell, _, _ in known]),
        reasons=differential.familiar.reasons,
    )


def _outside(differential: Differential, truth: Sequence[str]) -> tuple[str, ...]:
    """Return the classes whose interval does not hold their share of the cells of known class."""
    excluded = []
    for one in differential.classes:
        share = 100 * truth.count(one.label) / len(truth)
        if one.low is not None and one.high is not None and not one.low <= share <= one.high:
            excluded.append(one.label)
    return tuple(excluded)
