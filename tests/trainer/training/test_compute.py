"""The same recipe in half precision and on several devices."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

import keras
import tensorflow as tf

from trainer.data.arrays import Samples
from trainer.networks.predicting import predict
from trainer.recipe import Data, Recipe, Training
from trainer.training import fitting
from trainer.training.checkpoints import HISTORY, TrainingError, last_checkpoint
from trainer.training.compute import Compute
from trainer.training.fitting import fit

RECIPE = Recipe(
    name="tiny",
    data=Data(sets=("drawn",), classes=("dark", "bright")),
    network={"name": "compact", "widths": [8, 8, 8, 8], "depth": 2},
    training=Training(epochs=12, images_per_epoch=0, batch=6, learning_rate=0.01, warmup_epochs=0, average=0),
)


def drawn(count=16):
    """Return crops of two classes, which differ in brightness; the last batch of six is not full."""
    rng = np.random.default_rng(1)
    labels = np.arange(count) % 2
    pixels = rng.integers(0, 90, (count, 120, 120, 3)) + 150 * labels[:, None, None, None]
    return Samples(pixels.astype(np.uint8), labels, tuple(f"p{i}" for i in range(count)))


def test_half_precision_computes_in_it_and_keeps_whole_weights(tmp_path):
    compute = Compute("bfloat16")
    samples = drawn()
    kept = fit(RECIPE, samples, samples, tmp_path, compute=compute)
    assert (predict(kept, samples.pixels).argmax(axis=1) == samples.labels).all()
    trained = keras.models.load_model(last_checkpoint(tmp_path) / "training.keras")
    assert {layer.compute_dtype for layer in trained.layers if layer.weights} == {"bfloat16", "float32"}
    assert {layer.compute_dtype for layer in kept.layers} == {"float32"}
    assert {weight.dtype for weight in [*trained.trainable_weights, *kept.weights]} == {"float32"}
    assert predict(kept, samples.pixels).dtype == np.float32
    assert keras.config.dtype_policy().name == "float32"


def test_what_an_epoch_gave_is_in_the_history_and_for_tensorboard(tmp_path):
    fit(RECIPE, drawn(), drawn(), tmp_path)
    history = json.loads((last_checkpoint(tmp_path) / HISTORY).read_text(encoding="utf-8"))
    assert all(epoch["seconds"] > 0 for epoch in history)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / fitting.TENSORBOARD), size_guidance={"tensors": 0})
    events.Reload()
    losses = [float(tf.make_ndarray(event.tensor_proto)) for event in events.Tensors("loss")]
    assert losses == pytest.approx([epoch["loss"] for epoch in history])


def test_where_events_cannot_be_written_the_training_ends_in_a_sentence(tmp_path, monkeypatch):
    (tmp_path / fitting.TENSORBOARD).touch()  # a file where the folder is to be
    with pytest.raises(TrainingError, match=r"tensorboard: cannot be written \(.*checkpoints are kept"):
        fit(RECIPE, drawn(), drawn(), tmp_path)
    (tmp_path / fitting.TENSORBOARD).unlink()

    def full(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.summary, "scalar", full)
    with pytest.raises(TrainingError, match="No space left on device"):
        fit(RECIPE, drawn(), drawn(), tmp_path)
    assert last_checkpoint(tmp_path).name == "epoch-0001"


SEVERAL = """
import json, sys
from pathlib import Path
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.path.insert(0, sys.argv[1])
from test_compute import RECIPE, drawn
from trainer.training.compute import Compute
from trainer.networks.predicting import predict
from trainer.training.fitting import fit
import msgspec
with Compute(every_device=True).scope():
    print("replicas", tf.distribute.get_strategy().num_replicas_in_sync)
out = Path(sys.argv[2])
one = msgspec.structs.replace(RECIPE, training=msgspec.structs.replace(RECIPE.training, epochs=3))
fit(one, drawn(), drawn(), out, compute=Compute(every_device=True))
kept = fit(RECIPE, drawn(), drawn(), out, compute=Compute(every_device=True))  # goes on from its checkpoint
print(json.dumps(predict(kept, drawn().pixels).tolist()))
"""


def test_two_devices_learn_together_and_go_on_from_a_checkpoint(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, str(__file__).rsplit("/", 1)[0], str(tmp_path / "two")],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    replicas, answers = [line for line in done.stdout.splitlines() if line[:1] in "r["][-2:]
    assert replicas == "replicas 2"
    assert (np.argmax(json.loads(answers), axis=1) == drawn().labels).all()
