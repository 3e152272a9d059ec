"""Tables from what was measured on each image: figures with intervals, and each method against baselines."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainer.evaluation.bootstrap import over_draws
from trainer.evaluation.metrics import estimate, share
from trainer.explanations.baselines import BASELINES, CENTRE, MEAN
from trainer.explanations.records import Against, Fidelity, Randomisation, Row, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from trainer.evaluation.metrics import Estimate

    Floats = NDArray[np.float64]

CORRELATION = "correlation with Grad-CAM"
ENERGY = {"nucleus": "energy in the nucleus", "cell": "energy in the cell"}
POINTING = {"nucleus": "pointing at the nucleus", "cell": "pointing at the cell"}
DELETION, INSERTION = "deletion AUC", "insertion AUC"
FIGURES = {
    CORRELATION: ("median", 1),
    **dict.fromkeys(ENERGY.values(), ("median", 1)),
    **dict.fromkeys(POINTING.values(), ("mean", 1)),
    DELETION: ("mean", -1),
    INSERTION: ("mean", 1),
}
"""Figure -> which middle of the images' figures is shown, and 1 where more is better, -1 where less is."""

BASELINE = "baseline"
WINS = "beats every baseline"
LEAST = 10
"""Photographs; of fewer an interval by bootstrap is too narrow, and no verdict is made."""

_LEVELS = {"median": 0.5, "tenth percentile": 0.1}


@dataclass(frozen=True)
class Measured:
    """One figure of every method, of some of the images each: method -> number of the image -> figure."""

    group: str
    figure: str
    values: Mapping[str, Mapping[int, float]]


def rows(measured: Measured, photographs: Sequence[str]) -> list[Row]:
    """Return a row for each method that has a figure of any image; baselines stand last.

    photographs: of all images, by number. A method is compared with each baseline on the images that both
    have. Its verdict is made from the 95 % intervals of the paired differences alone.
    """
    statistic, sign = FIGURES[measured.figure]
    values = {name: found for name, found in measured.values.items() if found}
    names = [n for n in values if n not in BASELINES] + [n for n in values if n in BASELINES]
    # What is of the same images is drawn together: there are many figures, and drawing takes the time.
    columns: dict[tuple[int, ...], list[_Column]] = defaultdict(list)
    for name in names:
        columns[tuple(sorted(values[name]))].append(_Column(name, None, statistic, values[name]))
        for baseline in BASELINES if name not in BASELINES else ():
            other = values.get(baseline, {})
            both = tuple(sorted(values[name].keys() & other.keys()))
            if both:
                difference = {i: sign * (values[name][i] - other[i]) for i in both}
                columns[both].append(_Column(name, baseline, "mean", difference))
    found: dict[tuple[str, str | None], Estimate] = {}
    for numbers, together in columns.items():
        arrays = [(np.array([one.values[i] for i in numbers]), one.statistic) for one in together]
        estimates = _estimates(arrays, [photographs[i] for i in numbers])
        found |= {(one.method, one.baseline): e for one, e in zip(together, estimates, strict=True)}
    result = []
    for name in names:
        against = tuple(Against(b, found[name, b]) for b in BASELINES if (name, b) in found)
        shown = len({photographs[i] for i in values[name]})
        result.append(
            Row(
                group=measured.group,
                figure=measured.figure,
                method=name,
                images=len(values[name]),
                photographs=shown,
                statistic=statistic,
                value=found[name, None],
                against=against,
                verdict=BASELINE if name in BASELINES else verdict(against, shown),
            )
        )
    return result


def verdict(against: Sequence[Against], photographs: int) -> str:
    """Say which baselines a method does not beat: whose interval of the difference is not above 0."""
    if photographs < LEAST:
        return f"{photographs} photographs are too few for a verdict"
    if not against:
        return "no baseline to compare with"
    worse = [one.baseline for one in against if one.better_by.high < 0]
    level = [one.baseline for one in against if one.better_by.low <= 0 <= one.better_by.high]
    if not worse and not level:
        return WINS
    parts = [f"worse than: {', '.join(worse)}"] if worse else []
    parts += [f"does not beat: {', '.join(level)}"] if level else []
    return "; ".join(parts)


def middle(values: Sequence[float], photographs: Sequence[str], statistic: str) -> Estimate:
    """Return the median, mean or tenth percentile of images' figures, with an interval over photographs."""
    return _estimates([(np.asarray(values, np.float64), statistic)], photographs)[0]


