"""The optimizer of a recipe and its learning rate over the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.recipe import Training

_FIRST = 0.01  # share of the rate that a warmup begins with


@keras.saving.register_keras_serializable("leukoscope")
class RestartedCosine(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A linear warmup, then cosines from the rate to 0; each begins from half the rate of the one before.

    starts: the steps at which a cosine begins, rising; the first is where the warmup ends. steps: where the
    last one ends. Source: Loshchilov and Hutter 2017 (SGDR); halving the rate is the practice since.
    """

    def __init__(self, rate: float, starts: list[int], steps: int) -> None:
        super().__init__()
        self.rate, self.starts, self.steps = rate, starts, steps

    def __call__(self, step: Any) -> Any:
        """Return the rate, float32, of the given step."""
        step = tf.cast(step, tf.float32)
        warmup = float(self.starts[0])
        result = self.rate * (_FIRST + (1 - _FIRST) * step / warmup) if warmup else tf.constant(self.rate)
        for number, (start, end) in enumerate(zip(self.starts, [*self.starts[1:], self.steps], strict=True)):
            share = tf.minimum((step - start) / max(1, end - start), 1.0)
            cosine = self.rate / 2**number * 0.5 * (1 + tf.cos(tf.constant(3.141592653589793) * share))
            result = tf.where(step >= start, cosine, result)
        return result

    def get_config(self) -> dict[str, Any]:
        """Return what the schedule is rebuilt from."""
        return {"rate": self.rate, "starts": self.starts, "steps": self.steps}


def restarted_cosine(
    rate: float, warmup: int, restarts: Sequence[int], epochs: int, steps: int
) -> RestartedCosine:
    """Return the rate over the epochs, of `steps` batches each.

    warmup, restarts: epochs; a restart that the run does not reach is none.
    """
    starts = [warmup, *(epoch for epoch in restarts if epoch < epochs)]
    return RestartedCosine(rate, [epoch * steps for epoch in starts], epochs * steps)


def optimizer(settings: Training, steps: int) -> keras.optimizers.Optimizer:
    """Make the recipe's optimizer for epochs of `steps` batches."""
    rate = settings.learning_rate
    if settings.schedule == "cosine":
        rate = restarted_cosine(rate, settings.warmup_epochs, settings.restarts, settings.epochs, steps)
    if settings.optimizer == "nadam":
        return keras.optimizers.Nadam(rate, weight_decay=settings.weight_decay or None)
    return keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
