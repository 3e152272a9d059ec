"""LIME and SHAP, which ask the network and look at nothing inside: so they explain int8 as well as float."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.errors import ConfigError
from trainer.evaluation.metrics import softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.explanations.measures import Pixels, Predictor

LIME_SAMPLES, SUPERPIXELS = 500, 60
SHAP_EVALUATIONS = 1000
SHAP_BLUR = 120
"""Side of the box blur that stands for a hidden part, pixels: less of it leaves a nucleus a nucleus."""

_BATCH = 50
_LEAST_WEIGHT = 0.005  # of probability
_SEED = 7


@dataclass(frozen=True)
class LimeMaps:
    """segments: superpixels, int64 (120, 120), from 0. weights: of each for each class, float64 (classes, m).

    A weight is how much of the class's probability the superpixel brings, in the local linear model.
    """

    segments: NDArray[np.int64]
    weights: NDArray[np.float64]

    def grid(self, label: int) -> NDArray[np.float32]:
        """Return what speaks for a class, float32 (120, 120), at least 0."""
        return np.asarray(np.maximum(self.weights[label], 0)[self.segments], np.float32)

    def strongest(self, label: int, number: int = 6) -> NDArray[np.bool_]:
        """Return the superpixels that speak most for a class, at most so many of them: bool (120, 120).

        One that brings less than half a percentage point speaks for nothing.
        """
        weights = self.weights[label]
        best = [k for k in np.argsort(-weights, kind="stable")[:number] if weights[k] >= _LEAST_WEIGHT]
        return np.isin(self.segments, best)


def lime_maps(crop: Pixels, predict: Predictor) -> LimeMaps:
    """Explain all classes of a crop, uint8 (120, 120, 3), by LIME (Ribeiro et al. 2016).

    predict: uint8 crops to logits (n, classes). Superpixels by SLIC (Achanta et al. 2012); a hidden one has
    the mean colour of the crop: its own, as is lime's way, would leave a nucleus dark. The same crop gives
    the same map. Raises ConfigError where lime is not installed.
    """
    try:
        from lime.lime_image import LimeImageExplainer  # type: ignore[import-untyped] # noqa: PLC0415
        from skimage.segmentation import slic  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(f"LIME cannot be had: {error}; pip install 'leukoscope[trainer]'") from None

    segments = np.asarray(
        slic(crop, n_segments=SUPERPIXELS, compactness=10, sigma=1, start_label=0), np.int64
    )
    segments = np.unique(segments, return_inverse=True)[1].reshape(segments.shape)
    with contextlib.redirect_stderr(io.StringIO()):  # it draws a bar of its own for every image
        found = LimeImageExplainer(random_state=_SEED).explain_instance(
            crop,
            lambda images: softmax(predict(np.asarray(images, np.uint8))),
            labels=range(len(predict(crop[None])[0])),
            top_labels=None,
            hide_color=crop.reshape(-1, 3).mean(axis=0).astype(np.uint8),
            num_samples=LIME_SAMPLES,
            batch_size=_BATCH,
            segmentation_fn=lambda _: segments,
        )
    weights = np.zeros((len(found.local_exp), int(segments.max()) + 1))
    for label, terms in found.local_exp.items():
        for segment, weight in terms:
            weights[label, segment] = weight
    return LimeMaps(segments, weights)


class Shap:
    """Partition SHAP over an image, halved again and again (Lundberg and Lee 2017; Owen values)."""

    def __init__(self, predict: Predictor, classes: Sequence[str], shape: tuple[int, ...]) -> None:
        """Take uint8 crops to logits. Raises ConfigError where shap is not installed."""
        try:
            import shap  # type: ignore[import-untyped] # noqa: PLC0415 (seconds to import)
        except ImportError as error:
            raise ConfigError(f"SHAP cannot be had: {error}; pip install 'leukoscope[trainer]'") from None
        # Hidden parts are blurred: of another colour they would be things that no slide shows.
        masker = shap.maskers.Image(f"blur({SHAP_BLUR},{SHAP_BLUR})", shape)
        self._explainer: Any = shap.PartitionExplainer(
            lambda images: predict(np.clip(images, 0, 255).astype(np.uint8)),
            masker,
            output_names=list(classes),
        )

    def values(self, crop: Pixels) -> NDArray[np.float32]:
        """Return each pixel's part in each class's logit, float32 (120, 120, classes), of a crop, uint8.

        Over the whole crop they sum to the logit's difference from that of the blurred crop.
        """
        found = self._explainer(
            crop[None].astype(np.float64), max_evals=SHAP_EVALUATIONS, batch_size=_BATCH, silent=True
        )
        return np.asarray(found.values[0].sum(axis=2), np.float32)
