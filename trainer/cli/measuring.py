"""The commands that measure and explain, `leukoscope-train explain`, `measure`, `find` and `audit`."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add `--data` to a command."""
    parser.add_argument(
        "--data", type=Path, default=Path(), help="directory that holds the data sets (default: this one)"
    )


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add `--force` to a command."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="overwrite also a file that this command has not written (never an input)",
    )


def add_explain(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `leukoscope-train explain`."""
    parser.add_argument("--run", dest="folder", type=Path, required=True, help="directory of the run")
    add_data(parser)
    parser.add_argument(
        "--out", type=Path, help="folder of page, figures and pictures (default: explanation, in the run's)"
    )
    parser.add_argument("--images", type=_count, default=200, help="cells in the proof (default: 200)")
    parser.add_argument(
        "--time-limit",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="what this is not enough for is named in the report (default: 600)",
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=("gradcam", "gradcam++", "device", "lime", "shap"),
        default=("gradcam", "gradcam++", "device", "lime", "shap"),
        help="default: all; device: the maps of the int8 file",
    )
    parser.add_argument(
        "--on",
        choices=("float", "int8"),
        default="int8",
        help="whom LIME, SHAP, deletion and insertion ask (default: int8)",
    )
    parser.add_argument(
        "--model", type=Path, help="a bundle that was exported from the run, instead of quantizing anew"
    )
    parser.set_defaults(run=_explain)


def add_measure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `leukoscope-train measure`."""
    parser.add_argument("--model", type=Path, required=True, help="the bundle")
    add_data(parser)
    parser.add_argument("--on", required=True, help="a data set, or a folder with a folder a class")
    parser.add_argument(
        "--run",
        dest="folder",
        type=Path,
        help="the bundle's run: of a set that it trained on, what it held out",
    )
    parser.add_argument("--photographs", type=Path, help="groups file made earlier")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    add_force(parser)
    parser.set_defaults(run=_measure)


def add_find(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `leukoscope-train find`."""
    add_data(parser)
    parser.add_argument(
        "--part",
        choices=("held", "tuning"),
        default="held",
        help="the images held back from tuning the masking, or the others (default: held)",
    )
    parser.add_argument(
        "--json", type=Path, help="write the figures, and the images behind them, here as well"
    )
    add_force(parser)
    parser.set_defaults(run=_find)


def add_measure_finder(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `leukoscope-train measure-finder`."""
    parser.add_argument("--run", dest="folder", type=Path, required=True, help="a run of fit-finder")
    add_data(parser)
    parser.add_argument(
        "--on", action="append", required=True, metavar="SET", help="a set of fields; may be repeated"
    )
    parser.add_argument(
        "--each-alone", action="store_true", help="look for the scale in each field, as if of any microscope"
    )
    parser.set_defaults(run=_measure_finder)


def add_audit(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `leukoscope-train audit`."""
    parser.add_argument("directory", type=Path, help="its first-level folders are compared")
    parser.add_argument("--originals", type=Path, metavar="DIR", help="the photographs, where they are there")
    parser.add_argument(
        "--out", type=Path, default=Path("audit"), help="folder of the report (default: audit)"
    )
    add_force(parser)
    parser.set_defaults(run=_audit)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return number


def _explain(options: argparse.Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415

    from trainer.explanations.page import summary  # noqa: PLC0415
    from trainer.explanations.run import explain_run  # noqa: PLC0415

    found = explain_run(
        options.folder,
        options.data,
        options.out,
        images=options.images,
        time_limit=options.time_limit,
        methods=options.methods,
        on=options.on,
        model=options.model,
    )
    Console().print(summary(found))
    return 0


def _measure(options: argparse.Namespace) -> int:
    from trainer.data.datasets import folder_of  # noqa: PLC0415
    from trainer.evaluation.bundle_measurement import (  # noqa: PLC0415
        SCHEMA,
        measure_bundle,
        sentences,
        write_measurement,
    )
    from trainer.outputs import files_below, has_mark, refuse_output  # noqa: PLC0415

    if options.json is not None:
        folder = folder_of(options.on, options.data)
        inputs = [options.model, *([options.photographs] if options.photographs else [])]
        inputs += files_below([folder, *([options.folder] if options.folder else [])])
        refuse_output(options.json, "measure", has_mark(SCHEMA), inputs=inputs, force=options.force)
    found = measure_bundle(
        options.model, options.data, options.on, run=options.folder, photographs=options.photographs
    )
    print(sentences(found))
    if options.json is not None:
        write_measurement(options.json, found)
    return 0


def _find(options: argparse.Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    from trainer.data.datasets import folder_of  # noqa: PLC0415
    from trainer.evaluation.finding import (  # noqa: PLC0415
        SETS,
        Finding,
        measure_finding,
        table,
        write_finding,
    )
    from trainer.outputs import files_below, is_json_of, refuse_output  # noqa: PLC0415

    if options.json is not None:
        inputs = files_below(folder_of(name, options.data) for name in SETS)
        refuse_output(options.json, "find", is_json_of(Finding), inputs=inputs, force=options.force)
    with Progress() as progress:
        bar = progress.add_task("finding cells", total=None)
        found = measure_finding(
            options.data,
            options.part,
            lambda name, done, total: progress.update(
                bar, description=f"finding cells of {name}", completed=done, total=total
            ),
        )
    Console().print(table(found))
    if options.json is not None:
        write_finding(options.json, found)
    return 0


def _advance(progress: Progress, bar: TaskID, done: int, total: int) -> None:
    progress.update(bar, completed=done, total=total)


def _measure_finder(options: argparse.Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    from trainer.left_out.measured_finder import finder_table, measure_finder  # noqa: PLC0415

    found = []
    with Progress() as progress:
        for name in options.on:
            bar = progress.add_task(f"finding cells of {name}", total=None)
            report = partial(_advance, progress, bar)
            found.append(
                measure_finder(
                    options.folder, options.data, name, each_alone=options.each_alone, progress=report
                )
            )
    Console().print(finder_table(found))
    return 0


def _audit(options: argparse.Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415

    from trainer.data.audit import audit  # noqa: PLC0415
    from trainer.reports.audit import table  # noqa: PLC0415
    from trainer.training.run import progress_bar  # noqa: PLC0415

    with progress_bar() as progress:
        bar = progress.add_task("recovering photographs", total=None, note="")
        found = audit(
            options.directory,
            options.out,
            originals=options.originals,
            force=options.force,
            progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    Console().print(table(found))
    return 0
