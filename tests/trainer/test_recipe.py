"""Recipes that start from another one, and values that cannot be."""

from __future__ import annotations

import pytest

from edge.errors import ConfigError
from trainer.recipe import changed, load_recipe

BASE = """
[data]
sets = ["blood-cell-images/TRAIN", "blood-cell-images/TEST"]
classes = ["eosinophil", "neutrophil"]
[network]
name = "compact"
depth = 2
[augmentation]
noise = 3.0
[training]
epochs = 7
batch = 8
"""


@pytest.fixture
def write(tmp_path):
    def written(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    written("base.toml", BASE)
    return written


def test_a_recipe_says_only_what_differs_from_the_one_it_extends(write):
    recipe = load_recipe(write("mine.toml", 'extends = "base.toml"\n[training]\nbatch = 16\n'))
    assert recipe.name == "mine"
    assert (recipe.training.epochs, recipe.training.batch) == (7, 16)
    assert recipe.network == {"name": "compact", "depth": 2}
    assert recipe.augmentation == {"noise": 3.0}


def test_another_network_takes_over_no_option_of_the_former(write):
    recipe = load_recipe(write("mine.toml", 'extends = "base.toml"\nnetwork = { name = "study" }\n'))
    assert recipe.network == {"name": "study"}
    deeper = load_recipe(write("mine.toml", 'extends = "base.toml"\nnetwork = { depth = 4 }\n'))
    assert deeper.network == {"name": "compact", "depth": 4}


def test_a_recipe_of_ones_own_may_extend_one_of_the_package(write):
    recipe = load_recipe(write("mine.toml", 'extends = "study"\n[training]\nepochs = 2\n'))
    assert recipe.network == {"name": "study"}
    assert (recipe.training.epochs, recipe.training.batch) == (2, 64)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('extends = "nothing.toml"', r"nothing\.toml: there is no such recipe"),
        ("extends = 3", "extends names one recipe, as text"),
        ('extends = "mine.toml"', "extends itself"),
        ('extends = "base.toml"\n[data]\nfold = 5', r"data\.fold is 5; folds are counted from 0 to 4"),
        ('extends = "base.toml"\n[data]\ntest_sets = ["pbc"]', "pbc, which is not among data.sets"),
        ('extends = "base.toml"\n[data]\nsplit = "folders"', 'split "folders" needs data.test_sets'),
        (
            'extends = "base.toml"\n[data]\nsplit = "folders"\nsets = ["pbc"]\ntest_sets = ["pbc"]',
            "leaves nothing to train on",
        ),
        (
            'extends = "base.toml"\n[data.merged]\nbasophil = ["monocyte"]',
            "data.merged names basophil, which is not among data.classes",
        ),
        (
            'extends = "base.toml"\n[data]\nother_share = 0.05',
            "data.other_share is 0.05, and other is none of data.classes",
        ),
        (
            'extends = "base.toml"\n[data]\nclasses = ["monocyte", "other"]\nmerged = {other = ["monocyte"]}',
            "puts one of the data's classes into two",
        ),
        ('turns = 2\nextends = "base.toml"', "turns: invalid enum value 2"),
        ('extends = "base.toml"\n[training]\nrestarts = [9, 5]', "restarts are epochs .* in rising order"),
        (
            'extends = "base.toml"\n[training]\nschedule = "constant"\nrestarts = [9]',
            'restarts are of the schedule "cosine"',
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(write, text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load_recipe(write("mine.toml", text))


def test_a_value_from_the_command_line_is_checked_like_one_from_the_file(write):
    recipe = load_recipe(write("mine.toml", 'extends = "base.toml"'))
    assert changed(recipe, data={"split": "grouped", "fold": 4}, training={"epochs": 1}).data.fold == 4
    with pytest.raises(ConfigError, match=r"recipe mine: .*epochs"):
        changed(recipe, data={}, training={"epochs": 0})
    with pytest.raises(ConfigError, match=r"recipe mine: data\.fold is 5"):
        changed(recipe, data={"fold": 5}, training={})
