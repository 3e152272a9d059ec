"""From a recipe and a data directory to trained weights, resumable after any epoch."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from edge.errors import ConfigError
from edge.masking import CROP_SIZE
from trainer.data.splits import photograph_weights
from trainer.networks import registry
from trainer.networks.predicting import predict
from trainer.training.augmentation import Augmentation
from trainer.training.batches import batches_of
from trainer.training.checkpoints import (
    DAMAGED,
    HISTORY,
    STATE,
    WEIGHTS,
    TrainingError,
    last_checkpoint,
    member_folder,
    save_checkpoint,
)
from trainer.training.compute import PLAIN, Compute
from trainer.training.optimizers import optimizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.data.arrays import Samples
    from trainer.recipe import Recipe, Training

TENSORBOARD = "tensorboard"
_REPRESENTATIVE = 600


def centre(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut the device's 120x120 crop out of crops with context: (n, s, s, 3) -> (n, 120, 120, 3)."""
    margin = (pixels.shape[1] - CROP_SIZE) // 2
    inner = slice(margin, margin + CROP_SIZE)
    return pixels[:, inner, inner, :]


class AveragedWeights(keras.callbacks.Callback):  # type: ignore[misc]
    """A running average of all weights, BatchNorm's statistics included (Polyak and Juditsky 1992).

    Keras' own averaging leaves those statistics out, and writes the average back after every call of `fit`.
    """

    def __init__(self, average: keras.Model, decay: float, seen: int) -> None:
        super().__init__()
        self._average, self._decay, self._seen = average, decay, seen

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Take the weights after a step into the average."""
        self._seen += 1
        # The first steps are forgotten faster, or the average would start from noise.
        decay = min(self._decay, (1 + self._seen) / (10 + self._seen))
        self._mix(self.model, tf.constant(decay, tf.float32))

    @tf.function  # type: ignore[untyped-decorator]
    def _mix(self, model: keras.Model, decay: Any) -> None:
        for mean, now in zip(self._average.weights, model.weights, strict=True):
            mean.assign(mean * decay + now * (1 - decay))


def fit(
    recipe: Recipe,
    training: Samples,
    validation: Samples,
    out: Path,
    report: Callable[[int, int, dict[str, float]], None] = lambda _epoch, _step, _logs: None,
    compute: Compute = PLAIN,
) -> keras.Model:
    """Train, or go on from the last checkpoint in `out`; give the network with its averaged weights.

    Of several members each has a folder in `out`, and the mean of their weights becomes the checkpoint there.
    Each epoch's draw depends on the seed and the epoch alone, so a resumed run sees what an unbroken one
    would have seen. `report` is called after each batch, and with step -1 after each epoch; what it is told
    then also goes to TensorBoard's event files in `out`.
    Raises TrainingError when a checkpoint or those files cannot be written or read, and after an epoch that
    diverged, which leaves none.
    """
    members = recipe.training.members
    if members == 1:
        return _fit_member(recipe, 0, training, validation, out, report, compute)
    if (done := last_checkpoint(out)) is not None:
        return _kept(done)
    trained = []
    for member in range(members):

        def tell(epoch: int, step: int, logs: dict[str, float], before: int = member) -> None:
            report(before * recipe.training.epochs + epoch, step, logs)

        folder = member_folder(out, member)
        trained.append(_fit_member(recipe, member, training, validation, folder, tell, compute))
    weights = zip(*(one.get_weights() for one in trained), strict=True)
    mean = trained[0]
    mean.set_weights([np.mean(each, axis=0) for each in weights])
    history = [logs for member in range(members) for logs in _history(member_folder(out, member))]
    if len(validation.labels):
        history[-1] |= _validated(mean, centre(validation.pixels), validation)
    save_checkpoint(mean, mean, history, out)
    return mean


def _fit_member(
    recipe: Recipe,
    member: int,
    training: Samples,
    validation: Samples,
    out: Path,
    report: Callable[[int, int, dict[str, float]], None],
    compute: Compute,
) -> keras.Model:
    """Train one of a recipe's members. All begin with the same weights; what each draws is its own."""
    settings = recipe.training
    seed = settings.seed + member
    keras.utils.set_random_seed(settings.seed)
    steps = steps_per_epoch(settings, len(training.labels))
    model, average, history = _start_or_resume(recipe, steps, out, compute)
    held = centre(validation.pixels)
    averaging = AveragedWeights(average, settings.average, len(history) * steps)
    with _tensorboard(out):
        events = tf.summary.create_file_writer(str(out / TENSORBOARD))
    for epoch in range(len(history), settings.epochs):
        started = time.perf_counter()
        progress = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda step, logs, epoch=epoch: report(epoch, step, logs or {})
        )
        for layer in model.layers:
            if hasattr(layer, "seed_generator"):  # dropout: its draws, too, depend on the epoch alone
                layer.seed_generator.state.assign([seed, epoch])
        batches = batches_of(recipe, training, epoch, steps, seed)
        model.fit(
            batches,
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
            callbacks=[averaging, progress],
        )
        logs = {k: float(v[-1]) for k, v in model.history.history.items()}
        check_converging(average, logs["loss"], epoch, out)
        logs["seconds"] = time.perf_counter() - started
        if len(held):
            logs |= _validated(average, held, validation)
        history.append(logs)
        save_checkpoint(model, average, history, out)
        with _tensorboard(out), events.as_default(step=epoch + 1):
            for name, value in logs.items():
                tf.summary.scalar(name, value)
            events.flush()
        report(epoch, -1, logs)
    return average


