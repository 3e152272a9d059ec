"""A training recipe: TOML in, frozen structs out; unknown keys and impossible values are refused."""

from __future__ import annotations

import difflib
import itertools
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edge.errors import ConfigError
from edge.labels import OTHER
from trainer.recipe_files import read_recipe

RECIPES = Path(__file__).parent / "recipes"

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]
Split = Literal["photographs", "folders", "grouped", "study"]


class OwnSet(Struct, frozen=True, forbid_unknown_fields=True):
    """A data set as a recipe describes it, under `[data.own.NAME]`.

    folder: from the data directory, or absolute. layout: "class folders", a folder a class; "slide folders",
    in each of them a folder a slide, or patient, of one name in all classes, which no split parts; or "voc":
    JPEGImages/, Annotations/ with boxes called WBC, RBC and Platelets, and labels.csv. classes: the set's
    own spelling of a class -> the class; left out, each folder is the class of its name. copies: its images
    are turned or mirrored copies of photographs, which must be told apart before a split.
    """

    folder: str
    layout: Literal["class folders", "slide folders", "voc"] = "class folders"
    classes: dict[str, str] = {}
    licence: str = "not stated"
    source: str = "own images"
    copies: bool = False


class Data(Struct, frozen=True, forbid_unknown_fields=True):
    """Which images, which classes, how cut, how split.

    split: what is kept from training to measure on. "photographs": `holdout` of the photographs. "folders":
    the `test_sets`. "grouped": the photographs of fold number `fold` of `folds`. "study": 15 % of all images,
    dealt by chance as the published study did; copies of one photograph then stand on both sides. Under
    "folders" and "grouped", `holdout` of the other photographs is kept back for validation besides.
    missed: what becomes of an image in which no cell is found: "left out", or used "whole".
    merged: a class that stands for several of the data's own: its name, and theirs.
    own: sets that are not registered, by name; one that is only a folder needs no entry.
    balance, set_balance: how far classes, and within a class the data sets, are drawn equally often.
    other_share: how often `other` is expected among what is found on a slide; 0: as often as in training.
    """

    sets: Annotated[tuple[str, ...], Meta(min_length=1)]
    classes: Annotated[tuple[str, ...], Meta(min_length=2)]
    masking: Literal["found", "study"] = "found"
    split: Split = "photographs"
    test_sets: tuple[str, ...] = ()
    folds: Annotated[int, Meta(ge=2)] = 5
    fold: Annotated[int, Meta(ge=0)] = 0
    missed: Literal["left out", "whole"] = "left out"
    context: Annotated[float, Meta(ge=1, le=2)] = 1.0
    holdout: Annotated[float, Meta(ge=0, lt=1)] = 0.15
    balance: Share = 0.5
    set_balance: Share = 0.0
    other_share: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    merged: dict[str, tuple[str, ...]] = {}
    leave_out: tuple[str, ...] = ()  # photographs
    own: dict[str, OwnSet] = {}

    def class_of(self) -> dict[str, int]:
        """Return the class, as its place in `classes`, of each of the data's own classes that is wanted."""
        return {
            own: number
            for number, label in enumerate(self.classes)
            for own in self.merged.get(label, (label,))
        }


class Training(Struct, frozen=True, forbid_unknown_fields=True):
    """How long, how fast, how regularised.

    images_per_epoch: how many are drawn; 0: every training image once. warmup_epochs: before a cosine only.
    restarts: the epochs after which a cosine begins anew, from half the rate it last began from.
    average: decay of the running average of the weights; 0: the last weights are kept as they are.
    members: how many trainings from the same first weights, each with draws of its own; the mean of their
    weights is kept (Wortsman et al. 2022).
    """

    epochs: Count = 40
    images_per_epoch: Annotated[int, Meta(ge=0)] = 4096
    batch: Count = 64
    optimizer: Literal["adamw", "nadam"] = "adamw"
    schedule: Literal["cosine", "constant"] = "cosine"
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 0.002
    warmup_epochs: Annotated[int, Meta(ge=0)] = 2
    restarts: tuple[Count, ...] = ()
    weight_decay: Annotated[float, Meta(ge=0)] = 0.02
    label_smoothing: Share = 0.05
    average: Annotated[float, Meta(ge=0, lt=1)] = 0.995
    members: Count = 1
    seed: Annotated[int, Meta(ge=0)] = 1


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """One whole recipe. `network` names the builder and holds its keyword arguments.

    augmentation: the keyword arguments of `trainer.training.augmentation.Augmentation`, or None for no
    augmentation. turns: in how many quarter turns the device looks at each cell; its answer is their mean.
    """

    name: str
    data: Data
    network: dict[str, Any]
    training: Training
    augmentation: dict[str, Any] | None = None
    turns: Literal[1, 4] = 1


