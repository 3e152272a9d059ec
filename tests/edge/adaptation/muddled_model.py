"""The shipped bundle with noise in its last layer: a model that is often wrong, whatever it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.adaptation.adapted_bundle import with_last_layer, write_proved
from edge.adaptation.last_layer import LastLayer
from edge.adaptation.refit import Dense
from edge.config import SHIPPED_MODEL
from edge.models.bundle import read_bundle
from edge.models.runtime import Runtime

if TYPE_CHECKING:
    from pathlib import Path

_NOISE = 5.0  # standard deviations of the weights


def write_muddled(out: Path) -> Path:
    bundle = read_bundle(SHIPPED_MODEL)
    outputs = bundle.description.outputs
    dense = LastLayer(bytearray(bundle.model), outputs).dense
    kernel = dense.kernel()
    noise = np.random.default_rng(7).normal(0, _NOISE * kernel.std(), kernel.shape)
    layer = Dense(kernel + noise, dense.offsets())
    encoded = [np.frombuffer(png, np.uint8) for png in bundle.golden_images]
    crops = [cv2.cvtColor(cv2.imdecode(png, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB) for png in encoded]
    runtime = Runtime(bundle.model, outputs)
    features = np.array([runtime.run(crop)["features"] for crop in crops])
    changed = with_last_layer(bundle, layer, 2 * features, crops)
    write_proved(out, bundle, changed.model, bundle.description)
    return out
