"""A tiny run of every recipe that comes with the package, on drawn images."""

from __future__ import annotations

import json

import msgspec
import pytest
from drawn_data import draw_data, draw_other_sets

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

import tensorflow as tf

from trainer.cli import main
from trainer.data.datasets import DATASETS
from trainer.evaluation import evaluate as evaluations
from trainer.recipe import RECIPES, load_recipe
from trainer.training import fitting
from trainer.training import run as runs
from trainer.training.checkpoints import HISTORY, last_checkpoint

# Of sets with boxes, which are not drawn here: its network and augmentation are made, it is not fitted.
BOXED = {"any-microscope", "any-microscope-short"}
LONGER = {"study-tuned-10"}  # than another recipe, or shorter, and not different in anything else
NAMES = sorted({path.stem for path in RECIPES.glob("*.toml")} - BOXED - LONGER)
# One of each kind of network is made int8; the deepest two, half a minute to a minute each, are not.
INT8 = {"clinic", "study-tuned", "mobilenet-v2"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Five photographs a class in TRAIN, for five folds; seven copies in all, for the study's 15 %."""
    folder = draw_data(tmp_path_factory.mktemp("data"), photographs=5, copies=1, tests=2)
    draw_other_sets(folder)
    return folder


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))  # whoever runs the tests may have weights of their own
    return tmp_path / "run"


@pytest.fixture
def eager():
    """Take each step as it stands: to be made a graph of first takes longer, of a deep network minutes."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", NAMES)
def test_a_tiny_run_of_every_recipe_passes(name, data, out):
    short = ["--epochs", "1", "--images-per-epoch", str(load_recipe(name).training.batch)]
    assert main(["fit", "--recipe", name, "--data", str(data), "--out", str(out), *short]) == 0
    history = json.loads((last_checkpoint(out) / HISTORY).read_text(encoding="utf-8"))
    assert len(history) == 1
    assert history[0]["loss"] > 0
    record = json.loads((out / runs.RUN).read_text(encoding="utf-8"))
    assert record["recipe"]["name"] == name
    assert record["first_weights"].startswith("drawn by seed")
    runtime = "litert" if name in INT8 else "float"
    if name in INT8:
        tf.config.run_functions_eagerly(False)  # the converter wants a graph
    assert main(["evaluate", "--run", str(out), "--data", str(data), "--runtime", runtime]) == 0
    found = json.loads((out / evaluations.file_name()).read_text(encoding="utf-8"))
    assert found["images"] > 0
    assert (found["int8"] is None) == (name not in INT8)


def test_the_shorter_study_is_shorter_and_nothing_else():
    long, short = load_recipe("study-tuned"), load_recipe("study-tuned-10")
    assert (long.data, long.network, long.augmentation) == (short.data, short.network, short.augmentation)
    assert msgspec.structs.replace(long.training, epochs=10) == short.training


@pytest.mark.parametrize("name", sorted(BOXED))
def test_a_recipe_of_boxed_cells_names_sets_that_may_be_trained_on_and_can_be_made(name):
    recipe = load_recipe(name)
    fitting.check_network(recipe)
    assert all(DATASETS[one].training for one in recipe.data.sets)
    assert recipe.data.masking == "found"
