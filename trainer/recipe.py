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
    """Which images, which classes, how cut, how split."""

    sets: Annotated[tuple[str, ...], Meta(min_length=1)]
    classes: Annotated[tuple[str, ...], Meta(min_length=2)]
    masking: Literal["adaptive", "study"] = "adaptive"
    context: Annotated[float, Meta(ge=1, le=2)] = 1.0
    holdout: Annotated[float, Meta(ge=0, lt=1)] = 0.15
    balance: Share = 0.5
    leave_out: tuple[str, ...] = ()  # photographs


class Training(Struct, frozen=True, forbid_unknown_fields=True):
    """How long, how fast, how regularised."""

    epochs: Count = 40
    images_per_epoch: Count = 4096
    batch: Count = 64
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 0.002
    warmup_epochs: Annotated[int, Meta(ge=0)] = 2
    weight_decay: Annotated[float, Meta(ge=0)] = 0.02
    label_smoothing: Share = 0.05
    average: Annotated[float, Meta(ge=0, lt=1)] = 0.995
    seed: Annotated[int, Meta(ge=0)] = 1


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """One whole recipe. `network` and `augmentation` name the builder and hold its keyword arguments."""

    name: str
    data: Data
    network: dict[str, Any]
    augmentation: dict[str, float]
    training: Training


def load_recipe(name: str, **overrides: int) -> Recipe:
    """Read a recipe that comes with the package, by name, or a TOML file, by path.

    overrides: fields of `training` to replace. Raises ConfigError naming the file and the key.
    """
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        recipe = msgspec.convert({"name": path.stem, "augmentation": {}, **raw}, Recipe)
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.toml")))
        raise ConfigError(f"{path}: there is no such recipe; with the package come: {known}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if "name" not in recipe.network:
        raise ConfigError(f"{path}: network.name is missing")
    training = msgspec.structs.replace(recipe.training, **overrides)
    return msgspec.structs.replace(recipe, training=training)
