"""The same network with its channels brought to one range, so that int8 rounds each of them as finely.

A tensor has one int8 scale for all of its channels: a channel with small values is rounded away. A ReLU lets
a factor through, so a channel can be scaled before it and scaled back in the next layer's weights, and the
network computes what it did before (Nagel et al. 2019, Data-Free Quantization Through Weight Equalization
and Bias Correction).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from trainer.networks.predicting import answers
from trainer.quantization.scaling import WIDEST, Group, multiply, widen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


def can_be_equalized(model: keras.Model) -> bool:
    """Whether the network is one of those whose layers are known here: `compact`, with its pooled head."""
    return bool(model.name == "compact")


def equalized(model: keras.Model, crops: NDArray[np.uint8]) -> keras.Model:
    """Return a network that answers as the `compact` one given does, with channels of more equal range.

    crops: uint8 (n, h, w, 3), on which the ranges are measured.
    """
    result = keras.models.clone_model(model)
    result.set_weights(model.get_weights())
    groups = _groups(result)
    outputs = {name: result.get_layer(name).output for group in groups for name in group.tensors}
    separable = [one for group in groups for one in group.readers]
    inside = {one.name: one.input for one in separable}
    probe = keras.Model(result.inputs, {"outputs": outputs, "inside": inside})
    most, deep = _ranges(probe, crops, {one.name: one for one in separable})
    for group in groups:
        factor = _factor(np.max([most[name] for name in group.tensors], axis=0))
        multiply(group.norms, factor)
        for one in group.readers:
            depthwise, pointwise = one.get_weights()
            own = _factor(deep[one.name])
            one.set_weights(
                [depthwise * (own / factor)[None, None, :, None], pointwise / own[None, None, :, None]]
            )
    dense = result.get_layer("logits")
    kernel, bias = dense.get_weights()
    dense.set_weights([kernel / factor[:, None], bias])
    return result


def _groups(model: keras.Model) -> list[Group]:
    """Return the groups in the order of the network; the last one is what its head reads."""
    groups: list[Group] = []
    norm: Any = None
    for layer in model.layers:
        if isinstance(layer, keras.layers.SeparableConv2D):
            groups[-1].readers.append(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            norm = layer
        elif isinstance(layer, keras.layers.ReLU):
            groups.append(Group([norm], [layer.name]))
        elif isinstance(layer, keras.layers.Add):
            last = groups.pop()
            groups[-1].norms += last.norms
            groups[-1].tensors += [*last.tensors, layer.name]
    return groups


def _ranges(
    probe: keras.Model, crops: NDArray[np.uint8], readers: dict[str, Any]
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return the largest value of each channel: of the tensors, and between a separable convolution's two."""
    most: dict[str, Floats] = {}
    deep: dict[str, Floats] = {}
    for found in answers(probe, crops):
        for name, tensor in found["outputs"].items():
            widen(most, name, tensor)
        for name, tensor in found["inside"].items():
            kernel = readers[name].depthwise_kernel
            strides = [1, *readers[name].strides, 1]
            widen(deep, name, tf.nn.depthwise_conv2d(tensor, kernel, strides, "SAME"))
    return most, deep


def _factor(ranges: Floats) -> Floats:
    """Return what each channel is multiplied by, at least 1; a channel that is never used stays.

    The root, for what the values gain, the weights behind them lose.
    """
    share = ranges.max() / np.maximum(ranges, 1e-9)
    return np.where(ranges > 0, np.sqrt(np.minimum(share, WIDEST)), 1.0).astype(np.float32)
