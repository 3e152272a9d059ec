"""Which source a configuration shows, and the specimen that it is counted into."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from edge.config import SimulatedConfig

if TYPE_CHECKING:
    from edge.config import Config
    from edge.store.fields import Store
    from edge.store.specimen import Specimen


def source_of(config: Config) -> str:
    """Return the id of the source: the same paths, the same slide or the same camera have the same one."""
    source = msgspec.to_builtins(config.camera)
    # Calibrated again, or shown faster, it is still the same slide.
    lit_by = "exposure_us", "gain", "white_balance_k", "calibration"
    for beside in ("frames_per_second", "native_rate", *lit_by):
        source.pop(beside, None)
    digest = hashlib.sha256(msgspec.json.encode(source, order="sorted")).hexdigest()
    return f"{source['kind']}-{digest[:8]}"


def camera_of(config: Config) -> str | None:
    """Return the id of the live camera, by which its scale is remembered; None for pictures that end.

    The same pictures are to give the same counts, whatever was counted before them.
    """
    return None if config.ends else source_of(config)


def specimen_of(config: Config) -> str:
    """Return the id of the specimen that the source shows: its own, unless the configuration has one."""
    return config.specimen.id or source_of(config)


def is_simulated(config: Config) -> bool:
    """Whether the source is a drawn slide."""
    return isinstance(config.camera, SimulatedConfig)


def begin(config: Config, store: Store, *, resume: bool = False) -> Specimen:
    """Return the specimen that the source is counted into; a new one is opened.

    Raises SpecimenError where another source has counted it and `resume` does not say that it is meant;
    StoreError.
    """
    ledger = store.ledger
    start = ledger.begin_endless if config.endless else ledger.begin_source
    return start(specimen_of(config), source_of(config), resume=resume, simulated=is_simulated(config))
