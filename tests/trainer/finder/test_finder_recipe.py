"""The finder's recipe: what comes with the package, and what a file of one's own may say."""

import msgspec
import pytest

from edge.errors import ConfigError
from trainer.finder.recipe import load_finder_recipe


def test_the_short_recipe_differs_in_how_long_it_trains_and_in_nothing_else():
    whole, short = load_finder_recipe("finder"), load_finder_recipe("finder-short")
    assert short.training.epochs < whole.training.epochs / 4
    same = msgspec.structs.replace(short, name=whole.name, training=whole.training)
    assert same == whole
    lasting = {"epochs": 0, "restarts": (), "look_again_after": 0}
    assert msgspec.to_builtins(short.training) | lasting == msgspec.to_builtins(whole.training) | lasting


def test_a_recipe_of_ones_own_says_only_what_differs(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text('extends = "finder"\n[training]\nepochs = 90\n')
    recipe = load_finder_recipe(str(mine))
    assert (recipe.name, recipe.training.epochs) == ("mine", 90)
    assert recipe.data == load_finder_recipe("finder").data


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('extends = "finders"', r"finders\.toml: there is no such recipe; with the package come: finder,"),
        ('extends = "finder"\n[training]\nrestarts = [1]', "training.restarts are epochs after the warmup"),
        ('extends = "finder"\n[training]\nepoch = 3', "unknown field `epoch`"),
        ("extends = ", r"mine\.toml: Invalid value"),
    ],
)
def test_what_a_recipe_cannot_say_is_refused_by_file_and_key(tmp_path, text, said):
    mine = tmp_path / "mine.toml"
    mine.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_finder_recipe(str(mine))