@contextmanager
def _tensorboard(out: Path) -> Iterator[None]:
    """Turn what TensorFlow raises where its events cannot be written into a TrainingError."""
    try:
        yield
    except tf.errors.OpError as error:
        reason = str(error.message).splitlines()[0]
        raise TrainingError(
            f"{out / TENSORBOARD}: cannot be written ({reason}); checkpoints are kept"
        ) from None


def check_converging(average: keras.Model, loss: float, epoch: int, out: Path) -> None:
    """See that an epoch's loss and all averaged weights are numbers; epoch: from 0. Raises TrainingError."""
    # The last step of an epoch may spoil the weights, and its loss is of those before.
    if not (np.isfinite(loss) and all(np.isfinite(one).all() for one in average.get_weights())):
        raise TrainingError(
            f"{out}: in epoch {epoch + 1} the loss or a weight is no number any more: training has "
            "diverged; lower training.learning_rate in the recipe and give another --out"
        )


def steps_per_epoch(settings: Training, images: int) -> int:
    """Return the number of batches in an epoch over `images` training images."""
    if settings.images_per_epoch == 0:
        return -(-images // settings.batch)
    return max(1, settings.images_per_epoch // settings.batch)


def representative(samples: Samples, seed: int) -> NDArray[np.uint8]:
    """Return the training crops that int8 is calibrated with, drawn by the seed: uint8 (n, 120, 120, 3)."""
    count = len(samples.labels)
    chosen = np.random.default_rng(seed).choice(count, min(_REPRESENTATIVE, count), replace=False)
    return centre(samples.pixels[chosen])


def check_network(recipe: Recipe) -> None:
    """Build the recipe's network and augmentation once. Raises ConfigError saying what cannot be."""
    name = recipe.network["name"]
    if name not in registry.NETWORKS:
        known = ", ".join(sorted(registry.NETWORKS))
        raise ConfigError(f"recipe {recipe.name}: network.name is {name}; known: {known}")
    try:
        registry.NETWORKS[name](len(recipe.data.classes), **_options(recipe))
        Augmentation(seed=0, **(recipe.augmentation or {}))
    except (TypeError, ValueError, IndexError) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise ConfigError(
            f"recipe {recipe.name}: the network or the augmentation cannot be made: {reason}"
        ) from None
    finally:
        keras.backend.clear_session()


def _options(recipe: Recipe) -> dict[str, Any]:
    options = {k: v for k, v in recipe.network.items() if k != "name"}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}


def _start_or_resume(
    recipe: Recipe, steps: int, out: Path, compute: Compute
) -> tuple[keras.Model, keras.Model, list[dict[str, float]]]:
    out.mkdir(parents=True, exist_ok=True)
    last = last_checkpoint(out)
    if last is not None:
        try:
            history = _history(out)
            with compute.scope():
                model = keras.models.load_model(last / STATE)
            return model, keras.models.load_model(last / WEIGHTS), history
        except DAMAGED as error:
            raise TrainingError(f"{last}: cannot be resumed from ({error}); remove it to go on") from None
    settings = recipe.training
    classes = len(recipe.data.classes)
    average = registry.build(recipe.network["name"], classes, _options(recipe))
    with compute.scope():
        model = registry.build(recipe.network["name"], classes, _options(recipe))
        model.set_weights(average.get_weights())
        _compile(model, optimizer(settings, steps), settings)
    return model, average, []


def _history(out: Path) -> list[dict[str, float]]:
    """Return what was said after each epoch of a training that has a checkpoint."""
    last = last_checkpoint(out)
    found: list[dict[str, float]] = json.loads((last / HISTORY).read_text(encoding="utf-8")) if last else []
    return found


def _kept(checkpoint: Path) -> keras.Model:
    try:
        return keras.models.load_model(checkpoint / WEIGHTS)
    except DAMAGED as error:
        raise TrainingError(f"{checkpoint}: cannot be read ({error}); remove it to go on") from None


def _compile(model: keras.Model, how: keras.optimizers.Optimizer, settings: Training) -> None:
    # With one-hot targets and no smoothing this is the sparse categorical cross-entropy.
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=settings.label_smoothing)
    model.compile(how, loss, metrics=["accuracy"])


def _validated(average: keras.Model, held: NDArray[np.uint8], validation: Samples) -> dict[str, float]:
    """Measure what would be kept. Each photograph weighs once, however many copies there are of it."""
    right = predict(average, held).argmax(axis=1) == validation.labels
    weight = photograph_weights(validation.shown())
    recalls = [
        np.average(right[validation.labels == c], weights=weight[validation.labels == c])
        for c in np.unique(validation.labels)
    ]
    return {
        "val_accuracy": float(np.average(right, weights=weight)),
        "val_macro_recall": float(np.mean(recalls)),
    }
