"""Maps that know nothing of the class: what an explanation must beat before it is worth a look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

RANDOM, CENTRE, MEAN, REDRAWN = "random map", "centre blob", "mean activation", "randomised network"
BASELINES = {
    RANDOM: "chance at every place of the grid",
    CENTRE: "a bell around the middle of the crop, a quarter of its side wide (standard deviation)",
    MEAN: "the last activation, averaged over its channels: no class has a say in it",
    REDRAWN: "Grad-CAM of the same network with all its weights drawn anew, by four draws in turn",
}
"""Name -> what it is."""

_WIDTH = 0.25  # of the side: the bell then holds about what a cell does


def random_maps(count: int, grid: tuple[int, int], seed: int) -> NDArray[np.float32]:
    """Return float32 (count, *grid), even between 0 and 1."""
    return np.random.default_rng(seed).random((count, *grid), np.float32)


def centre_blob(grid: tuple[int, int]) -> NDArray[np.float32]:
    """Return a Gaussian bell, float32 of the grid's shape, 1 in the middle of the crop."""
    away = [((np.arange(side) + 0.5) / side - 0.5) / _WIDTH for side in grid]
    return np.asarray(np.exp(-0.5 * (away[0][:, None] ** 2 + away[1][None, :] ** 2)), np.float32)


def redrawn(model: keras.Model, seed: int) -> keras.Model:
    """Return the same network with all its weights drawn anew."""
    for _, changed in cascade(model, seed):
        model = changed  # down to the first layer; it is one object all along
    return model


def cascade(model: keras.Model, seed: int) -> Iterator[tuple[str, keras.Model]]:
    """Draw the weights anew, layer by layer from the head down, keeping what was drawn (Adebayo et al. 2018).

    Gives after each layer its name and the network so far, always the same object. A BatchNorm goes with the
    layer before it. `model` itself is left as it is.
    """
    changed = keras.models.clone_model(model)
    changed.set_weights(model.get_weights())
    rng = np.random.default_rng(seed)
    pending: list[keras.layers.Layer] = []
    for layer in reversed(changed.layers):
        if not layer.weights:
            continue
        pending.append(layer)
        if isinstance(layer, keras.layers.BatchNormalization):
            continue
        for one in pending:
            _redraw(one, rng)
        pending.clear()
        yield layer.name, changed
    if pending:
        for one in pending:
            _redraw(one, rng)
        yield pending[-1].name, changed


def _redraw(layer: keras.layers.Layer, rng: np.random.Generator) -> None:
    """Draw kernels as He et al. (2015) do; leave biases and BatchNorm as at the start of a training.

    The layer's own initializer would not do: Keras keeps its seed with the network, and would draw the very
    weights that the training began with, which the trained ones still resemble.
    """
    drawn = []
    for weight in layer.weights:
        shape = tuple(weight.shape)
        if len(shape) > 1:
            alone = weight.name == "depthwise_kernel" or isinstance(layer, keras.layers.DepthwiseConv2D)
            inputs = np.prod(shape[:2] if alone else shape[:-1])
            drawn.append(rng.normal(0, np.sqrt(2 / inputs), shape).astype(np.float32))
        else:
            ones = weight.name in {"gamma", "moving_variance"}
            drawn.append(np.full(shape, float(ones), np.float32))
    layer.set_weights(drawn)
