"""From fields to the finder's weights: seeded, with progress, resumable after any epoch."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import keras
import numpy as np
import tensorflow as tf
from msgspec import Meta, Struct

from trainer.augmentation import Augmentation
from trainer.finder.canvases import PLACES, SIDE, TARGETS, Drawing, draw_canvas
from trainer.finder.network import finder, finder_loss
from trainer.optimizers import RestartedCosine
from trainer.training import (
    HISTORY,
    WEIGHTS,
    AveragedWeights,
    TrainingError,
    last_checkpoint,
    save_checkpoint,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.finder.fields import TrainingField

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]

LIGHT = {
    "stain": 0.3,
    "hue": 0.3,
    "mix": 0.2,
    "cast": 0.08,
    "fade": 0.9,
    "gamma": 0.25,
    "haze": 0.4,
    "uneven": 0.15,
    "blur": 2.2,
    "sharpen": 0.5,
    "noise": 10.0,
    "jpeg": 0.25,
}
"""Default widths of `Augmentation`: colour is made unreliable, for form is what another microscope shares."""


class FinderTraining(Struct, frozen=True, forbid_unknown_fields=True):
    """How the finder is trained.

    balance: how often microscopes are drawn, from 0, as often as they have fields, to 1, all alike.
    """

    epochs: Count = 40
    canvases_per_epoch: Count = 1600
    batch: Count = 16
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 0.003
    warmup_epochs: Annotated[int, Meta(ge=0)] = 1
    weight_decay: Annotated[float, Meta(ge=0)] = 0.01
    average: Annotated[float, Meta(ge=0, lt=1)] = 0.997
    balance: Share = 0.7
    seed: Annotated[int, Meta(ge=0)] = 1


def fit_finder(
    fields: Sequence[TrainingField],
    out: Path,
    *,
    settings: FinderTraining,
    network: dict[str, Any] | None = None,
    light: dict[str, Any] | None = None,
    drawing: Drawing | None = None,
    report: Callable[[int, int, dict[str, float]], None] = lambda _epoch, _step, _logs: None,
) -> keras.Model:
    """Return the network with its averaged weights; goes on from the last checkpoint in `out`.

    Each epoch's draw depends on the seed and the epoch alone. report: is called after each batch, and with
    step -1 after each epoch. Raises TrainingError when a checkpoint cannot be written or read.
    """
    keras.utils.set_random_seed(settings.seed)
    steps = max(1, settings.canvases_per_epoch // settings.batch)
    model, average, history = _start_or_resume(out, settings, steps, network or {})
    averaging = AveragedWeights(average, settings.average, len(history) * steps)
    augment = Augmentation(seed=settings.seed, moves=False, **(LIGHT if light is None else light))
    for epoch in range(len(history), settings.epochs):
        started = time.perf_counter()
        progress = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda step, logs, epoch=epoch: report(epoch, step, logs or {})
        )
        model.fit(
            _batches(fields, settings, drawing or Drawing(), augment, epoch, steps),
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
            callbacks=[averaging, progress],
        )
        logs = {name: float(values[-1]) for name, values in model.history.history.items()}
        logs["seconds"] = time.perf_counter() - started
        history.append(logs)
        save_checkpoint(model, average, history, out)
        report(epoch, -1, logs)
    return average


def chances(fields: Sequence[TrainingField], balance: float) -> NDArray[np.float64]:
    """Return how often each field is drawn: groups within a microscope alike, microscopes as balanced."""
    in_group = Counter((field.microscope, field.group) for field in fields)
    groups = Counter(microscope for microscope, _ in in_group)
    weight = np.array(
        [groups[field.microscope] ** -balance / in_group[field.microscope, field.group] for field in fields],
        np.float64,
    )
    share: NDArray[np.float64] = weight / weight.sum()
    return share


def _start_or_resume(
    out: Path, settings: FinderTraining, steps: int, network: dict[str, Any]
) -> tuple[keras.Model, keras.Model, list[dict[str, float]]]:
    out.mkdir(parents=True, exist_ok=True)
    last = last_checkpoint(out)
    if last is not None:
        try:
            history: list[dict[str, float]] = json.loads((last / HISTORY).read_text(encoding="utf-8"))
            model = keras.models.load_model(last / "training.keras")
            return model, keras.models.load_model(last / WEIGHTS), history
        except (OSError, ValueError) as error:
            raise TrainingError(f"{last}: cannot be resumed from ({error}); remove it to go on") from None
    average, model = finder(**network), finder(**network)
    model.set_weights(average.get_weights())
    rate = RestartedCosine(settings.learning_rate, [settings.warmup_epochs * steps], settings.epochs * steps)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, clipnorm=5.0)
    model.compile(optimizer, finder_loss)
    return model, average, []


def _batches(
    fields: Sequence[TrainingField],
    settings: FinderTraining,
    drawing: Drawing,
    augment: Augmentation,
    epoch: int,
    steps: int,
) -> tf.data.Dataset:
    chance = chances(fields, settings.balance)

    def raw() -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32], int]]:
        for step in range(steps):
            rng = np.random.default_rng([settings.seed, epoch, step])
            pixels, wanted = zip(
                *(draw_canvas(fields, chance, rng, drawing) for _ in range(settings.batch)), strict=True
            )
            yield np.stack(pixels), np.stack(wanted), epoch * steps + step

    signature = (
        tf.TensorSpec((settings.batch, SIDE, SIDE, 3), tf.uint8),
        tf.TensorSpec((settings.batch, PLACES, PLACES, TARGETS), tf.float32),
        tf.TensorSpec((), tf.int64),
    )
    data = tf.data.Dataset.from_generator(raw, output_signature=signature)
    data = data.map(lambda image, wanted, key: (augment(image, key), wanted), num_parallel_calls=2)
    return data.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)
