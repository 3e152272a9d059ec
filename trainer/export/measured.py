"""The figures that a bundle carries: of its own held-out cells, and of evaluations made before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from edge.errors import ConfigError
from trainer.evaluation.record import read_evaluation, weights_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.evaluation.metrics import Figures

_MAIN_FIGURES = ("photograph_accuracy", "photograph_macro_recall", "accuracy", "macro_recall", "macro_auc")


def evaluated(paths: Sequence[Path], folder: Path) -> dict[str, dict[str, Any]]:
    """Return the main int8 figures of evaluations, by what was measured; another run's say by whose model.

    Raises ConfigError for a file that is no evaluation, has no int8 figures, or measures what another does.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in paths:
        one = read_evaluation(path)
        if one.int8 is None or one.agreement is None:
            raise ConfigError(f"{path}: has no figures of int8; evaluate on a runtime, not float alone")
        # Weights, not the recipe's name, tell whether it is this very model.
        own = one.weights_sha256 == weights_sha256(folder)
        name = one.part if own else f"{one.part}, another model: recipe {one.recipe}"
        if name in found:
            raise ConfigError(f"{path}: {name} is measured by another of the files as well")
        found[name] = {
            "images": one.images,
            "photographs": one.photographs,
            "agreement": round(one.agreement.value, 4),
            **main_figures(one.int8),
        }
    return found


def main_figures(figures: Figures) -> dict[str, dict[str, float]]:
    """Return the figures that a bundle carries: name -> value, low and high of the 95 % interval."""
    estimates = {name: getattr(figures, name) for name in _MAIN_FIGURES}
    return {
        name: {key: round(value, 4) for key, value in msgspec.structs.asdict(one).items()}
        for name, one in estimates.items()
        if one is not None
    }
