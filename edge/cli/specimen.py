"""The commands of `leukoscope specimen`, each with the arguments it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.cli.config_option import add_config_option

if TYPE_CHECKING:
    import argparse


def add_specimen_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `leukoscope specimen`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    texts = {
        "start": "count from here on into this specimen",
        "stop": "count no more into the open specimen; it waits for a signature",
        "cells": "the cells of a specimen: what the model called each, and what a person did",
        "review": "say what cells are: their count follows, and the model's calls stay on record",
        "history": "what was done to a specimen, by whom, when, and why",
        "sign": "confirm a count; by default the only one that waits for it",
        "rename": "a mistyped id: give a specimen that is not signed another one",
        "wbc-count": "the total white count came later, or was mistyped; until it is signed",
        "discard": "a specimen is not to be used; by default the open one",
        "list": "every specimen, and how it stands",
        "show": "a differential; by default of the open specimen, or the last",
    }
    parsers = {name: actions.add_parser(name, help=text) for name, text in texts.items()}
    for name, action in parsers.items():
        add_config_option(action)
        if name not in {"list", "rename"}:
            action.add_argument(
                "specimen_id",
                metavar="SPECIMEN",
                nargs=None if name in {"start", "cells", "review", "history", "wbc-count"} else "?",
                help="its id: letters, digits, - _ . (it goes out over MQTT: never a name)",
            )
    parsers["rename"].add_argument("specimen_id", metavar="OLD", help="the id that it has")
    parsers["rename"].add_argument("new_id", metavar="NEW", help="the id that it is to have")
    start = parsers["start"]
    start.add_argument("--target", type=int, help="cells to count (default: the configuration's)")
    blood = "white cells of the same blood: 7.2 or 7,2 (10^9/L), or 7200/uL"
    start.add_argument("--wbc-count", metavar="COUNT", help=blood)
    parsers["wbc-count"].add_argument("wbc_count", metavar="COUNT", help=blood)
    start.add_argument("--resume", action="store_true", help="take up one that was stopped and not signed")
    for name in ("start", "stop", "rename", "wbc-count", "discard"):
        parsers[name].add_argument(
            "--operator", metavar="CODE", help="who does it: a code, no name; kept with the specimen"
        )
    parsers["sign"].add_argument(
        "--operator", required=True, metavar="CODE", help="who signs: a code, no name"
    )
    parsers["sign"].add_argument(
        "--reason", help="why fewer cells than the target are enough, or doubtful cells need no look"
    )
    _add_review_options(parsers["cells"], parsers["review"])
    parsers["discard"].add_argument("--reason", required=True, help="why")
    show = parsers["show"]
    show.add_argument("--json", action="store_true", help="as it is published")
    show.add_argument(
        "--revision",
        type=int,
        metavar="N",
        help="as it was signed as this revision; `leukoscope specimen history` has them",
    )
    parser.set_defaults(run=_specimen)


def _add_review_options(cells: argparse.ArgumentParser, review: argparse.ArgumentParser) -> None:
    cells.add_argument("--doubtful", action="store_true", help="only those that a person should look at")
    cells.add_argument("--all", action="store_true", help="with sightings of cells that count already")
    review.add_argument(
        "--cell",
        required=True,
        nargs="+",
        metavar="ID",
        help="the cells: their ids, or the last six characters or more of each",
    )
    said = review.add_mutually_exclusive_group(required=True)
    said.add_argument("--as", dest="label", metavar="CLASS", help="what the cells are")
    for option, action, text in (
        ("--confirm", "confirm", "they are what they are called now"),
        ("--not-a-cell", "exclude", "no white cells: they do not count"),
        ("--undo", "undo", "take back what a person said last of each"),
    ):
        said.add_argument(option, dest="review", action="store_const", const=action, help=text)
    review.add_argument("--operator", required=True, metavar="CODE", help="who looks: a code, no name")
    # argparse breaks no line within a choice, and that of this command is longer than 80 columns.
    review.usage = (
        f"{review.prog} [-h] [--config FILE]\n"
        "           --cell ID [ID ...] (--as CLASS | --confirm | --not-a-cell | --undo)\n"
        "           --operator CODE [--reason REASON] SPECIMEN"
    )
    review.add_argument("--reason", help="why; needed where the specimen is signed already")


def _specimen(options: argparse.Namespace) -> int:
    if options.action in {"cells", "review", "history"}:
        from edge.cli import specimen_cells  # noqa: PLC0415

        if options.action == "history":
            return specimen_cells.show_history(options.config, options.specimen_id)
        act = specimen_cells.list_cells if options.action == "cells" else specimen_cells.review_cells
        return act(options)
    if options.action in {"list", "show"}:
        from edge.cli.specimen_listing import list_specimens, show_specimen  # noqa: PLC0415

        if options.action == "list":
            return list_specimens(options.config)
        return show_specimen(
            options.config, options.specimen_id, as_json=options.json, revision=options.revision
        )
    from edge.cli.specimen_orders import order  # noqa: PLC0415

    beside = {"run", "command", "action", "config", "finds_config"}
    given = {key: value for key, value in vars(options).items() if key not in beside}
    return order(options.action, options.config, given)
