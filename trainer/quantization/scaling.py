"""Channels that are multiplied by a factor together, and how far their values go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

WIDEST = 64.0
"""The largest factor: a channel that is nearly never used needs no more."""


@dataclass
class Group:
    """Tensors that are added to each other, so that a channel has one factor in all of them.

    norms: the layers that make them. tensors: their names. readers: the layers whose kernels read them.
    """

    norms: list[Any] = field(default_factory=list)
    tensors: list[str] = field(default_factory=list)
    readers: list[Any] = field(default_factory=list)


def multiply(norms: Iterable[Any], factor: Floats) -> None:
    """Multiply each channel of what these BatchNorms give, by `factor` (channels,)."""
    for norm in norms:
        norm.gamma.assign(norm.gamma * factor)
        norm.beta.assign(norm.beta * factor)


def widen(ranges: dict[str, Floats], name: str, tensor: Any) -> None:
    """Let the range of each channel, (channels,) under a name, reach to the largest value of a tensor."""
    now = np.asarray(tf.reduce_max(tf.abs(tensor), axis=(0, 1, 2)), np.float32)
    ranges[name] = np.maximum(ranges[name], now) if name in ranges else now
