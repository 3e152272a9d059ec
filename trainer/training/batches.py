"""The batches of an epoch: which crops are drawn, and what augmentation makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from edge.masking import CROP_SIZE
from trainer.training.augmentation import Augmentation
from trainer.training.shares import chances_to_be_shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from trainer.data.arrays import Samples
    from trainer.recipe import Recipe


def batches_of(recipe: Recipe, training: Samples, epoch: int, steps: int, seed: int) -> tf.data.Dataset:
    """Return `steps` batches of float32 crops (n, 120, 120, 3) in 0 to 1 and one-hot targets (n, classes).

    What an epoch draws depends on the seed and the epoch alone.
    """
    settings = recipe.training
    drawn = _drawn(recipe, training, epoch, steps, seed)
    targets = np.eye(len(recipe.data.classes), dtype=np.float32)[training.labels]

    def raw() -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32], int]]:
        for step, index in enumerate(drawn):
            yield training.pixels[index], targets[index], epoch * steps + step

    side = training.pixels.shape[1]
    batch = settings.batch if settings.images_per_epoch else None  # the last one may be smaller
    signature = (
        tf.TensorSpec((batch, side, side, 3), tf.uint8),
        tf.TensorSpec((batch, targets.shape[1]), tf.float32),
        tf.TensorSpec((), tf.int64),
    )
    data = tf.data.Dataset.from_generator(raw, output_signature=signature)
    if recipe.augmentation is None:
        inner = slice((side - CROP_SIZE) // 2, (side + CROP_SIZE) // 2)
        data = data.map(
            lambda image, target, _: (tf.cast(image[:, inner, inner], tf.float32) / 255.0, target)
        )
    else:
        augment = Augmentation(seed=seed, **recipe.augmentation)
        data = data.map(lambda image, target, key: (augment(image, key), target))
    # One thread augments faster than two cores learn. With two, and with TensorFlow's tuning, all threads
    # came to wait for each other every few epochs, for forty seconds.
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2).with_options(options)


def _drawn(
    recipe: Recipe, training: Samples, epoch: int, steps: int, seed: int
) -> Sequence[NDArray[np.int64]]:
    """Return each batch's indices: drawn with replacement by chance, or a shuffle of all."""
    settings = recipe.training
    rng = np.random.default_rng([seed, epoch])
    if settings.images_per_epoch == 0:
        return np.array_split(
            rng.permutation(len(training.labels)), range(settings.batch, len(training.labels), settings.batch)
        )
    chance = chances_to_be_shown(recipe, training)
    return list(rng.choice(len(chance), (steps, settings.batch), p=chance))
