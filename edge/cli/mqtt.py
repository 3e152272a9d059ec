"""The commands of `leukoscope mqtt`, each with the arguments it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.cli.config_option import add_config_option

if TYPE_CHECKING:
    import argparse


def add_mqtt_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `leukoscope mqtt`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    forget = actions.add_parser("forget", help="clear what the broker keeps of a device that is gone")
    forget.add_argument("device", metavar="DEVICE", help="its id, as in the topics leukoscope/DEVICE/...")
    add_config_option(forget, "a configuration with the broker")
    forget.set_defaults(run=_forget)


def _forget(options: argparse.Namespace) -> int:
    import re  # noqa: PLC0415

    from edge.config import load_config  # noqa: PLC0415
    from edge.errors import ConfigError  # noqa: PLC0415
    from edge.messages.ids import ID_CHARACTERS, WHY  # noqa: PLC0415

    if not re.fullmatch(rf"{ID_CHARACTERS}{{1,64}}", options.device):
        raise ConfigError(f"{options.device} is no id of a device: at most 64 {WHY}")
    config = load_config(options.config)
    from edge.mqtt.forgetting import forget  # noqa: PLC0415

    topics = forget(config.mqtt, options.device, config.device)
    for topic in topics:
        print(f"{topic}: cleared")
    if not topics:
        print(f"{options.device}: the broker keeps nothing of it that this user may read")
    return 0
