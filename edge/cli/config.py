"""The commands of `leukoscope config`, each with the arguments it takes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.config_option import find_config

if TYPE_CHECKING:
    import argparse


def add_config_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `leukoscope config`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")

    check = actions.add_parser("check", help="say whether a configuration is right, and if not, why")
    check.add_argument(
        "config", type=Path, nargs="?", help="the file (default: leukoscope.toml here, else the system's)"
    )
    check.add_argument(
        "--config", dest="named", type=Path, metavar="FILE", help="the same, as of other commands"
    )
    check.set_defaults(run=_check)

    schema = actions.add_parser("schema", help="print the JSON Schema of a configuration")
    schema.set_defaults(run=_schema)


def _check(options: argparse.Namespace) -> int:
    from edge.config import load_config  # noqa: PLC0415
    from edge.errors import ConfigError  # noqa: PLC0415

    if options.config and options.named:
        raise ConfigError(f"give one configuration, {options.config} or --config {options.named}")
    options.config = options.config or options.named
    if options.config is None:
        options.config = find_config(aloud=False)
    config = load_config(options.config)
    from edge.cli.config_check import check_that_it_can_start  # noqa: PLC0415
    from edge.config.cameras import camera_in_words  # noqa: PLC0415

    check_that_it_can_start(config, options.config)
    if calibration := getattr(config.camera, "calibration", ""):
        from edge.cameras.calibration.file import read_calibration  # noqa: PLC0415

        read_calibration(Path(calibration))
    source = camera_in_words(config.camera)
    broker = f"{config.mqtt.host}:{config.mqtt.port}"
    if config.endless:
        print(f"{options.config}: note: {config.endless}", file=sys.stderr)
    from edge.models.bundle import read_bundle  # noqa: PLC0415
    from edge.updates.choice import answering  # noqa: PLC0415

    chosen = answering(config)
    model = f"model {read_bundle(chosen.path).description.name} ({chosen.why})"
    print(f"{options.config}: right. Device {config.device}, camera: {source}, broker {broker}, {model}")
    return 0


def _schema(_options: argparse.Namespace) -> int:
    import json  # noqa: PLC0415

    from edge.config import config_schema  # noqa: PLC0415

    print(json.dumps(config_schema(), indent=2))
    return 0
