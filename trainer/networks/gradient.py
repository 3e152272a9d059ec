"""Grad-CAM of a flattened head in closed form, so that a device without gradients gives it for all classes.

The head is dense layers with tanh, whose slope is 1 - tanh^2: the gradient of every logit by the flattened
values is a product of the layers' weights and slopes. A max pooling hands each gradient on to one of its
places, so the sum over places, which is all that Grad-CAM asks for, is the same before it and after; what a
BatchNorm does at inference multiplies it by a number for each channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers, ops

from trainer.networks.study import folded

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD = "head"
"""The part of the network that is kept in float: its layer has this name."""

_CONVOLUTIONS = layers.Conv2D | layers.SeparableConv2D


@dataclass(frozen=True)
class _Tail:
    """The end of a network: a convolution, then at most an affine layer and pooling, then a flattened head.

    affine: a BatchNorm, or the depthwise convolution that `folded` leaves in its place, or None. hidden:
    dense layers with tanh, at least one.
    """

    convolution: keras.layers.Layer
    affine: keras.layers.Layer | None
    flatten: keras.layers.Layer
    hidden: tuple[keras.layers.Layer, ...]
    logits: keras.layers.Layer


def has_tanh_head(model: keras.Model) -> bool:
    """Tell whether the network ends as the study's does, so that `with_gradient` can take it."""
    return _tail(model) is not None


def with_gradient(model: keras.Model) -> keras.Model:
    """Return the network without BatchNorm, with outputs `logits` and `maps`.

    maps: float32 (n, h, w, classes), Grad-CAM (Selvaraju et al. 2017) at the last convolution's ReLU: its
    channels' sum, each weighted by the mean gradient of the class's logit by it; not yet rectified. All that
    comes after pooling is one layer named `head`, for int8 would take the slopes of saturated tanh for
    naught. Raises ValueError for a network that has another end.
    """
    plain = folded(model)
    tail = _tail(plain)
    if tail is None:
        raise ValueError("the network does not end in a flattened head with tanh")
    activation, entering = tail.convolution.output, tail.flatten.input
    head = _head(tail, activation.shape[1:], entering.shape[1:])
    return keras.Model(plain.inputs, head([entering, activation]), name=model.name)


def in_parts(exported: keras.Model) -> tuple[keras.Model, keras.Model | None]:
    """Part what `with_gradient` gave: up to the head, with outputs named as the head's inputs, and the head.

    Any other network is one part.
    """
    head = next((layer for layer in exported.layers if layer.name == HEAD), None)
    if head is None:
        return exported, None
    entering = head._inbound_nodes[-1].input_tensors  # noqa: SLF001 (its own `input` is not of this network)
    names = [one.name for one in head.inputs]
    return keras.Model(exported.inputs, dict(zip(names, entering, strict=True))), head


def _head(tail: _Tail, activation: tuple[int, ...], entering: tuple[int, ...]) -> keras.Model:
    """Make the dense layers, and their gradient by `entering`, summed over places: all classes are rows."""
    inputs = keras.Input(entering, name="entering"), keras.Input(activation, name="activation")
    dense = (*tail.hidden, tail.logits)
    kernels = [layer.get_weights()[0] for layer in dense]
    x = layers.Flatten()(inputs[0])
    slopes, made = [], []
    for layer in tail.hidden:
        made.append(layers.Dense(layer.units, activation="tanh"))
        x = made[-1](x)
        slopes.append(ops.expand_dims(1.0 - x * x, 1))
    made.append(layers.Dense(tail.logits.units))
    logits = made[-1](x)
    rows: Any = kernels[-1].T[None]
    backwards = []
    for number in reversed(range(len(slopes))):
        kernel = kernels[number].T if number else _to_channels(tail, kernels[0], activation, entering)
        backwards.append((layers.Dense(kernel.shape[1], use_bias=False), kernel))
        rows = backwards[-1][0](slopes[number] * rows)
    places = ops.reshape(inputs[1], (-1, activation[0] * activation[1], activation[2]))
    maps = ops.matmul(places, ops.transpose(rows, (0, 2, 1)))
    maps = ops.reshape(maps, (-1, *activation[:2], tail.logits.units))
    head = keras.Model(inputs, {"logits": logits, "maps": maps}, name=HEAD)
    for layer, former in zip(made, dense, strict=True):
        layer.set_weights(former.get_weights())
    for layer, kernel in backwards:
        layer.set_weights([kernel])
    return head


def _to_channels(
    tail: _Tail, kernel: NDArray[np.float32], activation: tuple[int, ...], entering: tuple[int, ...]
) -> NDArray[np.float32]:
    """The first layer's kernel backwards, float32 (units, channels): its mean over the map's places."""
    summed = kernel.reshape(-1, entering[2], kernel.shape[1]).sum(axis=0)
    factor = np.float32(1 / (activation[0] * activation[1]))
    if tail.affine is not None:
        factor = factor * tail.affine.get_weights()[0].reshape(-1, 1)
    return np.asarray((summed * factor).T, np.float32)


def _tail(model: keras.Model) -> _Tail | None:
    """Read the network's layers from its end, over those that do nothing at inference."""
    rest = [layer for layer in model.layers if not isinstance(layer, layers.Dropout)]
    dense: list[keras.layers.Layer] = []
    while rest and isinstance(rest[-1], layers.Dense):
        dense.insert(0, rest.pop())
    if len(dense) < 2 or not rest or not isinstance(rest[-1], layers.Flatten):
        return None
    *hidden, logits = dense
    if logits.activation is not keras.activations.linear or any(
        layer.activation is not keras.activations.tanh or not layer.use_bias for layer in hidden
    ):
        return None
    flatten = rest.pop()
    if rest and isinstance(rest[-1], layers.MaxPooling2D):
        rest.pop()
    affine = None
    if rest and isinstance(rest[-1], layers.BatchNormalization | layers.DepthwiseConv2D):
        affine = rest.pop()
    if not rest or not isinstance(rest[-1], _CONVOLUTIONS):
        return None
    return _Tail(rest[-1], affine, flatten, tuple(hidden), logits)
