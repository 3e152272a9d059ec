"""A training recipe: TOML in, frozen structs out; unknown keys and impossible values are refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edge.errors import ConfigError

RECIPES = Path(__file__).parent / "recipes"

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]


class Data(Struct, frozen=True, forbid_unknown_fields=True):
    """Which images, which classes, how cut, how split.

    split: "photographs" holds out `holdout` of the photographs. "study" deals all images into 70/15/15 by
    chance, as the published study did; copies of one photograph then stand on both sides.
    """

    sets: Annotated[tuple[str, ...], Meta(min_length=1)]
    classes: Annotated[tuple[str, ...], Meta(min_length=2)]
    masking: Literal["adaptive", "study"] = "adaptive"
    split: Literal["photographs", "study"] = "photographs"
    context: Annotated[float, Meta(ge=1, le=2)] = 1.0
    holdout: Annotated[float, Meta(ge=0, lt=1)] = 0.15
    balance: Share = 0.5
    leave_out: tuple[str, ...] = ()  # photographs


class Training(Struct, frozen=True, forbid_unknown_fields=True):
    """How long, how fast, how regularised.

    images_per_epoch: how many are drawn; 0: every training image once. warmup_epochs: before a cosine only.
    average: decay of the running average of the weights; 0: the last weights are kept as they are.
    """

    epochs: Count = 40
    images_per_epoch: Annotated[int, Meta(ge=0)] = 4096
    batch: Count = 64
    optimizer: Literal["adamw", "nadam"] = "adamw"
    schedule: Literal["cosine", "constant"] = "cosine"
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 0.002
    warmup_epochs: Annotated[int, Meta(ge=0)] = 2
    weight_decay: Annotated[float, Meta(ge=0)] = 0.02
    label_smoothing: Share = 0.05
    average: Annotated[float, Meta(ge=0, lt=1)] = 0.995
    seed: Annotated[int, Meta(ge=0)] = 1


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """One whole recipe. `network` names the builder and holds its keyword arguments.

    augmentation: the keyword arguments of `trainer.augmentation.Augmentation`, or None for no augmentation.
    """

    name: str
    data: Data
    network: dict[str, Any]
    training: Training
    augmentation: dict[str, float] | None = None


def load_recipe(name: str, **overrides: int) -> Recipe:
    """Read a recipe that comes with the package, by name, or a TOML file, by path.

    overrides: fields of `training` to replace. Raises ConfigError naming the file and the key.
    """
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        recipe = msgspec.convert({"name": path.stem, **raw}, Recipe)
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.toml")))
        raise ConfigError(f"{path}: there is no such recipe; with the package come: {known}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if "name" not in recipe.network:
        raise ConfigError(f"{path}: network.name is missing")
    training = msgspec.structs.replace(recipe.training, **overrides)
    return msgspec.structs.replace(recipe, training=training)
