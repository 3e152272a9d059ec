"""A `compact` network whose values between the halves of each separable convolution are bounded.

There stand neither a normalisation nor a ReLU, so the largest of these values, ten deviations from their
mean, set the scale that int8 rounds all of them by. Bounded at four deviations, they are rounded three times
as finely. The bound is -1 to 1, which TFLite computes as part of the convolution before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_DEVIATIONS = 4.0
_BATCH = 50
_LEAST_SPREAD = 1e-3  # of the largest: a channel that is hardly used is not blown up


@keras.saving.register_keras_serializable("leukoscope")
class Bound(layers.Layer):  # type: ignore[misc]
    """Bound values to -1 to 1."""

    def call(self, inputs: Any) -> Any:
        """Return float32 (n, h, w, c), each at least -1 and at most 1."""
        return ops.minimum(ops.maximum(inputs, -1.0), 1.0)


def bounded(model: keras.Model, crops: NDArray[np.uint8]) -> keras.Model:
    """Return the `compact` network given with its values bounded: it answers nearly as before, and learns on.

    crops: uint8 (n, h, w, 3), on which the mean and the deviation of each channel are measured.
    """
    measured = _moments(model, crops)
    made: dict[str, Any] = {}  # the new network's tensors, by the layer of the old one that made them
    shift: Any = None
    for layer in model.layers:
        if isinstance(layer, layers.InputLayer):
            made[layer.name] = keras.Input(layer.batch_shape[1:], name=layer.name)
            continue
        given = [made[one] for one in _makers(layer)]
        if isinstance(layer, layers.SeparableConv2D):
            made[layer.name], shift = _bounded_pair(layer, given[0], *measured[layer.name])
            continue
        copy = layer.__class__.from_config(layer.get_config())
        made[layer.name] = copy(given if len(given) > 1 else given[0])
        weights = layer.get_weights()
        if isinstance(layer, layers.BatchNormalization) and shift is not None:
            weights[2] = weights[2] + shift  # its moving mean
            shift = None
        copy.set_weights(weights)
    (source,) = model.inputs
    return keras.Model(made[_maker(source)], made[model.layers[-1].name], name=model.name)


def _bounded_pair(layer: Any, given: Any, mean: Floats, deviation: Floats) -> tuple[Any, Floats]:
    """Return what a separable convolution's place gives now, and by how much its mean is another."""
    depthwise, pointwise = layer.get_weights()
    width = deviation * _DEVIATIONS
    first = layers.DepthwiseConv2D(
        layer.kernel_size, strides=layer.strides, padding=layer.padding, name=f"{layer.name}_depthwise"
    )
    second = layers.Conv2D(layer.filters, 1, use_bias=False, name=f"{layer.name}_pointwise")
    result = second(Bound(name=f"{layer.name}_bound")(first(given)))
    first.set_weights([depthwise / width[None, None, :, None], -mean / width])
    second.set_weights([pointwise * width[None, None, :, None]])
    return result, -(pointwise[0, 0] * mean[:, None]).sum(axis=0)


def _moments(model: keras.Model, crops: NDArray[np.uint8]) -> dict[str, tuple[Floats, Floats]]:
    """Return mean and deviation, float32 (channels,), behind each separable convolution's first half."""
    readers = [one for one in model.layers if isinstance(one, layers.SeparableConv2D)]
    probe = keras.Model(model.inputs, {one.name: one.input for one in readers})
    sums: dict[str, list[Any]] = {one.name: [0, 0.0, 0.0] for one in readers}
    for start in range(0, len(crops), _BATCH):
        inputs = probe(tf.cast(crops[start : start + _BATCH], tf.float32) / 255, training=False)
        for one in readers:
            values = tf.nn.depthwise_conv2d(
                inputs[one.name], one.depthwise_kernel, [1, *one.strides, 1], one.padding.upper()
            )
            flat = np.asarray(values, np.float64).reshape(-1, values.shape[-1])
            added = (len(flat), flat.sum(axis=0), (flat**2).sum(axis=0))
            sums[one.name] = [old + new for old, new in zip(sums[one.name], added, strict=True)]
    return {name: _mean_and_deviation(*values) for name, values in sums.items()}


def _mean_and_deviation(count: int, total: Any, squares: Any) -> tuple[Floats, Floats]:
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    least = max(_LEAST_SPREAD * float(deviation.max()), 1e-12)
    return mean.astype(np.float32), np.maximum(deviation, least).astype(np.float32)


def _makers(layer: Any) -> list[str]:
    given = layer.input if isinstance(layer.input, list) else [layer.input]
    return [_maker(one) for one in given]


def _maker(tensor: Any) -> str:
    name: str = tensor._keras_history.operation.name  # noqa: SLF001
    return name
