"""Outputs of a network whose cells are known."""

from __future__ import annotations

import numpy as np

from trainer.evaluation.rejection import Outputs

CLASSES = ("lymphocyte", "monocyte", "other")


def cells(count, *, strangers=True, noise=0.6, seed=1):
    """Make outputs of a network that is mostly right, unsure near the border, and knows strangers badly."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3 if strangers else 2, count)
    centres = np.array([[0, 0, 0], [4, 0, 0], [2, 4, 0]])
    features = centres[labels] + rng.normal(0, 1, (count, 3))
    away = ((features[:, None] - centres[None]) ** 2).sum(axis=2)
    logits = -away / 2 + rng.normal(0, noise, (count, 3))
    return Outputs(logits.astype(np.float32), features.astype(np.float32), labels.astype(np.int64))
