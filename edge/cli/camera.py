"""The commands of `leukoscope camera`, each with the arguments it takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.config_option import add_config_option
from edge.cli.images import add_force_option

if TYPE_CHECKING:
    import argparse


def add_camera_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `leukoscope camera`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")

    listing = actions.add_parser("list", help="list the cameras that are here, and what they can do")
    listing.add_argument("--json", action="store_true", help="as one JSON object")
    listing.set_defaults(run=_list)

    focus = actions.add_parser("focus", help="show a number that rises as the picture gets sharper")
    add_config_option(focus, "the configuration with the camera")
    focus.set_defaults(run=_focus)

    calibrate = actions.add_parser("calibrate", help="measure a camera's light in an empty field")
    add_config_option(calibrate, "the configuration with the camera")
    calibrate.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="write the calibration there"
    )
    calibrate.add_argument(
        "--frames", type=int, default=16, metavar="N", help="how many to measure (default: 16)"
    )
    add_force_option(calibrate)
    calibrate.set_defaults(run=_calibrate)


def _list(options: argparse.Namespace) -> int:
    from edge.cli.camera_list import list_cameras  # noqa: PLC0415

    return list_cameras(as_json=options.json)


def _focus(options: argparse.Namespace) -> int:
    from edge.cli.camera_focus import show_focus  # noqa: PLC0415

    return show_focus(options.config)


def _calibrate(options: argparse.Namespace) -> int:
    from edge.cli.camera_calibrate import calibrate_camera  # noqa: PLC0415

    return calibrate_camera(options.config, out=options.out, frames=options.frames, force=options.force)
