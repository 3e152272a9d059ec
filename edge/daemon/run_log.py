"""What the log says of a run to a person: what it counts with, what is not counted and why, how it ends."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from edge import __version__
from edge.config.cameras import camera_in_words
from edge.specimens.sources import is_simulated
from edge.specimens.words import number_of

if TYPE_CHECKING:
    from pathlib import Path

    from edge.config import Config
    from edge.daemon.health import Progress
    from edge.daemon.model import CountingModel

log = logging.getLogger(__name__)

EVERY_S = 60.0
"""Between two lines of what was refused: a camera may give thirty fields a second."""


def start_log(config: Config, path: Path) -> None:
    """Let the process's log go to standard error, and say where the configuration was read from.

    Of a drawn slide, every line says so: none is to be taken for one of blood.
    """
    level = "%(levelname)s SIMULATED" if is_simulated(config) else "%(levelname)s"
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format=f"%(asctime)s {level} %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    log.info("configuration: %s", path.absolute())
    logging.getLogger().setLevel(config.log_level.upper())


class RunLog:
    """The lines of one run. progress: what it has got through."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._said: Counter[str] = Counter()
        self._due = time.monotonic() + EVERY_S

    def begins(self, config: Config, model: CountingModel) -> None:
        """Say what the run counts, with which model, and where the results go."""
        mqtt = config.mqtt
        encrypted = ", encrypted" if mqtt.tls is not None else ""
        log.info("leukoscope %s, device %s", __version__, config.device)
        log.info("camera: %s", camera_in_words(config.camera))
        log.info("model: %s %s, on %s", model.reference.name, model.reference.sha256[:12], model.runtime)
        log.info("results: %s", config.store.path)
        log.info("broker: %s:%s, MQTT %s%s", mqtt.host, mqtt.port, mqtt.protocol, encrypted)
        if config.by_command:
            log.info("specimens: begin and end by command; `leukoscope specimen start ID` begins one")

    def refusals(self) -> None:
        """Say which fields were not counted since the last such line, once a minute at most."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + EVERY_S
            self._say_refusals()

    def ends(self, delivered: int, remaining: int, kept_in: str, problem: str | None) -> None:
        """Say what came of it. remaining: results that are kept in a store; problem: why they are."""
        self._say_refusals()
        fields, cells, _ = self._progress.totals()
        log.info(
            "%s, %s counted, %d delivered",
            number_of(fields, "field"),
            number_of(cells, "cell"),
            delivered,
        )
        if remaining:
            what = f"{number_of(remaining, 'result')} {'is' if remaining == 1 else 'are'}"
            why = problem or "the broker has not answered yet"
            log.error("%s kept in %s for the next run to send: %s", what, kept_in, why)

    def _say_refusals(self) -> None:
        _, _, refused = self._progress.totals()
        new = Counter(refused) - self._said
        self._said = Counter(refused)
        if new:
            reasons = ", ".join(f"{reason} ({count})" for reason, count in new.most_common())
            log.info("not counted: %s", reasons)
