"""What a device says of itself when it comes online: versions, model, abilities, and its configuration."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import paho.mqtt

from edge import __version__, identity
from edge.messages import Info
from edge.messages.commands import REQUESTS

if TYPE_CHECKING:
    from edge.config import Config
    from edge.daemon.model import CountingModel


def about(config: Config, model: CountingModel) -> Info:
    """Return the message `info`; no secret stands in it."""
    return Info(
        device_id=config.device,
        boot_id=identity.boot_id(),
        versions={
            "leukoscope": __version__,
            "python": platform.python_version(),
            "runtime": model.runtime,
            "paho-mqtt": paho.mqtt.__version__,
        },
        model=model.reference,
        model_notice=model.first_start.notice,
        labels=model.labels,
        capabilities=tuple(f"cmd/{name}" for name in REQUESTS),
        config=config.without_secrets(),
    )
