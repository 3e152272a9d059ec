"""The last epochs of a `compact` network, in which it learns to bear what int8 rounds away.

Weights and values are rounded in the forward pass as int8 does, and gradients pass the rounding as if it were
none (Jacob et al. 2018, Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference). What is saved is the network itself, not rounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from keras import layers

from trainer.networks.bounded import Bound

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainer.recipe import Training

RATE = 6e-4
"""Learning rate of the first of these steps; it falls to 0 on a line."""

_STEPS = 255
_SIGNED = 127


def fit_rounded(
    model: keras.Model,
    batches: tf.data.Dataset,
    settings: Training,
    done: int,
    total: int,
    after_batch: Callable[[int, dict[str, float]], None],
) -> dict[str, float]:
    """Train for one epoch; return the mean "loss" and "accuracy" of its batches.

    batches: of float32 crops (n, h, w, 3) and targets (n, classes). done, total: steps of all these epochs.
    The optimizer begins anew in each epoch, so that a run that goes on sees what an unbroken one would have.
    """
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.PolynomialDecay(RATE * (1 - done / total), total - done, 0.0),
        weight_decay=settings.weight_decay,
    )
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=settings.label_smoothing)

    @tf.function  # type: ignore[untyped-decorator]
    def step(images: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = rounded(model, images, training=True)
            value = loss(targets, logits)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))
        right = tf.argmax(logits, axis=1) == tf.argmax(targets, axis=1)
        return value, tf.reduce_mean(tf.cast(right, tf.float32))

    sums, count = [0.0, 0.0], 0
    for images, targets in batches:
        count += 1
        sums = [one + float(now) for one, now in zip(sums, step(images, targets), strict=True)]
        after_batch(count - 1, {"loss": sums[0] / count, "accuracy": sums[1] / count})
    return {"accuracy": sums[1] / max(1, count), "loss": sums[0] / max(1, count)}


def rounded(model: keras.Model, images: Any, *, training: bool) -> Any:
    """Return the logits, float32 (n, classes), of a `compact` network that is rounded as int8 is."""
    x, before = images, images
    for layer in model.layers:
        if isinstance(layer, layers.SeparableConv2D):
            before = x
            depthwise, pointwise = _weights(layer.depthwise_kernel, (0, 1)), _weights(layer.pointwise_kernel)
            x = _values(tf.nn.depthwise_conv2d(x, depthwise, [1, *layer.strides, 1], "SAME"))
            x = tf.nn.conv2d(x, pointwise, 1, "VALID")
        elif isinstance(layer, layers.DepthwiseConv2D):
            before = x
            x = tf.nn.depthwise_conv2d(x, _weights(layer.kernel, (0, 1)), [1, *layer.strides, 1], "SAME")
            x = x + layer.bias
        elif isinstance(layer, Bound):
            x = _values(layer(x))
        elif isinstance(layer, layers.Conv2D):
            x = tf.nn.conv2d(x, _weights(layer.kernel), layer.strides, "SAME")
        elif isinstance(layer, layers.Add):
            x = _values(x + before)
        elif isinstance(layer, layers.ReLU | layers.GlobalAveragePooling2D):
            x = _values(layer(x))
        elif isinstance(layer, layers.BatchNormalization | layers.Dropout):
            x = layer(x, training=training)
        elif isinstance(layer, layers.Dense):
            x = tf.linalg.matmul(x, _weights(layer.kernel, (0,))) + layer.bias
    return x


def _weights(kernel: Any, axes: tuple[int, ...] = (0, 1, 2)) -> Any:
    """Return weights as int8 has them, a scale for each output channel."""
    kernel = tf.convert_to_tensor(kernel)
    scale = tf.maximum(tf.reduce_max(tf.abs(kernel), axis=axes, keepdims=True), 1e-12) / _SIGNED
    return kernel + tf.stop_gradient(tf.round(kernel / scale) * scale - kernel)


def _values(tensor: Any) -> Any:
    """Return values as int8 has them, one scale for all, from the batch's least to its greatest."""
    low = tf.minimum(tf.reduce_min(tensor), 0.0)
    scale = tf.maximum(tf.maximum(tf.reduce_max(tensor), 0.0) - low, 1e-12) / _STEPS
    zero = tf.round(low / scale)
    return tensor + tf.stop_gradient(tf.round(tensor / scale - zero) * scale + zero * scale - tensor)
