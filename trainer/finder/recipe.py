"""The finder's recipe: TOML in, a frozen struct out; unknown keys and impossible values are refused."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from edge.errors import ConfigError
from edge.finding import KINDS
from trainer.recipe_files import read_recipe

RECIPES = Path(__file__).parent / "recipes"

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


class FinderData(Struct, frozen=True, forbid_unknown_fields=True):
    """What the finder is trained on.

    fields: sets with boxes. cells: sets of pictures of one cell, boxed by the finder that ships.
    incomplete: of `fields`, those in which some white cells have no box: after `look_again_after` epochs the
    network itself says where, and nothing is asked there. drawn: seed of the drawn slides, or None for none.
    unseen: photographs that are kept for measuring.
    """

    fields: tuple[str, ...]
    cells: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    drawn: int | None = None
    unseen: tuple[str, ...] = ()


class Drawing(Struct, frozen=True, forbid_unknown_fields=True):
    """How canvases are drawn.

    scale: natural log; red cells are drawn up to so much larger or smaller than the ruler makes them. mosaic:
    share of the canvases that are filled up with further fields, `most` at most. drawn_in: share of those
    with things drawn in. one_kind: a marked cell is known to be of no other kind; without, a kind that no set
    marks completely, as platelets, is taught only where it is, and then seen in every cell.
    """

    scale: Annotated[float, Meta(ge=0, le=2)] = 0.7
    mosaic: Share = 0.85
    most: Count = 5
    drawn_in: Share = 0.2
    one_kind: bool = False


class FinderTraining(Struct, frozen=True, forbid_unknown_fields=True):
    """How the finder is trained.

    balance: how often microscopes are drawn, from 0, as often as they have fields, to 1, all alike.
    look_again_after: epochs, see `FinderData.incomplete`. restarts: epochs at which the learning rate begins
    another cosine, from half the rate of the one before.
    """

    epochs: Count = 40
    canvases_per_epoch: Count = 1600
    batch: Count = 16
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 0.003
    warmup_epochs: Annotated[int, Meta(ge=0)] = 1
    restarts: tuple[Count, ...] = ()
    weight_decay: Annotated[float, Meta(ge=0)] = 0.01
    average: Annotated[float, Meta(ge=0, lt=1)] = 0.997
    balance: Share = 0.7
    look_again_after: Count = 10
    seed: Annotated[int, Meta(ge=0)] = 1


class FinderRecipe(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole recipe. network: keyword arguments of `network.finder`; light: of `Augmentation`.

    thresholds: by kind, the score from which the device takes it for found.
    """

    name: str
    data: FinderData
    thresholds: dict[str, Annotated[float, Meta(gt=0, lt=1)]] = msgspec.field(
        default_factory=lambda: dict.fromkeys(KINDS, 0.4)
    )
    network: dict[str, Any] = {}
    light: dict[str, Any] = msgspec.field(default_factory=lambda: dict(LIGHT))
    drawing: Drawing = Drawing()
    training: FinderTraining = FinderTraining()


def load_finder_recipe(name: str) -> FinderRecipe:
    """Return a recipe that comes with the package, by name, or one of a TOML file, by path.

    It may extend another one (`trainer.recipe_files.read_recipe`). Raises ConfigError naming the file and the
    key.
    """
    path, raw = read_recipe(name, RECIPES)
    try:
        recipe = msgspec.convert({**raw, "name": path.stem}, FinderRecipe)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from None
    if set(recipe.thresholds) != set(KINDS):
        raise ConfigError(f"{path}: [thresholds] must have one of each kind: {', '.join(KINDS)}")
    strange = next((name for name in recipe.data.incomplete if name not in recipe.data.fields), None)
    if strange is not None:
        raise ConfigError(f"{path}: data.incomplete names {strange}, which is not among data.fields")
    starts = (recipe.training.warmup_epochs, *recipe.training.restarts)
    if any(later <= earlier for earlier, later in itertools.pairwise(starts)):
        raise ConfigError(f"{path}: training.restarts are epochs after the warmup, in rising order")
    return recipe
