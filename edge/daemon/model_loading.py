"""The model that a daemon counts with: the bundle that is to answer, and the analyzer around it.

Another one that is installed while it runs answers from the next field on.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge.daemon.model import Model
from edge.errors import LeukoscopeError
from edge.updates.choice import answering
from edge.updates.model_store import ModelStore
from edge.updates.probation import load_chosen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from edge.config import Config
    from edge.daemon.model import FieldAnalyzer
    from edge.messages import ModelReference
    from edge.messages.field import Box
    from edge.models.confusion import Confusion
    from edge.models.known import KnownMicroscopes
    from edge.updates.probation import FirstStart

log = logging.getLogger(__name__)


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
            classifier,
            masking.recipe,
            micrometres_per_pixel=masking.micrometres_per_pixel or None,
            align=choice.align,
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


class ModelInUse:
    """The model that answers: after `renew`, the one that was installed, or gone back to, meanwhile.

    It is renewed by the thread that analyses, between two frames; its references may be read by any. load:
    what loads the model that is to answer. As a context, it tells an end in order from a crash, as the
    model's `FirstStart` does.
    """

    def __init__(self, config: Config, load: Callable[[Config], Model] = load_model) -> None:
        self._config = config
        self._load = load
        # A path in the configuration names the model: what is installed beside it does not answer.
        self._store = None if config.model.path else ModelStore(config.models)
        self._seen = self._change()
        self._now = load(config)
        self._installed = answering(config).sha256

    @property
    def analyzer(self) -> FieldAnalyzer:
        """What analyses frames with it."""
        return self._now.analyzer

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that it counts."""
        return self._now.labels

    @property
    def reference(self) -> ModelReference:
        """Its name, and its bundle's hash."""
        return self._now.reference

    @property
    def runtime(self) -> str:
        """What runs it, with its version."""
        return self._now.runtime

    @property
    def confusion(self) -> Confusion | None:
        """How it errs, if its bundle says so."""
        return self._now.confusion

    @property
    def known(self) -> KnownMicroscopes | None:
        """What cells of the microscopes that it knows are like, if its bundle says so."""
        return self._now.known

    @property
    def first_start(self) -> FirstStart:
        """Who is told that it works."""
        return self._now.first_start

    def look(self, pixels: NDArray[np.uint8]) -> tuple[Box, ...]:
        """Return the boxes of the white cells of a frame that is not counted."""
        return self._now.analyzer.look(pixels)

    def renew(self) -> bool:
        """Load the model that is to answer now, if it is another one, and say whether it is.

        It costs a look at one file. A model that cannot be loaded is gone back from, as at a start.
        """
        change = self._change()
        if change == self._seen:
            return False
        self._seen = change
        if answering(self._config).sha256 == self._installed:
            return False
        try:
            self._now = self._load(self._config)
        except LeukoscopeError as error:
            log.error("the model stays as it is: %s", error)  # noqa: TRY400 (one sentence)
            return False
        self._installed = answering(self._config).sha256
        log.info("model: %s %s answers from here on", self.reference.name, self.reference.sha256[:12])
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._now.first_start.__exit__(kind, error, trace)

    def _change(self) -> tuple[int, int] | None:
        return None if self._store is None else self._store.last_change()