def load_recipe(name: str) -> Recipe:
    """Read a recipe that comes with the package, by name, or a TOML file, by path.

    It may extend another one (`trainer.recipe_files.read_recipe`). Raises ConfigError naming the file and the
    key.
    """
    path, raw = read_recipe(name, RECIPES)
    try:
        recipe = msgspec.convert({**raw, "name": path.stem}, Recipe)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_sentence(str(error))}") from None
    if "name" not in recipe.network:
        raise ConfigError(f"{path}: network.name is missing")
    return _checked(recipe, str(path))


def changed(recipe: Recipe, *, data: dict[str, Any], training: dict[str, Any]) -> Recipe:
    """Return the recipe with other values under some keys. Raises ConfigError naming an impossible one."""
    raw = msgspec.to_builtins(recipe)
    try:
        other = msgspec.convert(
            {**raw, "data": raw["data"] | data, "training": raw["training"] | training}, Recipe
        )
    except msgspec.ValidationError as error:
        raise ConfigError(f"recipe {recipe.name}: {error}") from None
    return _checked(other, f"recipe {recipe.name}")


def _checked(recipe: Recipe, where: str) -> Recipe:
    _check_classes(recipe.data, where)
    _check_split(recipe.data, where)
    training = recipe.training
    starts = (training.warmup_epochs, *training.restarts)
    if any(later <= earlier for earlier, later in itertools.pairwise(starts)):
        raise ConfigError(f"{where}: training.restarts are epochs after the warmup, in rising order")
    if training.restarts and training.schedule != "cosine":
        raise ConfigError(f'{where}: training.restarts are of the schedule "cosine"')
    return recipe


def _check_classes(data: Data, where: str) -> None:
    for key, names in (("sets", data.sets), ("classes", data.classes)):
        if len(set(names)) < len(names):
            raise ConfigError(f"{where}: data.{key} names one twice")
    strange = [label for label in data.merged if label not in data.classes]
    if strange:
        raise ConfigError(f"{where}: data.merged names {strange[0]}, which is not among data.classes")
    if data.other_share and OTHER not in data.classes:
        raise ConfigError(
            f"{where}: data.other_share is {data.other_share:g}, and {OTHER} is none of data.classes"
        )
    if len(data.class_of()) < sum(len(data.merged.get(label, (label,))) for label in data.classes):
        raise ConfigError(f"{where}: data.merged puts one of the data's classes into two")


def _check_split(data: Data, where: str) -> None:
    if data.split == "study" and data.leave_out:
        raise ConfigError(f"{where}: data.leave_out names photographs, which the study's split does not know")
    if data.fold >= data.folds:
        raise ConfigError(f"{where}: data.fold is {data.fold}; folds are counted from 0 to {data.folds - 1}")
    strange = [name for name in data.test_sets if name not in data.sets]
    if strange:
        raise ConfigError(f"{where}: data.test_sets names {strange[0]}, which is not among data.sets")
    if data.split == "folders" and not set(data.test_sets) < set(data.sets):
        raise ConfigError(f"{where}: data.test_sets leaves nothing to train on")
    if data.split == "folders" and not data.test_sets:
        raise ConfigError(f'{where}: split "folders" needs data.test_sets')


def _sentence(message: str) -> str:
    """Return msgspec's message with the section it means and, for an unknown key, the keys that are known."""
    what, _, where = message.partition(" - at `$")
    section = where.strip(".`").replace("own[...]", "own.NAME")
    unknown = re.match(r"Object contains unknown field `(.*)`", what)
    if unknown is None:
        return f"{section}: {what[:1].lower()}{what[1:]}" if section else what
    kinds: dict[str, type[Struct]] = {"": Recipe, "data": Data, "data.own.NAME": OwnSet, "training": Training}
    known = [field.name for field in msgspec.structs.fields(kinds[section])]
    near = difflib.get_close_matches(unknown[1], known, 1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"{unknown[1]} is no key of {f'[{section}]' if section else 'a recipe'}: {', '.join(known)}{meant}"
