"""leukoscope-train: fit a recipe, export the bundle, measure it, find leaks."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import ConfigError, LeukoscopeError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; give its exit status."""
    # TensorFlow talks a lot while it is imported; what matters comes as an exception.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        status: int = options.run(options)
    except LeukoscopeError as error:
        print(f"leukoscope-train: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_status
    except OSError as error:
        where = error.filename or options.command
        print(f"leukoscope-train: {where}: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print("leukoscope-train: stopped; the same command goes on from the last checkpoint", file=sys.stderr)  # noqa: T201
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="leukoscope-train", description="Train and export the model.")
    commands = parser.add_subparsers(dest="command", required=True)

    fit = commands.add_parser("fit", help="train a recipe; run it again to go on after a stop")
    fit.add_argument("--recipe", default="clinic", help="a recipe's name, or a TOML file (default: clinic)")
    fit.add_argument("--data", type=Path, required=True, help="directory that holds the data sets")
    fit.add_argument("--out", type=Path, required=True, help="directory of the run")
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

    export = commands.add_parser("export", help="quantize a finished run to int8 and write the bundle")
    export.add_argument("--run", dest="folder", type=Path, required=True, help="directory of the run")
    export.add_argument("--data", type=Path, required=True, help="directory that holds the data sets")
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
    export.set_defaults(run=_export)

    evaluate = commands.add_parser("evaluate", help="measure a run on what it was not trained on, in int8")
    evaluate.add_argument("--run", dest="folder", type=Path, required=True, help="directory of the run")
    evaluate.add_argument("--data", type=Path, required=True, help="directory that holds the data sets")
    evaluate.add_argument(
        "--runtime",
        choices=("float", "litert", "tflite-runtime"),
        default="litert",
        help="float alone, or int8 beside it on this runtime (default: litert)",
    )
    evaluate.add_argument("--on", metavar="SET", help="another data set, instead of what the run held out")
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
    report.set_defaults(run=_report)

    compare = commands.add_parser(
        "compare", help="the same recipes under several splits, side by side; run it again to go on"
    )
    compare.add_argument("--recipe", action="append", required=True, help="may be given several times")
    compare.add_argument("--data", type=Path, required=True, help="directory that holds the data sets")
    compare.add_argument("--out", type=Path, required=True, help="directory of the runs and comparison.json")
    compare.add_argument("--split", action="append", choices=("study", "folders", "grouped"))
    compare.add_argument("--epochs", type=int, help="instead of the recipes'")
    compare.add_argument("--images-per-epoch", type=int, help="instead of the recipes'")
    compare.add_argument("--photographs", type=Path, help="groups file made earlier")
    compare.add_argument("--write", type=Path, metavar="PAGE", help="put the table between PAGE's markers")
    _add_compute(compare)
    compare.set_defaults(run=_compare)

    _add_explain(commands.add_parser("explain", help="maps of what the calls rest on, and their proof"))
    _add_measure(
        commands.add_parser("measure", help="measure a bundle on labelled images, as the device would")
    )
    _add_find(commands.add_parser("find", help="measure how well cells are found, beside boxes and masks"))

    _add_audit(
        commands.add_parser("audit", help="find the photographs behind copies, and leaks between folders")
    )
    return parser


def _add_audit(audit: argparse.ArgumentParser) -> None:
    audit.add_argument("directory", type=Path, help="its first-level folders are compared")
    audit.add_argument("--originals", type=Path, metavar="DIR", help="the photographs, where they are there")
    audit.add_argument(
        "--out", type=Path, default=Path("audit"), help="folder of the report (default: audit)"
    )
    audit.set_defaults(run=_audit)


def _add_explain(explain: argparse.ArgumentParser) -> None:
    explain.add_argument("--run", dest="folder", type=Path, required=True, help="directory of the run")
    explain.add_argument("--data", type=Path, required=True, help="directory that holds the data sets")
    explain.add_argument(
        "--out", type=Path, help="folder of page, figures and pictures (default: explanation, in the run's)"
    )
    explain.add_argument("--images", type=_count, default=200, help="cells in the proof (default: 200)")
    explain.add_argument(
        "--time-limit",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="what this is not enough for is named in the report (default: 600)",
    )
    explain.add_argument(
        "--methods",
        nargs="+",
        choices=("gradcam", "gradcam++", "device", "lime", "shap"),
        default=("gradcam", "gradcam++", "device", "lime", "shap"),
        help="default: all; device: the maps of the int8 file",
    )
    explain.add_argument(
        "--on",
        choices=("float", "int8"),
        default="int8",
        help="whom LIME, SHAP, deletion and insertion ask (default: int8)",
    )
    explain.add_argument(
        "--model", type=Path, help="a bundle that was exported from the run, instead of quantizing anew"
    )
    explain.set_defaults(run=_explain)


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


def _add_measure(measure: argparse.ArgumentParser) -> None:
    measure.add_argument("--model", type=Path, required=True, help="the bundle")
    measure.add_argument("--data", type=Path, required=True, help="directory that holds the data sets")
    measure.add_argument("--on", required=True, help="a registered data set")
    measure.add_argument(
        "--run",
        dest="folder",
        type=Path,
        help="the bundle's run: of a set that it trained on, what it held out",
    )
    measure.add_argument("--photographs", type=Path, help="groups file made earlier")
    measure.add_argument("--json", type=Path, help="write the figures here as well")
    measure.set_defaults(run=_measure)


def _measure(options: argparse.Namespace) -> int:
    from trainer.bundle_measurement import measure_bundle, sentences, write_measurement  # noqa: PLC0415

    found = measure_bundle(
        options.model, options.data, options.on, run=options.folder, photographs=options.photographs
    )
    print(sentences(found))  # noqa: T201
    if options.json is not None:
        write_measurement(options.json, found)
    return 0


def _add_find(find: argparse.ArgumentParser) -> None:
    find.add_argument("--data", type=Path, required=True, help="directory that holds the data sets")
    find.add_argument(
        "--part",
        choices=("held", "tuning"),
        default="held",
        help="the images held back from tuning the masking, or the others (default: held)",
    )
    find.add_argument("--json", type=Path, help="write the figures, and the images behind them, here as well")
    find.set_defaults(run=_find)


def _add_compute(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="of the arithmetic in training; weights stay float32 (default: float32)",
    )
    command.add_argument("--every-device", action="store_true", help="split each batch over all GPUs")


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _audit(options: argparse.Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415

    from trainer.audit import audit  # noqa: PLC0415
    from trainer.audit_report import table  # noqa: PLC0415
    from trainer.run import progress_bar  # noqa: PLC0415

    with progress_bar() as progress:
        bar = progress.add_task("recovering photographs", total=None, note="")
        found = audit(
            options.directory,
            options.out,
            originals=options.originals,
            progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    Console().print(table(found))
    return 0


def _find(options: argparse.Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    from trainer.finding import measure_finding, table, write_finding  # noqa: PLC0415

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


def _fit(options: argparse.Namespace) -> int:
    from trainer.compute import Compute  # noqa: PLC0415
    from trainer.recipe import changed, load_recipe  # noqa: PLC0415
    from trainer.run import fit_run  # noqa: PLC0415

    recipe = changed(
        load_recipe(options.recipe),
        data=_given(options, "split", "fold"),
        training=_given(options, "epochs", "images_per_epoch", "seed"),
    )
    if options.fold is not None and recipe.data.split != "grouped":
        raise ConfigError(f"--fold is for a grouped split; that of {recipe.name} is {recipe.data.split}")
    compute = Compute(options.precision, options.every_device)
    fit_run(recipe, options.data, options.out, options.photographs, compute)
    return 0


def _report(options: argparse.Namespace) -> int:
    from trainer.report import report_runs  # noqa: PLC0415

    report_runs(options.folders, options.out, options.json)
    return 0


def _compare(options: argparse.Namespace) -> int:
    from trainer.compare import SPLITS, check_page, compare, markdown, write_into  # noqa: PLC0415
    from trainer.compute import Compute  # noqa: PLC0415

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
    print(table)  # noqa: T201
    if options.write is not None:
        write_into(options.write, table)
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415

    from trainer.evaluation import evaluate_run  # noqa: PLC0415
    from trainer.evaluation_report import table  # noqa: PLC0415

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
    from trainer.bundling import export_run  # noqa: PLC0415

    export_run(options.folder, options.data, options.out, options.measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
