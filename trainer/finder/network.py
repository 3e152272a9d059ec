"""The finder's network: fully convolutional, a map value for every eighth pixel, of any picture's size."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from edge.finding.decoding import MAPS

_RARE = -3.5
"""Logit that the maps of the kinds begin with: most places show no middle (Lin et al. 2017)."""


@keras.saving.register_keras_serializable("leukoscope")
class DepthToSpace(layers.Layer):  # type: ignore[misc]
    """Twice as wide and high with a quarter of the channels: (n, h, w, 4c) to (n, 2h, 2w, c).

    Upsampling by this has no size in the graph, so the device can give it pictures of any size.
    """

    def call(self, inputs: Any) -> Any:
        """Return the rearranged maps."""
        import tensorflow as tf  # noqa: PLC0415 (Keras has no operation of this name)

        return tf.nn.depth_to_space(inputs, 2)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of what comes out."""
        count, height, width, channels = shape
        return count, height and 2 * height, width and 2 * width, (channels or 0) // 4


def finder(
    *,
    widths: tuple[int, int, int, int] = (16, 32, 64, 96),
    depth: tuple[int, int, int] = (1, 2, 2),
    head: int = 2,
) -> keras.Model:
    """Return the network: float32 (n, h, w, 3) in 0 to 1 to maps (n, h/8, w/8, 6); h, w multiples of 16.

    Three stages halve the picture to a sixteenth, the last is brought back beside the second: what a cell is
    shows in what lies around it. depth: blocks at a quarter, an eighth, a sixteenth; head: after joining.
    """
    image = keras.Input((None, None, 3), name="image")
    x = layers.Conv2D(widths[0], 3, strides=2, padding="same", use_bias=False)(image)
    x = layers.ReLU()(_normalized(x))
    x = _block(x, widths[1], 2)
    for _ in range(depth[0]):
        x = _block(x, widths[1])
    x = _block(x, widths[2], 2)
    for _ in range(depth[1]):
        x = _block(x, widths[2])
    fine = x
    x = _block(x, widths[3], 2)
    for _ in range(depth[2]):
        x = _block(x, widths[3])
    x = DepthToSpace()(layers.Conv2D(4 * widths[2], 1, use_bias=False)(x))
    x = layers.ReLU()(layers.Add()([_normalized(x), fine]))
    for _ in range(head):
        x = _block(x, widths[2])
    bias = keras.initializers.Constant([_RARE] * 3 + [0.0] * (MAPS - 3))
    maps = layers.Conv2D(
        MAPS,
        1,
        bias_initializer=bias,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        dtype="float32",
        name="maps",
    )
    return keras.Model(image, maps(x), name="finder")


def _normalized(x: Any) -> Any:
    return layers.BatchNormalization(momentum=0.97)(x)


def _block(x: Any, filters: int, stride: int = 1) -> Any:
    y = layers.SeparableConv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
    y = layers.ReLU()(_normalized(y))
    return layers.Add()([x, y]) if stride == 1 and x.shape[-1] == filters else y


@keras.saving.register_keras_serializable("leukoscope")  # type: ignore[untyped-decorator]
def finder_loss(target: Any, maps: Any) -> Any:
    """Return the loss of each picture: focal on the peaks, absolute on size and middle.

    target: float32 (n, h, w, 10) as `canvases.targets` gives it; maps: (n, h, w, 6). Source: Law and Deng
    2018 (CornerNet's penalty-reduced focal loss), as in Zhou et al. 2019.
    """
    heat, weight, asked = target[..., 0:3], target[..., 3:6], target[..., 9:10]
    logits = maps[..., 0:3]
    sure = ops.sigmoid(logits)
    here = ops.cast(heat >= 0.999, "float32")
    log_here, log_not = ops.log_sigmoid(logits), ops.log_sigmoid(-logits)
    focal = here * (1 - sure) ** 2 * log_here + (1 - here) * (1 - heat) ** 4 * sure**2 * log_not
    count = 1 + ops.sum(here * weight, axis=(1, 2, 3))
    peaks = -ops.sum(focal * weight, axis=(1, 2, 3)) / count
    apart = ops.abs(target[..., 6:9] - maps[..., 3:6]) * ops.convert_to_tensor([1.0, 0.5, 0.5])
    sizes = ops.sum(apart * asked, axis=(1, 2, 3)) / (1 + ops.sum(asked, axis=(1, 2, 3)))
    return peaks + sizes
