"""Crops in, calls out: class probabilities, the class activation map, accepted or rejected and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.errors import BundleError
from edge.labels import OTHER
from edge.messages import Heatmap, ModelReference
from edge.models.bundle import Bundle, read_bundle
from edge.models.runtime import Runtime
from edge.naming.rejection import Judge

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.naming.alignment import Aligner

_LEAST_PEAK = 0.01  # of the largest logit: what a map that explains anything has


@dataclass(frozen=True, slots=True)
class Call:
    """What one crop was called.

    called: the class's number. probabilities: float32 (classes,), calibrated, and aligned where an aligner is
    given. logits: float32 (classes,), as the network gives them. maps: float32 (rows, columns,
    classes), each class's evidence at each place in logits. Where the head pools, a map's mean plus the
    class's bias is the logit; elsewhere it is Grad-CAM. rejected: why the call is not to be counted, or None.
    confidence: 0 to 1, what that was decided by, as is distance: to known cells, in times of the usual, or
    None (see `edge.naming.rejection.Judgement`).
    """

    label: str
    called: int
    probabilities: NDArray[np.float32]
    maps: NDArray[np.float32]
    rejected: str | None
    confidence: float
    distance: float | None
    logits: NDArray[np.float32]

    @property
    def activation_map(self) -> NDArray[np.float32]:
        """The called class's map, float32 (rows, columns)."""
        return self.maps[:, :, self.called]

    def heatmap(self) -> Heatmap:
        """Return the map as a message carries it: what speaks for the class (ReLU), its peak at 255."""
        positive = np.maximum(self.activation_map, 0)
        peak = float(positive.max())
        grid = np.rint(positive * (255 / peak)).astype(np.uint8) if peak > 0 else positive.astype(np.uint8)
        rows, columns = grid.shape
        return Heatmap((rows, columns), grid.tobytes(), float(f"{peak:.6g}"))


class Classifier:
    """A bundle on a runtime that has proved itself on the golden inputs. Not thread-safe."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self.bundle = bundle
        self.labels = bundle.description.labels
        self.assessed = tuple(label for label in self.labels if label != OTHER)
        self.reference = ModelReference(bundle.description.name, bundle.sha256)
        self.runtime_name = f"{runtime.name} {runtime.version}"
        self._runtime = runtime
        self._judge = Judge(bundle.description.reject, self.labels)

    @classmethod
    def load(cls, path: Path, *, threads: int = 1, runtime: str = "auto") -> Classifier:
        """Read a bundle, open it, and run its golden inputs.

        Raises BundleError when it is damaged or answers them wrongly, NoRuntimeError without a runtime.
        """
        bundle = read_bundle(path)
        try:
            about = bundle.description
            opened = Runtime(bundle.model, about.outputs, threads=threads, choice=runtime, turns=about.turns)
        except BundleError as error:
            raise BundleError(f"{path}: {error}") from None
        classifier = cls(bundle, opened)
        classifier.check_goldens()
        return classifier

    def classify(self, crop: NDArray[np.uint8]) -> Call:
        """Call one crop, uint8 RGB (120, 120, 3) cut by `edge.masking.cut_crop`."""
        return self.classify_all([crop])[0]

    def classify_all(
        self, crops: Iterable[NDArray[np.uint8]], aligner: Aligner | None = None
    ) -> tuple[Call, ...]:
        """Call crops as `classify` does; each is let go before the next one is taken.

        The network takes one at a time: together they are no faster. What follows it is done once for all.
        aligner: takes from their logits what cells of this microscope have too much. How far they lie from
        known cells stays as it is: that they are unlike is no less true.
        """
        outputs = [self._runtime.run(crop) for crop in crops]
        if not outputs:
            return ()
        logits = np.array([each["logits"] for each in outputs])
        aligned = logits
        if aligner is not None:
            aligned = logits - aligner.offset.astype(np.float32)
        scaled = aligned / np.float32(self.bundle.description.temperature)
        exponent = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        probabilities = exponent / exponent.sum(axis=1, keepdims=True)
        features = np.array([each["features"] for each in outputs]) if "features" in outputs[0] else None
        return tuple(
            Call(
                self.labels[best],
                best,
                probability,
                each["maps"],
                judged.reason,
                judged.confidence,
                judged.distance,
                own,
            )
            for best, probability, own, each, judged in zip(
                probabilities.argmax(axis=1).tolist(),
                probabilities,
                logits,
                outputs,
                self._judge(probabilities, features),
                strict=True,
            )
        )

    def raw_outputs(self, crop: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Return logits (classes,), maps (rows, columns, classes) and features (n,), before calibration.

        Float32, each the mean over the turns that the bundle asks for.
        """
        return self._runtime.run(crop)

    def check_goldens(self) -> None:
        """Run the golden inputs. Raises BundleError when an answer is further off than the tolerance.

        Runtimes differ by a few units in the last place, so the answers are compared with the bundle's own
        tolerance; a wrong op version or a miscompiled kernel is far outside it.
        """
        description = self.bundle.description
        for number, (golden, png) in enumerate(
            zip(description.goldens, self.bundle.golden_images, strict=True), start=1
        ):
            crop = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
            if crop is None or crop.shape != (120, 120, 3):
                raise BundleError(f"{self.bundle.path}: golden input {number} is not a 120x120 image")
            outputs = self._runtime.run(np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2RGB), np.uint8))
            logits, expected = outputs["logits"], np.array(golden.logits, np.float32)
            maps, expected_grid = outputs["maps"], np.array(golden.map, np.float32)
            if len(self.labels) != logits.size:
                raise BundleError(
                    f"{self.bundle.path}: has {len(self.labels)} labels, its network {logits.size} classes"
                )
            known, features = description.reject.familiarity, outputs.get("features")
            if known is not None and features is not None:
                told, given = (len(known.centres), len(known.spread)), (logits.size, features.size)
                if told != given:
                    raise BundleError(
                        f"{self.bundle.path}: knows cells of {told[0]} classes by {told[1]} features, "
                        f"its network has {given[0]} and {given[1]}"
                    )
            if expected.shape != logits.shape or expected_grid.size * logits.size != maps.size:
                raise BundleError(f"{self.bundle.path}: golden input {number} has an answer of another shape")
            grid = np.take(maps, int(np.argmax(expected)), axis=2).ravel()
            off = float(np.abs(logits - expected).max())
            off_of_map = map_off(grid, expected_grid, expected)
            if not (off <= description.tolerance and off_of_map <= description.tolerance):
                raise BundleError(
                    f"{self.bundle.path}: {self.runtime_name} answers golden input {number} wrongly "
                    f"(logits off by {off:.3f}, map by {off_of_map:.3f}, allowed {description.tolerance})"
                )


def map_off(answer: NDArray[np.float32], expected: NDArray[np.float32], logits: NDArray[np.float32]) -> float:
    """Return the greatest difference of two maps, float32 (n,), relative to the expected one's peak.

    logits: float32 (classes,), which the map explains. Where a head pools, its peak is a logit's size. Where
    a head's tanh has saturated, its Grad-CAM is some hundred-thousandths of that, and the last place of int8
    changes it by its own size: relative to such a peak nothing is right.
    """
    peak = max(float(np.abs(expected).max()), _LEAST_PEAK * float(np.abs(logits).max()), 1e-12)
    return float(np.abs(answer - expected).max()) / peak
