"""Pictures for people: each class with its cells, their maps, and what was called with what probability."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from trainer.explanations.measures import over_crop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from trainer.explanations.blackbox import LimeMaps
    from trainer.explanations.measures import Map, Pixels
    from trainer.explanations.subjects import Subject

_CELL, _NUCLEUS = "#00963c", "#e61e1e"  # as `leukoscope analyze --overlays` outlines them
_TILE = 1.55  # inches
_DPI = 110
_EVEN = "viridis"  # rises evenly in lightness, for colour-blind eyes too
_SIGNED = "PuOr_r"  # orange speaks for, purple against; even on both sides
_OPACITY = 0.75


@dataclass(frozen=True)
class Shown:
    """A cell in a gallery. called: the class's number; probability: its own, 0 to 1, from softmax."""

    subject: Subject
    called: int
    probability: float


def maps_of_class(
    title: str, cells: Sequence[Shown], maps: dict[str, Sequence[Map | None]], classes: Sequence[str]
) -> bytes:
    """Draw input, and map and overlay by each method, a row a cell: PNG.

    maps: method -> for each cell its map (h, w) of the called class, or None.
    """
    figure, grid = _grid(len(cells), 1 + 2 * len(maps), title)
    for row, (axes, one) in enumerate(zip(grid, cells, strict=True)):
        _input(axes[0], one, classes)
        for k, (method, of_method) in enumerate(maps.items()):
            plain, over = axes[1 + 2 * k], axes[2 + 2 * k]
            if row == 0:
                plain.set_title(f"{method}\nmap", fontsize=8)
                over.set_title("\noverlay", fontsize=8)
            found = of_method[row]
            strength = None if found is None else _strength(found)
            if strength is None:
                _missing(plain, "no map")
                _missing(over, "")
                continue
            plain.imshow(strength, cmap=_EVEN, vmin=0, vmax=1)
            over.imshow(_overlaid(one.subject.pixels, strength))
            over.contour(strength, levels=[0.5], colors="white", linewidths=1.0)
            _outlines(over, one.subject, width=0.6)
    mappable = ScalarMappable(Normalize(0, 1), _EVEN)
    _legend(figure, grid, mappable, "evidence for the called class\n(share of the map's peak)")
    return _png(figure)


def shap_rows(
    cells: Sequence[Shown], values: Sequence[NDArray[np.float32]], classes: Sequence[str], title: str
) -> bytes:
    """Draw a row a cell, a column a class: SHAP values, float32 (120, 120, classes) each, over the cell."""
    figure, grid = _grid(len(cells), 1 + len(classes), title)
    for row, (axes, one, of_cell) in enumerate(zip(grid, cells, values, strict=True)):
        _input(axes[0], one, classes)
        smooth = [cv2.GaussianBlur(of_cell[:, :, k], (0, 0), 1.5) for k in range(len(classes))]
        # One scale a row: its columns can be compared, and a weak cell beside a strong one can be seen.
        peak = max(float(np.percentile(np.abs(smooth), 99.5)), 1e-9)
        grey = cv2.cvtColor(one.subject.pixels, cv2.COLOR_RGB2GRAY)
        for k, name in enumerate(classes):
            axes[1 + k].imshow(grey, cmap="gray", vmin=-255, vmax=255, alpha=0.35)
            axes[1 + k].imshow(smooth[k], cmap=_SIGNED, norm=TwoSlopeNorm(0, -peak, peak), alpha=0.8)
            _outlines(axes[1 + k], one.subject, width=0.5, colour="#444444")
            title_of = f"{name}\n" if row == 0 else ""
            total = float(of_cell[:, :, k].sum())
            mark = " (called)" if k == one.called else ""
            axes[1 + k].set_title(f"{title_of}{total:+.1f} logits{mark}", fontsize=8)
    mappable = ScalarMappable(TwoSlopeNorm(0, -1, 1), _SIGNED)
    _legend(figure, grid, mappable, "against  |  for the class\n(share of the row's peak)")
    return _png(figure)


def lime_rows(cells: Sequence[Shown], maps: Sequence[LimeMaps], classes: Sequence[str], title: str) -> bytes:
    """Draw a row a cell, a column a class: the superpixels that speak most for it outlined, the rest pale."""
    figure, grid = _grid(len(cells), 1 + len(classes), title)
    for row, (axes, one, found) in enumerate(zip(grid, cells, maps, strict=True)):
        _input(axes[0], one, classes)
        for k, name in enumerate(classes):
            chosen = found.strongest(k)
            pale = (0.35 * one.subject.pixels + 0.65 * 255).astype(np.uint8)
            axes[1 + k].imshow(np.where(chosen[..., None], one.subject.pixels, pale))
            if chosen.any():
                axes[1 + k].contour(chosen, levels=[0.5], colors="#b8860b", linewidths=1.2)
            brings = float(found.weights[k][np.unique(found.segments[chosen])].sum()) if chosen.any() else 0.0
            title_of = f"{name}\n" if row == 0 else ""
            mark = " (called)" if k == one.called else ""
            axes[1 + k].set_title(f"{title_of}{100 * brings:+.0f} points{mark}", fontsize=8)
    return _png(figure)


def _grid(rows: int, columns: int, title: str) -> tuple[Figure, NDArray[np.object_]]:
    figure = Figure(figsize=(_TILE * columns + 1.1, (_TILE + 0.3) * rows + 0.8), layout="constrained")
    figure.suptitle(title, fontsize=11)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
    return figure, grid


def _input(axes: Axes, one: Shown, classes: Sequence[str]) -> None:
    axes.imshow(one.subject.pixels)
    _outlines(axes, one.subject, width=0.8)
    true = one.subject.label
    called = classes[one.called]
    colour = "black" if true is None or true == one.called else "#b00000"
    said = f"called {called}\n{100 * one.probability:.0f} %"
    if true is not None and true != one.called:
        said += f" (is {classes[true]})"
    axes.set_title(said, fontsize=8, color=colour)


def _strength(found: Map) -> Map | None:
    """Return the map over the crop, 0 to 1, or None where it has no evidence anywhere."""
    full = np.maximum(over_crop(found), 0)
    peak = float(full.max())
    return np.asarray(full / peak, np.float32) if peak > 0 else None


def _overlaid(crop: Pixels, strength: Map) -> Pixels:
    """Lay the map over the crop, the more opaque the stronger: what has no evidence stays as it is."""
    colours = colormaps[_EVEN](strength)[..., :3] * 255
    opacity = (_OPACITY * strength)[..., None]
    return np.asarray(crop * (1 - opacity) + colours * opacity, np.uint8)


def _outlines(axes: Axes, subject: Subject, *, width: float, colour: str | None = None) -> None:
    for mask, own in ((subject.cell, _CELL), (subject.nucleus, _NUCLEUS)):
        if mask is not None and mask.any() and not mask.all():
            axes.contour(mask, levels=[0.5], colors=colour or own, linewidths=width)


def _missing(axes: Axes, text: str) -> None:
    axes.set_facecolor("#f0f0f0")
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=8, transform=axes.transAxes)
    axes.set_aspect("equal")


def _legend(figure: Figure, grid: NDArray[np.object_], mappable: ScalarMappable, words: str) -> None:
    bar = figure.colorbar(
        mappable, ax=grid.ravel().tolist(), shrink=0.9 if len(grid) == 1 else 0.5, aspect=18
    )
    bar.set_label(words, fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _png(figure: Figure) -> bytes:
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=_DPI, metadata={"Software": None})
    return written.getvalue()
