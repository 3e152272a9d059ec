"""What the device says of itself on the Microscope screen: model, calibration, disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge.errors import LeukoscopeError
from edge.models.bundle import read_bundle
from edge.updates.choice import answering

if TYPE_CHECKING:
    from edge.config import Config
    from edge.web.languages import Words


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


def calibration_of(config: Config) -> str | None:
    """Return the file by which the camera's light is evened out; None where there is none."""
    return getattr(config.camera, "calibration", "") or None


def disk_of(config: Config, words: Words) -> list[tuple[str, str]]:
    """Return the facts of the disk that the store lies on, by name."""
    folder = Path(config.store.path).parent
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return []
    free = words("%(gigabytes)s GB free", gigabytes=words.number(usage.free / 1e9))
    return [(words("Disk"), free), (words("Camera"), str(config.camera.__struct_config__.tag))]
