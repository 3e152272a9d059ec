"""leukoscope-train: fit a recipe, export the bundle, measure it, find leaks."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import ConfigError, LeukoscopeError
from edge.memory import keep_all_memory
from trainer.cli.measuring import (
    add_audit,
    add_data,
    add_explain,
    add_find,
    add_force,
    add_measure,
    add_measure_finder,
)
from trainer.cli.microscopes import add_microscopes

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; give its exit status."""
    # TensorFlow talks a lot while it is imported; what matters comes as an exception.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    options = _parser().parse_args(arguments)
    keep_all_memory()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        status: int = options.run(options)
    except LeukoscopeError as error:
        print(f"leukoscope-train: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        where = error.filename or options.command
        print(f"leukoscope-train: {where}: {error.strerror or error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in {"", "edge", "trainer"}:
            raise
        print(
            f"leukoscope-train: {package} is not installed; it comes with the trainer:"
            " pip install 'leukoscope[trainer]'",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("leukoscope-train: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="leukoscope-train", description="Train and export the model.")
    commands = parser.add_subparsers(dest="command", required=True)

    fit = commands.add_parser("fit", help="train a recipe; run it again to go on after a stop")
    fit.add_argument("--recipe", default="clinic", help="a recipe's name, or a TOML file (default: clinic)")
    add_data(fit)
    fit.add_argument("--out", type=Path, required=True, help="directory of the run")
    fit.add_argument(
        "--set",
        dest="sets",
        action="append",
        metavar="SET",
        help="a data set, or a folder with a folder a class, instead of the recipe's; may be repeated",
    )
    fit.add_argument("--photographs", type=Path, help="groups file made earlier, instead of recovering them")
    fit.add_argument("--epochs", type=int, help="instead of the recipe's")
    fit.add_argument("--images-per-epoch", type=int, help="instead of the recipe's")
    fit.add_argument("--seed", type=int, help="instead of the recipe's")
    fit.add_argument(
        "--split", choices=("photographs", "folders", "grouped", "study"), help="instead of the recipe's"
    )
    fit.add_argument("--fold", type=int, help="which fold of a grouped split is kept to measure on, from 0")
    _add_compute(fit)
    fit.set_defaults(run=_fit)

    _add_fit_finder(
        commands.add_parser("fit-finder", help="train the network that finds cells; run it again to go on")
    )

    export = commands.add_parser("export", help="quantize a finished run to int8 and write the bundle")
    export.add_argument("--run", dest="folder", type=Path, required=True, help="directory of the run")
    add_data(export)
    export.add_argument(
        "--out",
        type=Path,
        required=True,
        help="the bundle, a .tflite file; its model card comes beside it as .md",
    )
    export.add_argument(
        "--measured",
        type=Path,
        nargs="+",
        default=(),
        metavar="FILE",
        help="evaluations written by evaluate, of this run or another, whose figures the bundle carries",
    )
    export.add_argument(
        "--finder",
        type=Path,
        metavar="RUN",
        help="the run of fit-finder that the bundle is to carry (default: the finder that ships)",
    )
    export.add_argument(
        "--left-out",
        type=Path,
        metavar="FILE",
        help="left-out.json of microscopes --left-out: how sure a call must be",
    )
    add_force(export)
    export.set_defaults(run=_export)

    evaluate = commands.add_parser("evaluate", help="measure a run on what it was not trained on, in int8")
    evaluate.add_argument("--run", dest="folder", type=Path, required=True, help="directory of the run")
    add_data(evaluate)
    evaluate.add_argument(
        "--runtime",
        choices=("float", "litert", "tflite-runtime"),
        default="litert",
        help="float alone, or int8 beside it on this runtime (default: litert)",
    )
    evaluate.add_argument(
        "--on",
        metavar="SET",
        help="another data set, or a folder with a folder a class (default: what the run held out)",
    )
    evaluate.add_argument("--photographs", type=Path, help="groups file made earlier")
    evaluate.set_defaults(run=_evaluate)

    report = commands.add_parser(
        "report", help="one page of evaluated runs, with plots, and its figures as JSON"
    )
    report.add_argument(
        "--run", dest="folders", type=Path, action="append", required=True, help="may be given several times"
    )
    report.add_argument("--out", type=Path, required=True, help="the page, an .html file")
    report.add_argument("--json", type=Path, help="the figures (default: beside the page)")
    add_force(report)
    report.set_defaults(run=_report)

    compare = commands.add_parser(
        "compare", help="the same recipes under several splits, side by side; run it again to go on"
    )
    compare.add_argument("--recipe", action="append", required=True, help="may be given several times")
    add_data(compare)
    compare.add_argument("--out", type=Path, required=True, help="directory of the runs and comparison.json")
    compare.add_argument("--split", action="append", choices=("study", "folders", "grouped"))
    compare.add_argument("--epochs", type=int, help="instead of the recipes'")
    compare.add_argument("--images-per-epoch", type=int, help="instead of the recipes'")
    compare.add_argument("--photographs", type=Path, help="groups file made earlier")
    compare.add_argument("--write", type=Path, metavar="PAGE", help="put the table between PAGE's markers")
    _add_compute(compare)
    compare.set_defaults(run=_compare)

    for name, what, add in (
        ("explain", "maps of what the calls rest on, and their proof", add_explain),
        ("measure", "measure a bundle on labelled images, as the device would", add_measure),
        ("find", "measure how well cells are found, beside boxes and masks", add_find),
        ("measure-finder", "measure a finder on fields with boxes, as on the device", add_measure_finder),
        ("microscopes", "what there is to learn from; and a microscope never seen", add_microscopes),
        ("audit", "find the photographs behind copies, and leaks between folders", add_audit),
    ):
        add(commands.add_parser(name, help=what))
    return parser


def _add_compute(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="of the arithmetic in training; weights stay float32 (default: float32)",
    )
    command.add_argument("--every-device", action="store_true", help="split each batch over all GPUs")


def _add_fit_finder(finder: argparse.ArgumentParser) -> None:
    finder.add_argument(
        "--recipe", default="finder", help="a recipe's name, or a TOML file (default: finder)"
    )
    add_data(finder)
    finder.add_argument("--out", type=Path, required=True, help="directory of the run")
    finder.add_argument(
        "--left-out",
        action="append",
        default=[],
        metavar="MICROSCOPE",
        help="use nothing of it; may be repeated",
    )
    finder.set_defaults(run=_fit_finder)


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _fit(options: argparse.Namespace) -> int:
    from trainer.data.other_sets import on_other_sets  # noqa: PLC0415
    from trainer.recipe import changed, load_recipe  # noqa: PLC0415
    from trainer.training.compute import Compute  # noqa: PLC0415
    from trainer.training.run import fit_run  # noqa: PLC0415

    recipe = load_recipe(options.recipe)
    if options.sets:
        recipe = on_other_sets(recipe, options.sets, options.data)
    recipe = changed(
        recipe,
        data=_given(options, "split", "fold"),
        training=_given(options, "epochs", "images_per_epoch", "seed"),
    )
    if options.fold is not None and recipe.data.split != "grouped":
        raise ConfigError(f"--fold is for a grouped split; that of {recipe.name} is {recipe.data.split}")
    compute = Compute(options.precision, options.every_device)
    fit_run(recipe, options.data, options.out, options.photographs, compute)
    return 0


def _fit_finder(options: argparse.Namespace) -> int:
    from trainer.finder.recipe import load_finder_recipe  # noqa: PLC0415
    from trainer.finder.run import fit_finder_run  # noqa: PLC0415

    record = fit_finder_run(load_finder_recipe(options.recipe), options.data, options.out, options.left_out)
    precision = record["average_precision"]
    print(
        f"{options.out}: {record['bytes']} bytes; mean average precision on what it was trained on "
        f"{100 * precision['float']:.1f} % in float, {100 * precision['int8']:.1f} % in int8"
    )
    return 0


def _report(options: argparse.Namespace) -> int:
    from trainer.reports.report import report_runs  # noqa: PLC0415

    report_runs(options.folders, options.out, options.json, force=options.force)
    return 0


def _compare(options: argparse.Namespace) -> int:
    from trainer.evaluation.compare import SPLITS, check_page, compare, markdown, write_into  # noqa: PLC0415
    from trainer.training.compute import Compute  # noqa: PLC0415

    if options.write is not None:
        check_page(options.write)  # before the first of many hours
    table = markdown(
        compare(
            options.recipe,
            options.data,
            options.out,
            splits=options.split or tuple(SPLITS),
            training=_given(options, "epochs", "images_per_epoch"),
            photographs=options.photographs,
            compute=Compute(options.precision, options.every_device),
        )
    )
    print(table)
    if options.write is not None:
        write_into(options.write, table)
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415

    from trainer.evaluation.evaluate import evaluate_run  # noqa: PLC0415
    from trainer.reports.evaluation import table  # noqa: PLC0415

    found = evaluate_run(
        options.folder,
        options.data,
        runtime=options.runtime,
        photographs=options.photographs,
        on=options.on,
    )
    Console().print(table(found))
    return 0


def _export(options: argparse.Namespace) -> int:
    from trainer.export.bundling import export_run  # noqa: PLC0415

    export_run(
        options.folder,
        options.data,
        options.out,
        options.measured,
        options.finder,
        left_out=options.left_out,
        force=options.force,
    )
    return 0
