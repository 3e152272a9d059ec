"""How sure a call must be, as told by microscopes that were left out of training.

Cells of known microscopes do not tell: there the network is seldom wrong, and a low threshold looks good
enough. On a microscope that it never saw it is wrong more often, and as sure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from edge.adaptation.refusal import TARGET_ERROR
from edge.errors import ConfigError
from edge.labels import OTHER
from edge.naming.rejection import Judge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from edge.models.reject import Reject

_THRESHOLDS = np.linspace(0, 0.99, 100)


class TrustPoint(Struct, frozen=True):
    """What a threshold of trust does: shares, 0 to 1, of the counted classes' cells and of the calls."""

    minimum_trust: float
    called: float
    wrong_calls: float


class _Measured(Struct, frozen=True):
    trust: tuple[TrustPoint, ...] = ()


class _Step(Struct, frozen=True):
    microscope: str
    measured: _Measured


class _LeftOut(Struct, frozen=True):
    steps: tuple[_Step, ...]


def trust_curve(
    probabilities: NDArray[np.float32],
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    rule: Reject,
    classes: Sequence[str],
) -> tuple[TrustPoint, ...]:
    """Return what each threshold of trust would do on n cells; () for a rule that knows no trust.

    probabilities: float32 (n, classes). features: float32 (n, f). labels, weights: (n,) true classes, and
    how much a cell counts. All else that the rule refuses stays refused.
    """
    if rule.familiarity is None or not len(labels):
        return ()
    open_rule = replace(rule, familiarity=replace(rule.familiarity, minimum_trust=0.0))
    judgements = Judge(open_rule, classes)(probabilities, features)
    sure = np.array([one.confidence for one in judgements])
    answered = np.array([one.reason is None for one in judgements])
    known = np.array([classes[label] != OTHER for label in labels])
    right = probabilities.argmax(axis=1) == labels
    points = []
    for threshold in _THRESHOLDS:
        calls = answered & (sure >= threshold)
        wrong = np.average(~right[calls], weights=weights[calls]) if calls.any() else 0.0
        called = np.average(calls[known], weights=weights[known]) if known.any() else 0.0
        points.append(TrustPoint(round(float(threshold), 2), round(float(called), 4), round(float(wrong), 4)))
    return tuple(points)


@dataclass(frozen=True)
class LeftOutTrust:
    """What thresholds do in the mean over microscopes left out. points: rising; microscopes: their names."""

    points: tuple[TrustPoint, ...]
    microscopes: tuple[str, ...]

    @property
    def asked(self) -> float:
        """Return the lowest threshold with at most `TARGET_ERROR` wrong calls; where none has, the highest.

        On a microscope never seen what is called is to be right, however little that is.
        """
        good = [one for one in self.points if one.wrong_calls <= TARGET_ERROR]
        return (good[0] if good else self.points[-1]).minimum_trust

    def at(self, minimum_trust: float) -> TrustPoint:
        """Return what a threshold does, by the highest point that is not above it."""
        return [one for one in self.points if one.minimum_trust <= minimum_trust][-1]


def read_trust(path: Path) -> LeftOutTrust:
    """Return what a file of `microscopes --left-out` says of trust, each microscope weighing the same.

    Raises ConfigError where it says nothing.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_LeftOut)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path}: is no result of `microscopes --left-out` ({error})") from None
    steps = [step for step in found.steps if step.measured.trust]
    if not steps:
        raise ConfigError(
            f"{path}: measures no namer that became int8, so it does not tell how sure a call must be"
        )
    points = tuple(
        TrustPoint(
            same[0].minimum_trust,
            round(sum(one.called for one in same) / len(same), 4),
            round(sum(one.wrong_calls for one in same) / len(same), 4),
        )
        for same in zip(*(step.measured.trust for step in steps), strict=True)
    )
    return LeftOutTrust(points, tuple(step.microscope for step in steps))
