"""A microscope never seen: train on all the others, measure on the one left out, for each in turn.

A `Half` is what is trained and measured: the namer (`trainer.left_out.namer`), the finder. Each step's result
is written as soon as it is there, so a stopped command goes on; a half's own training goes on by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from edge.errors import ConfigError, OutputError
from trainer.data.datasets import DATASETS
from trainer.evaluation.metrics import Estimate  # noqa: TC001 (msgspec reads annotations at run time)
from trainer.evaluation.trust import TrustPoint  # noqa: TC001 (the same)
from trainer.files import put_in_place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SCHEMA: Final = "leukoscope.left-out/1"
RESULTS: Final = "left-out.json"
TABLE: Final = "left-out.md"
MICROSCOPES: Final = ("bccd", "pbc", "raabin", "chula", "munich")
"""The microscopes that are left out in turn."""


class Measured(Struct, frozen=True):
    """What a half reached on the microscope that it had not seen.

    trained_on, measured_on: data sets. counts: how many images, cells, groups. figures: shares of 0 to 1,
    with intervals over groups. notes: what could not be measured, and why. trust: what thresholds of trust
    would do there.
    """

    trained_on: tuple[str, ...]
    measured_on: tuple[str, ...]
    counts: dict[str, int]
    figures: dict[str, Estimate]
    notes: tuple[str, ...] = ()
    trust: tuple[TrustPoint, ...] = ()


class Step(Struct, frozen=True):
    """One half with one microscope left out. made_from: `Half.made_from` then."""

    half: str
    microscope: str
    made_from: str
    measured: Measured


class LeftOut(Struct, frozen=True):
    """All steps, in the order in which they are asked for."""

    schema: str
    steps: tuple[Step, ...]


class Half(Protocol):
    """What is trained on the other microscopes and measured on the one left out."""

    @property
    def name(self) -> str:
        """Return what the table calls it; it starts the names of its files."""

    def made_from(self, microscope: str, data: Path) -> str:
        """Return a hash of all that the result depends on. Raises DataError, ConfigError."""

    def measure(self, microscope: str, data: Path, folder: Path) -> Measured:
        """Train into `folder`, or go on there, and measure on the microscope's sets."""


def sets_without(microscope: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return those of the sets that may be trained on and are not of the microscope. Raises ConfigError."""
    own = next((n for n in names if n not in DATASETS), None)
    if own is not None:
        raise ConfigError(
            f"{own}: is no registered data set, so nobody can tell whether it is of {microscope}; "
            "leave a microscope out of a recipe without it"
        )
    return tuple(n for n in names if DATASETS[n].training and DATASETS[n].microscope != microscope)


def leave_each_out(
    halves: Sequence[Half],
    data: Path,
    out: Path,
    microscopes: Sequence[str] = MICROSCOPES,
    say: Callable[[str], None] = lambda _: None,
) -> LeftOut:
    """Train and measure each half with each microscope left out; write `RESULTS` and `TABLE` into `out`.

    A step whose result is there and was made from the same recipe and data is not done again; steps of other
    microscopes and halves that an earlier call left stay. say: called with what is being done.
    Raises ConfigError for an unknown microscope, OutputError, and what the halves raise.
    """
    strange = [name for name in microscopes if name not in MICROSCOPES]
    if strange:
        raise ConfigError(f"{strange[0]}: is no microscope to leave out; these are: {', '.join(MICROSCOPES)}")
    # What is wrong with the results or with any step is said now, and not after hours of training.
    _former(out / RESULTS)
    wanted = [(half, one, half.made_from(one, data)) for half in halves for one in microscopes]
    for half, microscope, made_from in wanted:
        # Read again each time: another process may measure other microscopes into the same file.
        done = {(step.half, step.microscope): step.made_from for step in _former(out / RESULTS)}
        if done.get((half.name, microscope)) == made_from:
            say(f"{half.name} without {microscope}: measured before")
            continue
        say(f"{half.name} without {microscope}")
        folder = out / f"{half.name}-without-{microscope}-{made_from[:8]}"
        measured = half.measure(microscope, data, folder)
        _save(out, Step(half.name, microscope, made_from, measured))
    return _save(out)


def left_out_table(found: LeftOut) -> Table:
    """Return the table, readable at 80 columns."""
    table = Table(show_lines=True, caption="per cent; 95 % intervals over groups: slides, or originals")
    for title in ("half", "left out", "measured on", "figures"):
        table.add_column(title)
    for step in found.steps:
        one = step.measured
        counts = ", ".join(f"{count:,} {name}" for name, count in one.counts.items())
        figures = [f"{name} {percent(value)}" for name, value in one.figures.items()]
        told = Text("\n".join([*figures, *one.notes]))
        table.add_row(step.half, step.microscope, f"{', '.join(one.measured_on)}\n{counts}", told)
    return table


def left_out_markdown(found: LeftOut) -> str:
    """Return the table for a page: a row a step, a column a figure that any step of its half has."""
    parts = []
    for half in dict.fromkeys(step.half for step in found.steps):
        steps = [step for step in found.steps if step.half == half]
        names = list(dict.fromkeys(name for step in steps for name in step.measured.figures))
        lines = [f"| {half}, left out | cells | {' | '.join(names)} |", f"|{'---|' * (len(names) + 2)}"]
        for step in steps:
            figures = step.measured.figures
            shown = (percent(figures[name]) if name in figures else "-" for name in names)
            cells = step.measured.counts.get("cells", 0)
            lines.append(f"| `{step.microscope}` | {cells:,} | {' | '.join(shown)} |")
        means = [_mean([step.measured.figures.get(name) for step in steps]) for name in names]
        lines.append(f"| mean | | {' | '.join(means)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def percent(estimate: Estimate) -> str:
    """Return a figure in per cent with its interval."""
    return f"{100 * estimate.value:.1f} ({100 * estimate.low:.1f}-{100 * estimate.high:.1f})"


def _mean(estimates: Sequence[Estimate | None]) -> str:
    known = [one.value for one in estimates if one is not None]
    return f"{100 * sum(known) / len(known):.1f}" if len(known) == len(estimates) else "-"


def _former(path: Path) -> tuple[Step, ...]:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=LeftOut)
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); remove it to begin again") from None
    if found.schema != SCHEMA:
        raise ConfigError(f"{path}: is {found.schema}, not {SCHEMA}; remove it to begin again")
    strange = [step.microscope for step in found.steps if step.microscope not in MICROSCOPES]
    if strange:
        raise ConfigError(f"{path}: {strange[0]} is no microscope to leave out; remove it to begin again")
    return found.steps


def _save(out: Path, *new: Step) -> LeftOut:
    """Write the steps that the file holds, and the new ones in place of former ones; return all."""
    done = {(step.half, step.microscope): step for step in (*_former(out / RESULTS), *new)}
    place = {name: number for number, name in enumerate(MICROSCOPES)}
    steps = sorted(done.values(), key=lambda step: (step.half, place[step.microscope]))
    found = LeftOut(SCHEMA, tuple(steps))
    try:
        out.mkdir(parents=True, exist_ok=True)
        put_in_place(out / RESULTS, msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        put_in_place(out / TABLE, left_out_markdown(found).encode())
    except OSError as error:
        raise OutputError(f"{out}: cannot be written to ({error.strerror or error})") from None
    return found
