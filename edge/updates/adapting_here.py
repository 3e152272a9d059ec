"""The model of this device, adapted to named cells, signed by the device and installed in one go."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from edge.adaptation.adapting import Adapted, adapt
from edge.adaptation.progress import no_report
from edge.config import SHIPPED_MODEL
from edge.errors import BundleError
from edge.models.bundle import read_bundle
from edge.naming.classifier import Classifier
from edge.updates.choice import answering
from edge.updates.device_key import sign_for_device
from edge.updates.install import check_that_it_would_be_used, install
from edge.updates.model_store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.adaptation.labelled_cells import LabelledCells
    from edge.adaptation.progress import Report
    from edge.config import Config


def adapt_here(
    config: Config, read: Callable[[Classifier], LabelledCells], report: Report = no_report
) -> Adapted:
    """Adapt this device's model to the cells that `read` finds for it; it answers from the next field on.

    Raises what `adapt` raises, ConfigError, StoreError, SignatureError, and what `read` raises: then nothing
    is changed.
    """
    check_that_it_would_be_used(config)
    parent = Classifier.load(to_start_from(config))
    cells = read(parent)
    with TemporaryDirectory(prefix="leukoscope-adapt-") as folder:
        made = adapt(parent, cells, Path(folder, "adapted.tflite"), report)
        sign_for_device(made.out, config)
        install(made.out, config)
    return made


def to_start_from(config: Config) -> Path:
    """Return the bundle to adapt: the one that answers or, where that is adapted, the one it was made from.

    The cells that were named for the first adaptation are still named: fitted to them twice, a model would
    seem better than it is. If the model that it was made from is gone, the adapted one is used.
    """
    path = answering(config).path
    known = {read_bundle(SHIPPED_MODEL).sha256: SHIPPED_MODEL}
    store = ModelStore(config.models)
    while (parent := read_bundle(path).description.parent) is not None:
        before = known.get(parent.sha256, store.path(parent.sha256))
        try:
            read_bundle(before)
        except BundleError:
            break
        path = before
    return path
