"""The model that a daemon counts with: the bundle that is to answer, and the analyzer around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.daemon.model import Model
from edge.updates.probation import load_chosen

if TYPE_CHECKING:
    from pathlib import Path

    from edge.config import Config


def load_model(config: Config) -> Model:
    """Load the bundle that is to answer, with its first start in hand. Raises BundleError, NoRuntimeError."""
    import cv2  # noqa: PLC0415 (OpenCV and a runtime: only who needs them loads them)

    from edge.analyzer import Analyzer  # noqa: PLC0415
    from edge.naming.classifier import Classifier  # noqa: PLC0415

    choice, masking = config.model, config.masking
    # A field at working scale is too small to be shared: OpenCV's threads would wait for each other.
    cv2.setNumThreads(choice.threads)

    def load(path: Path) -> Model:
        classifier = Classifier.load(path, threads=choice.threads, runtime=choice.runtime)
        analyzer = Analyzer(
            classifier, masking.recipe, micrometres_per_pixel=masking.micrometres_per_pixel or None
        )
        about = classifier.bundle.description
        return Model(
            analyzer,
            classifier.assessed,
            classifier.reference,
            classifier.runtime_name,
            about.confusion,
            about.known,
        )

    model, first_start = load_chosen(config, load)
    return model._replace(first_start=first_start)
