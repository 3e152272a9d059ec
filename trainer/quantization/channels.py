"""A network of inverted residuals with the channels of each tensor brought to one range.

One channel of large values sets the int8 scale of all. A bottleneck is linear: what its channels are
multiplied by, the weights that read them are divided by, and the network computes what it did before. So it
does behind a ReLU6 where a channel stays below six (Nagel et al. 2019, as in `quantization.equalizing`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_BATCH = 50
_KERNELS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
_WIDEST = 64.0  # a factor: a channel that is nearly never used needs no more
_TOP = 5.4  # a channel of other crops may go higher, and a ReLU6 cuts at six


@dataclass
class _Group:
    """Tensors that are added to each other, so that a channel has one factor in all of them.

    norms: the layers that make them. tensors: their names. readers: the layers whose kernels read them.
    """

    norms: list[Any] = field(default_factory=list)
    tensors: list[str] = field(default_factory=list)
    readers: list[Any] = field(default_factory=list)


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
    share = np.clip(top / np.maximum(ranges, 1e-9), 1.0, _WIDEST)
    return np.where(ranges > 0, share, 1.0).astype(np.float32)


def _multiply(one: _Group, factor: Floats) -> None:
    for norm in one.norms:
        norm.gamma.assign(norm.gamma * factor)
        norm.beta.assign(norm.beta * factor)
    for reader in one.readers:
        kernel, *bias = reader.get_weights()
        reader.set_weights([kernel / factor[:, None], *bias])  # its last axes: what it reads, what it makes


def _bottlenecks(model: keras.Model) -> list[_Group]:
    """Return the bottlenecks in the order of the network; the head reads the last one."""
    found: list[_Group] = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Add):
            last = found.pop()
            found[-1].norms += last.norms
            found[-1].tensors += [*last.tensors, layer.name]
            found[-1].readers += last.readers
        elif isinstance(layer, keras.layers.BatchNormalization) and layer.name.endswith("bn2"):
            found.append(_Group([layer], [layer.name]))
        elif isinstance(layer, keras.layers.Dense) or layer.name.endswith("expand_conv"):
            found[-1].readers.append(layer)
    return found


def _behind_relus(model: keras.Model) -> list[_Group]:
    """Return what lies behind each ReLU6, which one layer reads."""
    found: list[_Group] = []
    norm: Any = None
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            norm = layer
        elif isinstance(layer, keras.layers.ReLU):
            found.append(_Group([norm], [layer.name]))
        elif found and not found[-1].readers and isinstance(layer, _KERNELS):
            found[-1].readers.append(layer)
    return found


def _ranges(model: keras.Model, names: list[str], crops: NDArray[np.uint8]) -> dict[str, Floats]:
    """Return the largest value of each channel of the layers' outputs."""
    probe = keras.Model(model.inputs, {name: model.get_layer(name).output for name in names})
    most: dict[str, Floats] = {}
    for start in range(0, len(crops), _BATCH):
        outputs = probe(tf.cast(crops[start : start + _BATCH], tf.float32) / 255, training=False)
        for name, tensor in outputs.items():
            now = np.asarray(tf.reduce_max(tf.abs(tensor), axis=(0, 1, 2)), np.float32)
            most[name] = np.maximum(most[name], now) if name in most else now
    return most
