"""The forms of white cells on a drawn smear, class by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.cameras.simulation.smear.curves import bean, blob, bounds, turned

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.cameras.simulation.smear.curves import Curve


@dataclass(frozen=True, slots=True)
class WhiteCell:
    """The form of one white cell around (0, 0), in pixels of the slide.

    outline: of the whole cell, (n, 2). lobes: of the nucleus' parts, each (n, 2).
    bridges: strands between lobes, each a line (2, 2) and its width.
    """

    label: str
    seed: tuple[int, ...]
    outline: Curve
    lobes: tuple[Curve, ...]
    bridges: tuple[tuple[Curve, float], ...] = ()

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The whole cell's x, y, width, height."""
        return bounds([self.outline, *self.lobes])

    @property
    def nucleus_box(self) -> tuple[int, int, int, int]:
        """The nucleus' x, y, width, height."""
        return bounds(self.lobes)

    @property
    def radius(self) -> float:
        """From (0, 0) to the cell's furthest point."""
        return float(max(np.hypot(*curve.T).max() for curve in (self.outline, *self.lobes)))


def white_cell(label: str, seed: tuple[int, ...]) -> WhiteCell:
    """Make a cell of a class, the same one from the same seed. Raises KeyError for an unknown class."""
    outline, lobes, bridges = _FORMS[label](np.random.default_rng((*seed, 0)))
    return WhiteCell(label, seed, outline, tuple(lobes), tuple(bridges))


if TYPE_CHECKING:
    Form = tuple[Curve, list[Curve], list[tuple[Curve, float]]]


def _outline(rng: np.random.Generator, radius: float, *, wobble: float) -> Curve:
    axes = (radius * float(rng.uniform(1, 1.13)), radius)
    return blob(rng, axes, float(rng.uniform(0, np.pi)), wobble=wobble)


def _size(rng: np.random.Generator, mean: float, deviation: float) -> float:
    return float(np.clip(rng.normal(mean, deviation), mean - 2 * deviation, mean + 2.3 * deviation))


def _on_arc(angles: Curve, reach: Curve | float) -> Curve:
    return np.stack([reach * np.cos(angles), reach * np.sin(angles)], 1)


def _neutrophil(rng: np.random.Generator) -> Form:
    """Three to five lobes in a bow, joined by strands."""
    radius = _size(rng, 76, 8)
    count = int(rng.choice((3, 4, 5), p=(0.35, 0.45, 0.2)))
    # From a C to nearly a ring; lobes that swing in or out make an S or an E of it.
    span = float(rng.uniform(0.95, 1.4)) * np.pi * (0.72 + 0.09 * count)
    angles = rng.uniform(0, 2 * np.pi) + np.linspace(0, span, count) + rng.normal(0, 0.12, count)
    middles = _on_arc(angles, radius * rng.uniform(0.40, 0.58, count)) + rng.normal(0, 0.05 * radius, 2)
    size = radius * (1.12, 1.0, 0.90)[count - 3]
    lobes = []
    for middle, angle in zip(middles, angles.tolist(), strict=True):
        axes = (size * float(rng.uniform(0.34, 0.45)), size * float(rng.uniform(0.26, 0.33)))
        lobes.append(middle + blob(rng, axes, angle + np.pi / 2 + float(rng.normal(0, 0.4)), wobble=0.17))
    widths = (radius * rng.uniform(0.1, 0.34, count - 1)).tolist()
    bridges = [(middles[i : i + 2], width) for i, width in enumerate(widths)]
    return _outline(rng, radius, wobble=0.07), lobes, bridges


def _eosinophil(rng: np.random.Generator) -> Form:
    """Two large lobes, joined by a strand."""
    radius = _size(rng, 78, 8)
    first = rng.uniform(0, 2 * np.pi)
    angles = np.array([first, first + rng.uniform(0.6, 0.95) * np.pi])
    middles = _on_arc(angles, radius * float(rng.uniform(0.46, 0.54)))
    lobes = []
    for middle, angle in zip(middles, angles.tolist(), strict=True):
        axes = (radius * float(rng.uniform(0.46, 0.56)), radius * float(rng.uniform(0.36, 0.44)))
        lobes.append(middle + blob(rng, axes, angle + np.pi / 2 + float(rng.normal(0, 0.2)), wobble=0.10))
    bridge = (middles, radius * float(rng.uniform(0.12, 0.34)))
    return _outline(rng, radius, wobble=0.06), lobes, [bridge]


def _lymphocyte(rng: np.random.Generator) -> Form:
    """Small, round or oval; its nucleus nearly fills it, and leaves a rim."""
    radius = _size(rng, 60, 6)
    long, turn = float(rng.uniform(1, 1.2)), float(rng.uniform(0, np.pi))
    share = float(rng.uniform(0.82, 0.92))
    outline = blob(rng, (radius * long, radius / long), turn, wobble=0.10)
    nucleus = share * (outline + blob(rng, (radius * long, radius / long), turn, wobble=0.05)) / 2
    off = _on_arc(rng.uniform(0, 2 * np.pi, 1), (1 - share) * radius * float(rng.uniform(0.3, 0.9)))
    return outline, [nucleus + off], []


def _monocyte(rng: np.random.Generator) -> Form:
    """The largest; a nucleus like a kidney or a horseshoe."""
    radius = _size(rng, 94, 6.5)
    turn = float(rng.uniform(0, 2 * np.pi))
    nucleus = bean(
        rng,
        radius * float(rng.uniform(0.74, 0.84)),
        dent=float(rng.uniform(0.42, 0.72)),
        width=float(rng.uniform(0.28, 0.5)),
        wobble=0.16,
    )
    return _outline(rng, radius, wobble=0.14), [turned(nucleus - (0.1 * radius, 0), turn)], []


def _basophil(rng: np.random.Generator) -> Form:
    """One folded nucleus under coarse granules."""
    radius = _size(rng, 70, 6)
    nucleus = bean(rng, radius * 0.72, dent=0.3, width=0.5, wobble=0.15)
    return _outline(rng, radius, wobble=0.05), [turned(nucleus, float(rng.uniform(0, 2 * np.pi)))], []


_FORMS: dict[str, Callable[[np.random.Generator], Form]] = {
    "basophil": _basophil,
    "eosinophil": _eosinophil,
    "lymphocyte": _lymphocyte,
    "monocyte": _monocyte,
    "neutrophil": _neutrophil,
}
