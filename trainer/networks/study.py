"""The study's network (Islam, Assaduzzaman and Hasan), and its BatchNorm folded through ReLU for int8."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from edge.masking import CROP_SIZE

_DENSE = ((512, 0.7), (128, 0.5), (64, 0.3))


def study(
    classes: int, *, filters: tuple[int, ...] = (16, 32, 64, 128, 256, 1024), dropout: float = 0.2
) -> keras.Model:
    """Six blocks of two convolutions, then flatten and three tanh layers; float32 logits (n, classes).

    Stated by the study: the six blocks, two 16-filter convolutions in the first and separable ones with
    growing filters in the others, ReLU before BatchNorm before max pooling, dropout 0.2 in the fourth and
    fifth block, the dense layers with their dropout, Glorot uniform. Its softmax is left to the loss.

    Chosen here, for the study does not say: kernels 3x3 with "same" padding, one BatchNorm a block, after the
    block's second ReLU; pooling 2x2 that rounds up, so that 2x2 places are left to flatten (120, 60, 30, 15,
    8, 4, 2); filters doubling from 16 to 256. The last block's 1024 is what brings the float32 weights near
    the 14.33 MB that the study reports, which are MiB as the sizes of its baselines are: 512 would give 6.4,
    1024 gives 13.9.
    """
    inputs = keras.Input((CROP_SIZE, CROP_SIZE, 3), name="image")
    x = inputs
    for number, width in enumerate(filters, start=1):
        convolution = layers.Conv2D if number == 1 else layers.SeparableConv2D
        for _ in range(2):
            x = convolution(width, 3, padding="same", activation="relu")(x)
        if number > 1:
            x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(2, padding="same")(x)
        if number in {4, 5}:
            x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(x)
    for width, share in _DENSE:
        x = layers.Dropout(share)(layers.Dense(width, activation="tanh")(x))
    return keras.Model(inputs, layers.Dense(classes, name="logits", dtype="float32")(x), name="study")


def folded(model: keras.Model) -> keras.Model:
    """Return the same function without BatchNorm: what it does after a ReLU is moved into the convolution.

    At inference BatchNorm is y*g + c. After a ReLU, relu(x)*g + c = relu(|g|*x)*sign(g) + c for every sign of
    g, so |g| goes into the convolution before, and a 1x1 depthwise convolution with kernel sign(g) and
    bias c stays in its place. c cannot go on into the next convolution: that one pads with zeros, not with c.
    Without this, TensorFlow's int8 calibration misreads the tensors in between (TensorFlow issue 127842).
    A BatchNorm after anything but a convolution with ReLU keeps g in the depthwise kernel.
    """

    def replace(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, layers.BatchNormalization):
            return layers.DepthwiseConv2D(1, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    def call(layer: keras.layers.Layer, *inputs: Any, **_: Any) -> Any:
        return layer(*inputs)  # without the mask that BatchNorm takes and a convolution does not

    result = keras.models.clone_model(model, clone_function=replace, call_function=call)
    for layer in model.layers:
        if layer.weights and not isinstance(layer, layers.BatchNormalization):
            result.get_layer(layer.name).set_weights(layer.get_weights())
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            scale, shift = affine(layer)
            before = result.get_layer(layer.input._keras_history.operation.name)  # noqa: SLF001
            if _is_rectified(before):
                *depthwise, kernel, bias = before.get_weights()
                before.set_weights([*depthwise, kernel * np.abs(scale), bias * np.abs(scale)])
                scale = np.sign(scale)
            result.get_layer(layer.name).set_weights([scale[None, None, :, None], shift])
    return result


def affine(layer: keras.layers.Layer) -> tuple[Any, Any]:
    """Return g and c, float32 (channels,) each, of what a BatchNorm does at inference: y*g + c."""
    deviation = np.sqrt(np.asarray(layer.moving_variance) + layer.epsilon)
    scale = (np.asarray(layer.gamma) if layer.scale else 1.0) / deviation
    shift = (np.asarray(layer.beta) if layer.center else 0.0) - np.asarray(layer.moving_mean) * scale
    return scale, shift


def _is_rectified(layer: keras.layers.Layer) -> bool:
    return (
        isinstance(layer, layers.Conv2D | layers.SeparableConv2D)
        and layer.use_bias
        and layer.activation is keras.activations.relu
    )