def fidelity(
    runtime: str,
    correlations: Sequence[float],
    blank: tuple[Sequence[bool], Sequence[bool]],
    same_call: NDArray[np.bool_],
    photographs: Sequence[str],
) -> Fidelity:
    """Return the figures of one runtime. blank: of each image, whether its map is, in int8 and in float."""
    shown = [i for i, is_blank in enumerate(blank[1]) if not is_blank]
    of_shown = [correlations[i] for i in shown], [photographs[i] for i in shown]
    return Fidelity(
        runtime=runtime,
        images=len(correlations),
        photographs=len(set(photographs)),
        median=middle(correlations, photographs, "median"),
        tenth_percentile=middle(correlations, photographs, "tenth percentile"),
        shown_median=middle(*of_shown, "median") if shown else None,
        shown_tenth_percentile=middle(*of_shown, "tenth percentile") if shown else None,
        blank=sum(blank[0]),
        float_blank=sum(blank[1]),
        same_call=share(same_call, photographs),
    )


def randomisation(
    layers: Sequence[str],
    pearson: Mapping[str, Floats],
    spearman: Mapping[str, Floats],
    centred: Mapping[str, Floats],
    photographs: Sequence[str],
) -> Randomisation:
    """Return the table of a cascade.

    pearson, spearman: method -> (steps, images), of the first map with the one after each step.
    centred: method -> (images,), of the first map with the centre blob.

    Verdicts: the map depends on the head, if after the first step its correlation is below the class-free
    mean activation's; and nothing of it is left at the end, if by then it is no more like itself than any map
    that favours the middle of the crop is. Both by the 95 % interval of the paired difference.
    """
    names = list(pearson)
    ends = [values[-1] - centred[name] for name, values in pearson.items()]
    heads = [pearson.get(MEAN, values)[0] - values[0] for values in pearson.values()]
    of_steps = [of[name][k] for k in range(len(layers)) for of in (pearson, spearman) for name in names]
    drawn = iter(_estimates([(column, "mean") for column in (*ends, *heads, *of_steps)], photographs))
    left, less = ({name: next(drawn) for name in names} for _ in range(2))
    steps = tuple(
        Step(layer, {name: next(drawn) for name in names}, {name: next(drawn) for name in names})
        for layer in layers
    )
    verdicts = {}
    for name in names:
        if name == MEAN:
            verdicts[name] = BASELINE
            continue
        head = "less" if less[name].low > 0 else "no less"
        end = "still" if left[name].low > 0 else "no"
        verdicts[name] = (
            f"with a new head {steps[0].pearson[name].value:.2f} like itself, {head} than the {MEAN}; "
            f"with all weights new {end} more like itself than like the {CENTRE}"
        )
    return Randomisation(len(photographs), len(set(photographs)), steps, verdicts)


@dataclass(frozen=True)
class _Column:
    """One thing to estimate: a method's own figure, or by how much it is better than a baseline."""

    method: str
    baseline: str | None
    statistic: str
    values: Mapping[int, float]


def _estimates(columns: Sequence[tuple[Floats, str]], photographs: Sequence[str]) -> list[Estimate]:
    """Estimate several figures of the same images at once: each (images,), with its statistic."""
    _, photograph = np.unique(np.array(photographs), return_inverse=True)
    count = int(photograph.max()) + 1
    sums = np.stack([np.bincount(photograph, weights=values) for values, _ in columns], axis=1)
    each = np.bincount(photograph).astype(np.float64)
    points = [float(values.mean()) for values, _ in columns]
    sorted_at = {}
    for k, (values, statistic) in enumerate(columns):
        if statistic != "mean":
            level = _LEVELS[statistic]
            order = np.argsort(values, kind="stable")
            sorted_at[k] = (level, values[order], photograph[order])
            points[k] = float(np.quantile(values, level))

    def figures(times: Floats) -> Floats:
        found = np.asarray((times @ sums) / (times @ each)[:, None], np.float64)
        for k, (level, ordered, owner) in sorted_at.items():
            heights = np.cumsum(times[:, owner], axis=1)
            place = (heights < level * heights[:, -1:]).sum(axis=1)
            found[:, k] = ordered[np.minimum(place, len(ordered) - 1)]
        return found

    draws = over_draws(figures, count, len(photograph))
    return [estimate(point, column) for point, column in zip(points, draws.T, strict=True)]
