"""Grad-CAM and Grad-CAM++ by the gradients of the float network: what the device's maps are judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from edge.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BATCH = 16
_LAST = "activation"
"""The layer whose output the shipped networks' heads average over."""


@dataclass(frozen=True)
class CamMaps:
    """Maps of one class each, and what else one pass gives, for n images on a grid of h x w places.

    gradcam, plus: evidence for the class, float32 (n, h, w), at least 0. mean: the mean activation over all
    channels, float32 (n, h, w), which no class has a say in. logits: float32 (n, classes).
    """

    gradcam: NDArray[np.float32]
    plus: NDArray[np.float32]
    mean: NDArray[np.float32]
    logits: NDArray[np.float32]


def target_layer(model: keras.Model) -> keras.layers.Layer:
    """Return the layer whose output is explained: the one named `activation`, or else the last convolution.

    In the study's network that is the second ReLU of the sixth block, before BatchNorm and pooling.
    Raises ConfigError for a network that has neither.
    """
    for layer in model.layers:
        if layer.name == _LAST:
            return layer
    kinds = layers.Conv2D | layers.SeparableConv2D | layers.DepthwiseConv2D
    convolutions = [layer for layer in model.layers if isinstance(layer, kinds)]
    if not convolutions:
        raise ConfigError("the network has no convolution whose activation could be explained")
    return convolutions[-1]


class GradCam:
    """Makes the maps of one network."""

    def __init__(self, model: keras.Model, turns: int = 1) -> None:
        """Take a network from images in 0 to 1 to logits. Raises ConfigError, see `target_layer`.

        turns: in how many quarter turns it looks at each image, to answer by the mean.
        """
        self.turns = turns
        self.layer = target_layer(model)
        self._both = keras.Model(model.inputs, [self.layer.output, model.outputs[0]])

    def maps(self, pixels: NDArray[np.uint8], classes: NDArray[np.int64]) -> CamMaps:
        """Explain the logit of one class each (n,) for crops, uint8 (n, 120, 120, 3); n is at least 1.

        The score is the logit, as in Grad-CAM (Selvaraju et al. 2017); Grad-CAM++ (Chattopadhyay et al. 2018)
        takes its exponential, whose higher derivatives are powers of the first. Of several turns the mean is
        explained: the evidence of each, turned back, before what speaks against the class is cut off.
        """
        parts = [
            self._batch(pixels[i : i + _BATCH], classes[i : i + _BATCH])
            for i in range(0, len(pixels), _BATCH)
        ]
        gradient, plus, mean, logits = (
            np.concatenate(arrays).astype(np.float32) for arrays in zip(*parts, strict=True)
        )
        return CamMaps(np.maximum(gradient, 0), np.maximum(plus, 0), np.maximum(mean, 0), logits)

    def _batch(
        self, pixels: NDArray[np.uint8], classes: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], ...]:
        looks = [self._look(np.rot90(pixels, turn, axes=(1, 2)), classes) for turn in range(self.turns)]
        *maps, logits = zip(*looks, strict=True)
        back = [[np.rot90(one, -turn, axes=(1, 2)) for turn, one in enumerate(turned)] for turned in maps]
        return (*(np.mean(one, axis=0) for one in back), np.mean(logits, axis=0))

    def _look(self, pixels: NDArray[np.uint8], classes: NDArray[np.int64]) -> tuple[NDArray[np.float32], ...]:
        image = tf.cast(pixels, tf.float32) / 255.0
        with tf.GradientTape() as tape:
            tape.watch(image)
            activation, logits = self._both(image, training=False)
            score = tf.gather(logits, classes, axis=1, batch_dims=1)
        gradient = np.asarray(tape.gradient(score, activation), np.float32)
        values = np.asarray(activation, np.float32)
        return (
            _weighed(values, gradient),
            _weighed_by_rises(values, gradient),
            values.mean(axis=3),
            np.asarray(logits, np.float32),
        )


def gradcam(activation: NDArray[np.float32], gradient: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the ReLU of the channels' sum, each weighted by its mean gradient (Selvaraju et al. 2017).

    activation, and gradient of the class's score by it: float32 (n, h, w, channels). Gives (n, h, w).
    """
    return np.maximum(_weighed(activation, gradient), 0)


def _weighed(activation: NDArray[np.float32], gradient: NDArray[np.float32]) -> NDArray[np.float32]:
    weights = gradient.mean(axis=(1, 2), keepdims=True)
    return np.asarray((weights * activation).sum(axis=3), np.float32)


def gradcam_plus_plus(activation: NDArray[np.float32], gradient: NDArray[np.float32]) -> NDArray[np.float32]:
    """The map whose weights count rising places only, each by its own alpha (Chattopadhyay et al. 2018).

    Shapes as in `gradcam`. With the exponential of the score the second and third derivatives are the first
    one's square and cube, times a factor that no map shows.
    """
    return np.maximum(_weighed_by_rises(activation, gradient), 0)


def _weighed_by_rises(activation: NDArray[np.float32], gradient: NDArray[np.float32]) -> NDArray[np.float32]:
    square = gradient.astype(np.float64) ** 2
    total = activation.astype(np.float64).sum(axis=(1, 2), keepdims=True)
    below = 2 * square + total * square * gradient
    alpha = np.divide(square, below, out=np.zeros_like(square), where=np.abs(below) > 1e-30)
    weights = (alpha * np.maximum(gradient, 0)).sum(axis=(1, 2), keepdims=True)
    return np.asarray((weights * activation).sum(axis=3), np.float32)
