"""The commands over images, `leukoscope analyze`, `measure` and `model adapt`, with their arguments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.config_option import NAME, SYSTEM, config_here

if TYPE_CHECKING:
    import argparse


def add_analyze_command(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `leukoscope analyze`."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="folders, image files or globs")
    parser.add_argument("--json", action="store_true", help="one JSON object a line and image")
    parser.add_argument("--masks", type=Path, metavar="DIR", help="write each image's masks there as PNG")
    parser.add_argument(
        "--overlays", type=Path, metavar="DIR", help="draw each image with its cells and maps"
    )
    parser.add_argument(
        "--contours", action="store_true", help="overlays: draw the maps as contours, which hide nothing"
    )
    parser.add_argument(
        "--explain", metavar="CLASS", help="overlays: show what speaks for this class, not for the one called"
    )
    parser.add_argument(
        "--overlay-format",
        choices=("jpg", "png"),
        default="jpg",
        help="overlays: kind of file (default: jpg)",
    )
    add_force_option(parser)
    parser.add_argument(
        "--apart",
        action="store_true",
        help="the images are not all of one microscope: each is looked at by itself",
    )
    parser.add_argument(
        "--recipe",
        choices=("found", "study"),
        default="found",
        help="how cells are found (study: with a --model trained for it)",
    )
    parser.add_argument("--model", type=Path, help="a bundle, instead of the one that ships")
    parser.add_argument(
        "--runtime",
        choices=("auto", "ai-edge-litert", "tflite-runtime"),
        default="auto",
        help="which TFLite runtime",
    )
    parser.set_defaults(run=_analyze)


def add_adapt_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `leukoscope model adapt`."""
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        metavar="FOLDER",
        help="a folder of images for each class, named as the model does",
    )
    parser.add_argument(
        "--from-store",
        action="store_true",
        help="learn from the cells that people have confirmed or renamed on this device",
    )
    parser.add_argument(
        "--specimen",
        action="append",
        default=[],
        metavar="ID",
        help="with --from-store: from this specimen's only; may be given several times",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the new bundle there, and do not install it",
    )
    parser.add_argument("--model", type=Path, help="with --out: start from this bundle, not this device's")
    parser.add_argument("--json", action="store_true", help="what came of it as one JSON object")
    add_force_option(parser)
    _add_config(parser, "the device that is to trust the new model")
    parser.set_defaults(run=_adapt)


def add_force_option(parser: argparse.ArgumentParser) -> None:
    """Add the option `--force` to a command that writes files."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="overwrite also a file that this command has not written (never an input)",
    )


def add_measure_command(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `leukoscope measure`."""
    of = parser.add_mutually_exclusive_group(required=True)
    of.add_argument(
        "folder",
        type=Path,
        nargs="?",
        metavar="FOLDER",
        help="a folder of images for each class, named as the model does",
    )
    of.add_argument(
        "--named",
        action="store_true",
        help="the cells that people have named on this device: what the model had called them",
    )
    parser.add_argument("--model", type=Path, help="a bundle, instead of the one that answers here")
    parser.add_argument("--json", action="store_true", help="the figures as one JSON object")
    _add_config(parser, "the device whose model is measured")
    parser.set_defaults(run=_measure)


def _add_config(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"{what} (default: {NAME} here, else {SYSTEM}, else none)",
    )


def _analyze(options: argparse.Namespace) -> int:
    from edge.cli.analyze import analyze_paths  # noqa: PLC0415
    from edge.specimens.photographs import Drawing  # noqa: PLC0415

    return analyze_paths(
        options.paths,
        as_json=options.json,
        masks=options.masks,
        overlays=options.overlays,
        drawing=Drawing(
            "contours" if options.contours else "colours", options.explain, options.overlay_format
        ),
        recipe=options.recipe,
        model=options.model,
        runtime=options.runtime,
        force=options.force,
        apart=options.apart,
    )


def _adapt(options: argparse.Namespace) -> int:
    from edge.cli.model_adapt import run_model_adapt  # noqa: PLC0415

    return run_model_adapt(
        options.folder,
        from_store=options.from_store,
        specimens=options.specimen,
        out=options.out,
        model=options.model,
        config=config_here(options.config),
        as_json=options.json,
        force=options.force,
    )


def _measure(options: argparse.Namespace) -> int:
    from edge.cli.measure import run_measure, run_measure_named  # noqa: PLC0415

    config = config_here(options.config)
    if options.named:
        return run_measure_named(config, model=options.model, as_json=options.json)
    return run_measure(options.folder, model=options.model, config=config, as_json=options.json)
