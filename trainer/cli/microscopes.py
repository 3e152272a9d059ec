"""`leukoscope-train microscopes`: what there is to learn from, and what a microscope never seen is like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import ConfigError
from trainer.cli.measuring import add_data

if TYPE_CHECKING:
    import argparse

    from trainer.left_out.in_turn import Half


def add_microscopes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `leukoscope-train microscopes`."""
    add_data(parser)
    parser.add_argument(
        "--sheets", type=Path, metavar="OUT", help="write a page with a contact sheet of each set into OUT"
    )
    parser.add_argument(
        "--left-out",
        type=Path,
        metavar="OUT",
        help="train on all microscopes but one, measure on that one, for each in turn; goes on after a stop",
    )
    parser.add_argument(
        "--half", choices=("finder", "namer"), action="append", help="this one only (default: both)"
    )
    parser.add_argument("--finder", metavar="RECIPE", default="finder", help="its recipe (default: finder)")
    parser.add_argument(
        "--namer", metavar="RECIPE", default="any-microscope", help="its recipe (default: any-microscope)"
    )
    parser.add_argument(
        "--microscope",
        action="append",
        metavar="NAME",
        help="leave out these only; may be given several times",
    )
    parser.set_defaults(run=_microscopes)


def _microscopes(options: argparse.Namespace) -> int:
    if options.left_out is not None:
        return _left_out(options)
    from rich.console import Console  # noqa: PLC0415

    from trainer.reports.microscopes import microscope_table, set_rows  # noqa: PLC0415
    from trainer.reports.sheets import write_sheets  # noqa: PLC0415

    console = Console()
    with console.status("reading the data sets"):
        rows = set_rows(options.data)
    console.print(microscope_table(rows))
    if options.sheets is not None:
        if all(row.missing for row in rows):
            raise ConfigError(f"{options.data}: holds none of these sets, so there is nothing to show")
        with console.status("") as status:
            page = write_sheets(
                rows, options.data, options.sheets, lambda name: status.update(f"cutting cells of {name}")
            )
        console.print(f"contact sheets: {page}", soft_wrap=True)
    return 0


def _left_out(options: argparse.Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415

    from trainer.finder.recipe import load_finder_recipe  # noqa: PLC0415
    from trainer.left_out.finder import FinderHalf  # noqa: PLC0415
    from trainer.left_out.in_turn import MICROSCOPES, leave_each_out, left_out_table  # noqa: PLC0415
    from trainer.left_out.namer import NamerHalf  # noqa: PLC0415
    from trainer.recipe import load_recipe  # noqa: PLC0415

    wanted = options.half or ("finder", "namer")
    halves: list[Half] = []
    if "finder" in wanted:
        halves.append(FinderHalf(load_finder_recipe(options.finder)))
    if "namer" in wanted:
        halves.append(NamerHalf(load_recipe(options.namer)))
    console = Console()
    found = leave_each_out(
        halves,
        options.data,
        options.left_out,
        options.microscope or MICROSCOPES,
        lambda text: console.print(text, soft_wrap=True, markup=False),
    )
    console.print(left_out_table(found))
    return 0
