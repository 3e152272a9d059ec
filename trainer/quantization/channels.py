"""A network of inverted residuals with the channels of each tensor brought to one range.

One channel of large values sets the int8 scale of all. A bottleneck is linear: what its channels are
multiplied by, the weights that read them are divided by, and the network computes what it did before. So it
does behind a ReLU6 where a channel stays below six (Nagel et al. 2019, as in `quantization.equalizing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from trainer.networks.predicting import answers
from trainer.quantization.scaling import WIDEST, Group, multiply, widen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_KERNELS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
_TOP = 5.4  # a channel of other crops may go higher, and a ReLU6 cuts at six


def with_even_channels(model: keras.Model, crops: NDArray[np.uint8]) -> keras.Model:
    """Return a network that answers as the EfficientNet-Lite0 given, its tensors' channels of one range.

    crops: uint8 (n, h, w, 3), on which the ranges are measured.
    """
    result = keras.models.clone_model(model)
    result.set_weights(model.get_weights())
    for one in _bottlenecks(result):
        ranges = np.max([*_ranges(result, one.tensors, crops).values()], axis=0)
        _multiply(one, _factor(float(ranges.max()), ranges))
    for one in _behind_relus(result):
        factor = _factor(_TOP, _ranges(result, one.tensors, crops)[one.tensors[0]])
        # A depthwise kernel has a scale for each channel. In any other the channels share theirs: what is
        # gained for the values is lost for the weights, and the root shares it out.
        depthwise = isinstance(one.readers[0], keras.layers.DepthwiseConv2D)
        _multiply(one, factor if depthwise else np.sqrt(factor))
    return result


def _factor(top: float, ranges: Floats) -> Floats:
    """Return what each channel is multiplied by to reach `top`, at least 1; one that is never used stays."""
    share = np.clip(top / np.maximum(ranges, 1e-9), 1.0, WIDEST)
    return np.where(ranges > 0, share, 1.0).astype(np.float32)


def _multiply(one: Group, factor: Floats) -> None:
    multiply(one.norms, factor)
    for reader in one.readers:
        kernel, *bias = reader.get_weights()
        reader.set_weights([kernel / factor[:, None], *bias])  # its last axes: what it reads, what it makes


def _bottlenecks(model: keras.Model) -> list[Group]:
    """Return the bottlenecks in the order of the network; the head reads the last one."""
    found: list[Group] = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Add):
            last = found.pop()
            found[-1].norms += last.norms
            found[-1].tensors += [*last.tensors, layer.name]
            found[-1].readers += last.readers
        elif isinstance(layer, keras.layers.BatchNormalization) and layer.name.endswith("bn2"):
            found.append(Group([layer], [layer.name]))
        elif isinstance(layer, keras.layers.Dense) or layer.name.endswith("expand_conv"):
            found[-1].readers.append(layer)
    return found


def _behind_relus(model: keras.Model) -> list[Group]:
    """Return what lies behind each ReLU6, which one layer reads."""
    found: list[Group] = []
    norm: Any = None
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            norm = layer
        elif isinstance(layer, keras.layers.ReLU):
            found.append(Group([norm], [layer.name]))
        elif found and not found[-1].readers and isinstance(layer, _KERNELS):
            found[-1].readers.append(layer)
    return found


def _ranges(model: keras.Model, names: list[str], crops: NDArray[np.uint8]) -> dict[str, Floats]:
    """Return the largest value of each channel of the layers' outputs."""
    probe = keras.Model(model.inputs, {name: model.get_layer(name).output for name in names})
    most: dict[str, Floats] = {}
    for outputs in answers(probe, crops):
        for name, tensor in outputs.items():
            widen(most, name, tensor)
    return most
