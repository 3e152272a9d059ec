"""The rule by which a model does not answer, as its bundle carries it; `edge.naming.rejection` applies it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

TOO_FAR = 1.5
"""Times the usual distance: beyond, a cell is like nothing in training, however sure the network is."""


class Familiarity(Struct, frozen=True):
    """What makes a call trusted: a logistic regression on its confidence and its distance.

    centres: mean features of each label's training cells, (labels, features). spread: their standard
    deviation within a class, (features,). usual_distance: that 99 % of known cells stay within; beyond 1.5
    times it there is no answer. trust = logistic(intercept + confidence * log-odds of the call - distance *
    its distance); below minimum_trust there is no answer. logits: mean logits of each label's training cells,
    (labels, labels), which `edge.naming.alignment` compares a specimen's with; empty: nothing is aligned.
    """

    centres: tuple[tuple[float, ...], ...]
    spread: tuple[Annotated[float, Meta(gt=0)], ...]
    usual_distance: Annotated[float, Meta(gt=0)]
    intercept: float
    confidence: float
    distance: float
    minimum_trust: Annotated[float, Meta(ge=0, le=1)]
    logits: tuple[tuple[float, ...], ...] = ()

    def problem(self) -> str | None:
        """Say what does not fit together in it, or None."""
        if any(len(centre) != len(self.spread) for centre in self.centres):
            return "its known cells have other features than these vary in"
        classes = len(self.centres)
        if self.logits and [len(row) for row in self.logits] != [classes] * classes:
            return "its known cells' logits are of other classes than their features"
        return None


class Reject(Struct, frozen=True, omit_defaults=True):
    """When the model does not answer: below this probability, or, where the bundle knows, this trust."""

    minimum_probability: Annotated[float, Meta(ge=0, le=1)]
    familiarity: Familiarity | None = None
