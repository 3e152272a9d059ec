"""What a network answers to crops, in pieces that memory has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    from numpy.typing import NDArray

_BATCH = 128


def answers(model: keras.Model, crops: NDArray[np.uint8]) -> Iterator[Any]:
    """Yield the network's outputs, as it names or lists, for some crops at a time: uint8 (n, h, w, 3)."""
    for start in range(0, len(crops), _BATCH):
        yield model(tf.cast(crops[start : start + _BATCH], tf.float32) / 255, training=False)


def predict(model: keras.Model, crops: NDArray[np.uint8], turns: int = 1) -> NDArray[np.float32]:
    """Return the logits, float32 (n, classes), of crops, uint8 (n, 120, 120, 3): means over quarter turns."""
    if not len(crops):
        return np.empty((0, model.output_shape[-1]), np.float32)
    looks = [
        np.concatenate([np.asarray(part) for part in answers(model, np.rot90(crops, turn, axes=(1, 2)))])
        for turn in range(turns)
    ]
    return np.asarray(np.mean(looks, axis=0), np.float32)
