"""What a training step is computed with: numbers' precision, and one device or all of them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import keras
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Iterator

Precision = Literal["float32", "bfloat16", "float16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Compute:
    """How to compute, which is no part of a recipe: any machine may go on with a run.

    precision: of a step's arithmetic; weights, averages and what is exported stay float32. every_device:
    split each batch over all GPUs (or all logical CPUs, where there is no GPU).
    """

    precision: Precision = "float32"
    every_device: bool = False

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Make the networks that are built or loaded inside compute so."""
        former = keras.config.dtype_policy()
        keras.config.set_dtype_policy(
            self.precision if self.precision == "float32" else f"mixed_{self.precision}"
        )
        try:
            with self._strategy().scope():
                yield
        finally:
            keras.config.set_dtype_policy(former)

    def _strategy(self) -> tf.distribute.Strategy:
        if not self.every_device:
            return tf.distribute.get_strategy()
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])


PLAIN = Compute()
