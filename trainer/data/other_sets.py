"""A recipe on other data sets than its own: what `fit --set` asks for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge.labels import OTHER, did_you_mean
from trainer.data.datasets import DATASETS, list_images
from trainer.data.images import DataError
from trainer.data.own_sets import set_of_path
from trainer.recipe import changed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.recipe import Recipe

log = logging.getLogger(__name__)

_LEAST_CLASSES = 2


def on_other_sets(recipe: Recipe, sets: Sequence[str], data: Path) -> Recipe:
    """Return the recipe with these sets, and those of its classes that they have.

    sets: names of data sets, or folders with a folder a class. A split by folders becomes one by photographs,
    as the test sets are others' too. Raises DataError where fewer than two classes are left.
    """
    own = dict(recipe.data.own)
    names = []
    for given in sets:
        name, described = set_of_path(given, data, {**DATASETS, **own})
        own |= described
        if name not in names:
            names.append(name)
    found = {image.label for name in names for image in list_images(data, name, own)}
    kept: list[str] = []
    lacking: list[str] = []
    for label in recipe.data.classes:
        wanted = set(recipe.data.merged.get(label, (label,)))
        (kept if wanted & found else lacking).append(label)
    known = tuple(recipe.data.class_of())
    for label in sorted(found - set(known)):
        meant = did_you_mean(label, known)
        log.warning("%s: is no class of recipe %s, and is left out%s", label, recipe.name, meant)
    if len(kept) < _LEAST_CLASSES:
        raise DataError(
            f"{', '.join(names)}: a model needs two classes, and of those of recipe {recipe.name} "
            f"({', '.join(known)}) there is {kept[0] if kept else 'none'}; found: {', '.join(sorted(found))}"
        )
    if lacking:
        log.warning("%s: has no %s: the model will not know them", ", ".join(names), " and no ".join(lacking))
    return changed(
        recipe,
        data={
            "sets": names,
            "own": {name: one for name, one in own.items() if name in names},
            "classes": kept,
            "merged": {
                label: [one for one in ones if one in found]
                for label, ones in recipe.data.merged.items()
                if label in kept
            },
            "other_share": recipe.data.other_share if OTHER in kept else 0.0,
            "test_sets": [],
            "leave_out": [],
            "split": "photographs" if recipe.data.split == "folders" else recipe.data.split,
        },
        training={},
    )
