"""What the device says of itself on the Microscope screen: model, calibration, disk."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge.config.disk import disk_room
from edge.errors import LeukoscopeError
from edge.models.bundle import read_bundle
from edge.specimens.results import undelivered
from edge.updates.choice import answering
from edge.web.languages import left_to_right
from edge.web.words import CAMERAS

if TYPE_CHECKING:
    from edge.config import Config
    from edge.specimens.calibrating import CalibrationOrders
    from edge.web.languages import Words

_MEMORY = Path("/proc/meminfo")
_TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")


class ModelCard(NamedTuple):
    """The model that answers. card: what its makers say of it."""

    name: str
    sha256: str
    labels: tuple[str, ...]
    card: str


def model_of(config: Config) -> ModelCard | None:
    """Return the model that the daemon loads; None where it cannot be read."""
    try:
        chosen = answering(config).path
        bundle = read_bundle(chosen)
    except LeukoscopeError:
        return None
    beside = chosen.with_suffix(".md")
    card = beside.read_text(encoding="utf-8", errors="replace") if beside.is_file() else ""
    return ModelCard(bundle.description.name, bundle.sha256, tuple(bundle.description.labels), card)


class Calibration(NamedTuple):
    """How the camera's light is evened out. why_not: why it cannot be here.

    since: when what is in use was measured. missing: the file that is named and not there. damaged: it is
    there, and is of no use.
    """

    why_not: str | None = None
    since: str | None = None
    missing: str = ""
    damaged: bool = False


def calibration_of(config: Config, orders: CalibrationOrders) -> Calibration:
    """Return how the camera's light is evened out."""
    why_not = orders.why_not()
    if why_not is not None:
        return Calibration(why_not)
    try:
        found = orders.in_use()
    except LeukoscopeError:
        return Calibration(damaged=True)
    if found is None:
        return Calibration(missing=getattr(config.camera, "calibration", ""))
    return Calibration(since=found.made_at)


class Fact(NamedTuple):
    """One thing that the device says of itself. alarming: somebody should see to it."""

    name: str
    value: str
    alarming: bool = False


def health_of(config: Config, words: Words) -> list[Fact]:
    """Return how the device is: what waits for the broker, disk, memory, temperature, camera."""
    facts = _backlog(config, words)
    with suppress(OSError):
        room = disk_room(config.store)
        said = words("%(gigabytes)s GB free", gigabytes=words.number(room.free / 1e3))
        facts.append(Fact(words("Disk"), said, room.is_little))
    with suppress(OSError, ValueError, IndexError):
        left = int(_MEMORY.read_text(encoding="ascii").partition("MemAvailable:")[2].split()[0]) / 1e6
        facts.append(Fact(words("Memory"), words("%(gigabytes)s GB free", gigabytes=words.number(left))))
    with suppress(OSError, ValueError):
        degrees = int(_TEMPERATURE.read_text(encoding="ascii")) / 1000
        facts.append(Fact(words("Temperature"), left_to_right(f"{words.number(degrees, 0)}\u00a0°C")))
    kind = str(config.camera.__struct_config__.tag)
    return [*facts, Fact(words("Camera"), words(CAMERAS[kind]))]


def nearly_full(config: Config) -> bool:
    """Return whether the disk is as good as full; False where that cannot be told."""
    try:
        return disk_room(config.store).is_nearly_full
    except OSError:
        return False


def _backlog(config: Config, words: Words) -> list[Fact]:
    path = Path(config.store.path)
    if not path.is_file():
        return []
    try:
        found = undelivered(path)
    except LeukoscopeError as error:
        return [Fact(words("Results"), str(error))]
    said = words("Nothing waits.")
    if found.waiting:
        said = words("%(number)s fields wait to be sent.", number=found.waiting)
    if found.refused:
        said += " " + words("The broker refuses %(number)s of them.", number=found.refused)
    return [Fact(words("Results"), said)]
