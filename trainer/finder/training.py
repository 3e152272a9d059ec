"""From fields to the finder's weights: seeded, with progress, resumable after any epoch."""

from __future__ import annotations

import difflib
import inspect
import io
import json
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import keras
import numpy as np
import tensorflow as tf

from edge.errors import ConfigError
from edge.finding import RED_CELL_PIXELS, Detections, decode
from edge.finding.light import even
from trainer.files import put_in_place
from trainer.finder.canvases import PLACES, SIDE, TARGETS, draw_canvas
from trainer.finder.fields import with_unsure
from trainer.finder.network import finder, finder_loss
from trainer.training.augmentation import Augmentation
from trainer.training.checkpoints import (
    DAMAGED,
    HISTORY,
    WEIGHTS,
    TrainingError,
    last_checkpoint,
    save_checkpoint,
)
from trainer.training.fitting import AveragedWeights, check_converging
from trainer.training.optimizers import restarted_cosine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.finder.fields import TrainingField
    from trainer.finder.recipe import Drawing, FinderRecipe, FinderTraining

UNSURE = "unsure.npz"
_NOT_ASKED = {"seed", "moves", "side", "kwargs"}  # of a recipe; what a canvas shows is not moved


def fit_finder(
    recipe: FinderRecipe,
    fields: Sequence[TrainingField],
    out: Path,
    report: Callable[[int, int, dict[str, float]], None] = lambda _epoch, _step, _logs: None,
) -> keras.Model:
    """Return the network with its averaged weights; goes on from the last checkpoint in `out`.

    Each epoch's draw depends on the seed and the epoch alone. report: is called after each batch, and with
    step -1 after each epoch. Raises TrainingError when a checkpoint cannot be written or read, and after an
    epoch that diverged, which leaves none.
    """
    settings = recipe.training
    keras.utils.set_random_seed(settings.seed)
    steps = max(1, settings.canvases_per_epoch // settings.batch)
    model, average, history = _start_or_resume(out, recipe, steps)
    averaging = AveragedWeights(average, settings.average, len(history) * steps)
    augment = Augmentation(seed=settings.seed, moves=False, **recipe.light)
    known = list(fields)
    for epoch in range(len(history), settings.epochs):
        started = time.perf_counter()
        if epoch >= settings.look_again_after and any(one.incomplete for one in fields):
            known = _looked_at_again(fields, average, out / UNSURE)
        progress = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda step, logs, epoch=epoch: report(epoch, step, logs or {})
        )
        model.fit(
            _batches(known, settings, recipe.drawing, augment, epoch, steps),
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
            callbacks=[averaging, progress],
        )
        logs = {name: float(values[-1]) for name, values in model.history.history.items()}
        # A network of no numbers finds nothing, in float as in int8, and would pass all gates.
        check_converging(average, logs["loss"], epoch, out)
        logs["seconds"] = time.perf_counter() - started
        history.append(logs)
        save_checkpoint(model, average, history, out)
        report(epoch, -1, logs)
    return average


def check_finder(recipe: FinderRecipe) -> None:
    """Build the recipe's network and its changes of light once. Raises ConfigError saying what cannot be."""
    for section, given, made in (("network", recipe.network, finder), ("light", recipe.light, Augmentation)):
        known = inspect.signature(made).parameters.keys() - _NOT_ASKED
        strange = next((key for key in given if key not in known), None)
        if strange is not None:
            near = difflib.get_close_matches(strange, known, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(
                f"recipe {recipe.name}: {strange} is no key of [{section}]: {', '.join(sorted(known))}{meant}"
            )
    try:
        finder(**_network(recipe))
        Augmentation(seed=0, moves=False, **recipe.light)
    except (TypeError, ValueError, IndexError) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise ConfigError(f"recipe {recipe.name}: [network] or [light] cannot be made: {reason}") from None
    finally:
        keras.backend.clear_session()


def _network(recipe: FinderRecipe) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in recipe.network.items()}


def _looked_at_again(
    fields: Sequence[TrainingField], average: keras.Model, kept: Path
) -> list[TrainingField]:
    """Return the fields with what the network finds unmarked in incomplete ones as unsure.

    It is looked for once, and kept: a run that goes on is to see what an unbroken one would have seen.
    """
    if not kept.exists():
        rows = []
        for number, one in enumerate(fields):
            if one.incomplete:
                unsure = with_unsure(one, float_detections(average, one)).unsure
                rows += [(number, *thing) for thing in unsure.tolist()]
        written = io.BytesIO()
        np.savez(written, rows=np.array(rows, np.float32).reshape(-1, 4))
        try:
            put_in_place(kept, written.getvalue())
        except OSError as error:
            raise TrainingError(f"{kept}: cannot be written ({error.strerror or error})") from None
    try:
        with np.load(kept, allow_pickle=False) as stored:
            rows = stored["rows"]
    except DAMAGED as error:
        raise TrainingError(
            f"{kept}: cannot be read ({error}), and another look would give another run; give another --out"
        ) from None
    return [
        replace(one, unsure=rows[rows[:, 0] == number, 1:]) if one.incomplete else one
        for number, one in enumerate(fields)
    ]


def float_detections(model: keras.Model, one: TrainingField) -> Detections:
    """Return what the float network finds in a field, in the field's pixels."""
    scale = RED_CELL_PIXELS / one.red_cell
    small = np.asarray(
        cv2.resize(one.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )
    height, width = small.shape[:2]
    small = even(small, RED_CELL_PIXELS)  # as the device does
    white = (255, 255, 255)
    padded = cv2.copyMakeBorder(small, 0, -height % 16, 0, -width % 16, cv2.BORDER_CONSTANT, value=white)
    maps = np.asarray(model(padded[None].astype(np.float32) / 255, training=False))[0]
    return decode(maps, scale)


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
    out: Path, recipe: FinderRecipe, steps: int
) -> tuple[keras.Model, keras.Model, list[dict[str, float]]]:
    out.mkdir(parents=True, exist_ok=True)
    last = last_checkpoint(out)
    if last is not None:
        try:
            history: list[dict[str, float]] = json.loads((last / HISTORY).read_text(encoding="utf-8"))
            model = keras.models.load_model(last / "training.keras")
            return model, keras.models.load_model(last / WEIGHTS), history
        except DAMAGED as error:
            raise TrainingError(f"{last}: cannot be resumed from ({error}); remove it to go on") from None
    (out / UNSURE).unlink(missing_ok=True)  # of a run whose checkpoints were removed, perhaps of other fields
    settings = recipe.training
    network = _network(recipe)
    average, model = finder(**network), finder(**network)
    model.set_weights(average.get_weights())
    rate = restarted_cosine(
        settings.learning_rate, settings.warmup_epochs, settings.restarts, settings.epochs, steps
    )
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
