"""The page of an explanation: HTML that needs nothing from elsewhere, with its pictures inside."""

from __future__ import annotations

import base64
from collections import defaultdict
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table as Columns
from rich.text import Text

from trainer.explanations.baselines import BASELINES
from trainer.explanations.blackbox import LIME_SAMPLES, SHAP_BLUR, SHAP_EVALUATIONS
from trainer.explanations.curve_plots import changed, randomised
from trainer.explanations.proof import BASELINE, CORRELATION, FIGURES, WINS
from trainer.reports import plots
from trainer.reports.html import Table, drawn, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from markupsafe import Markup
    from rich.console import RenderableType

    from trainer.evaluation.metrics import Estimate
    from trainer.explanations.records import Explanation, MeanCurves, Randomisation, Row

_HOW = f"""
Grad-CAM (Selvaraju et al. 2017) and Grad-CAM++ (Chattopadhyay et al. 2018): of the float network, by its
gradients, for the class that the int8 file calls.

Energy: share of the map's sum over the crop that lies inside the mask (Wang et al. 2020), the median over
images. Pointing: share of images whose highest place lies inside (Zhang et al. 2018).

Deletion and insertion (Petsiuk et al. 2018): area under the called class's probability while the highest
places are replaced by the crop's mean colour (less is better), or put into the blurred crop (more is
better), a twentieth of the crop at a time.

SHAP: Partition SHAP of the logits, hidden parts blurred over {SHAP_BLUR} pixels, {SHAP_EVALUATIONS}
questions an image. LIME: of the probability, superpixels by SLIC, hidden ones of the crop's mean colour,
{LIME_SAMPLES} questions an image.

Parameter randomisation is that of the float network: of each step an int8 file would have to be made anew.
What holds for Grad-CAM holds for the device's map as far as the two are alike, which the first table says.

Verdicts are made from the figures: a method beats a baseline where the 95 % interval of the mean paired
difference on the same images, by bootstrap over photographs, lies above 0. Where a method and a baseline
differ little on few images, it may be better and not be shown to be.
""".strip().split("\n\n")


def page(found: Explanation, pictures: Mapping[str, bytes]) -> str:
    """Return the whole page. pictures: file name -> PNG of each of the explanation's pictures."""
    return render(
        "explanation.html",
        title="Leukoscope explanation",
        recipe=found.recipe,
        measured=_measured(found),
        limits=_limits(found),
        fidelity=_fidelity(found),
        blank=Table(
            "Maps that show nothing anywhere: all that the method finds speaks against the call. Their "
            "correlation and energy count as 0, and they point nowhere.",
            ("method", "blank maps"),
            [(name, f"{count} of {total}") for name, (count, total) in found.blank.items()],
        ),
        proof=list(_proof(found.rows)),
        curves=_curves(found.curves),
        randomisation=None if found.randomisation is None else _randomisation(found.randomisation),
        pictures=[
            {
                "title": one.title,
                "says": one.says,
                "content": base64.b64encode(pictures[one.file]).decode(),
            }
            for one in found.pictures
        ],
        how=_HOW,
        baselines=Table("Baselines", ("baseline", "what it is"), list(BASELINES.items()), long=True),
        costs=Table(
            "Time an image took, on the machine that measured; the device's map comes with its call",
            ("method", "seconds", "images"),
            [(one.method, f"{one.seconds:.4f}", str(one.images)) for one in found.costs],
        ),
    )


def summary(found: Explanation) -> RenderableType:
    """Return the proof as a person reads it in a terminal, and what the time limit cut."""
    said: list[RenderableType] = [Text(_measured(found), "bold")]
    said += [
        Text(
            f"{one.runtime}: int8 map to float Grad-CAM, Pearson median {one.median.value:.4f}, 10th "
            f"percentile {one.tenth_percentile.value:.4f}, blank {one.blank} of {one.images}"
        )
        for one in found.fidelity
    ]
    for group, figures, body in _matrices(found.rows):
        shown = Columns("", "n", *figures, title=group, title_justify="left", box=None)
        for name, count, *cells, _ in body:
            shown.add_row(name, count, *(cell.partition(" ")[0] for cell in cells))
        said += [Text(), shown]
        said += [Text(f"  {line[0]}: {line[-1]}") for line in body if line[-1] != BASELINE]
    said.append(Text())
    if found.randomisation is not None:
        said += [Text(f"randomisation, {name}: {v}") for name, v in found.randomisation.verdicts.items()]
    said += [Text(line) for line in found.notes]
    said += [Text(_not_reached(one.what, one.done, one.wanted), "yellow") for one in found.unreached]
    return Group(*said)


def _measured(found: Explanation) -> str:
    return (
        f"{found.images} images of the {found.measured_on}; network {found.network}, maps of the layer "
        f"{found.layer}; int8: {found.model}; LIME, SHAP, deletion and insertion ask {found.on}. "
        f"{found.seconds:.0f} s of at most {found.time_limit:.0f} s."
    )


def _limits(found: Explanation) -> list[str]:
    lines = [_not_reached(one.what, one.done, one.wanted) for one in found.unreached]
    lines = lines or ["All that was asked for was reached within the time limit."]
    return [*lines, *found.notes]


def _not_reached(what: str, done: int, wanted: int) -> str:
    return f"not reached in time: {what}: {done} of {wanted}"


def _fidelity(found: Explanation) -> Table | None:
    if not found.fidelity:
        return None
    return Table(
        "The device's int8 map beside float Grad-CAM of the same class: Pearson correlation of each image",
        (
            "runtime",
            "images",
            "median",
            "10th percentile",
            "blank maps",
            "blank in float",
            "median where float shows any",
            "10th percentile there",
            "same call",
        ),
        [
            (
                one.runtime,
                str(one.images),
                _number(one.median, 4),
                _number(one.tenth_percentile, 4),
                str(one.blank),
                str(one.float_blank),
                "-" if one.shown_median is None else _number(one.shown_median, 4),
                "-" if one.shown_tenth_percentile is None else _number(one.shown_tenth_percentile, 4),
                _number(one.same_call),
            )
            for one in found.fidelity
        ],
    )


def _proof(rows: Sequence[Row]) -> Iterator[tuple[str, Table, Table]]:
    caption = "Figures with 95 % intervals over photographs; n: images of the method"
    for group, figures, body in _matrices(rows):
        verdicts = [(line[0], line[-1]) for line in body if line[-1] != BASELINE]
        yield (
            group,
            Table(caption, ("method", "n", *figures), [line[:-1] for line in body]),
            Table("Beside the baselines", ("method", "verdict"), verdicts, long=True),
        )


def _matrices(rows: Sequence[Row]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Return for each kind of figure in each group: its name, its figures, and a line for each method."""
    kinds: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        kinds[row.group, _kind(row.figure)].append(row)
    for (group, kind), found in kinds.items():
        figures = list(dict.fromkeys(row.figure for row in found))
        lines = []
        for method in dict.fromkeys(row.method for row in found):
            own = {row.figure: row for row in found if row.method == method}
            cells = [_number(own[f].value) if f in own else "-" for f in figures]
            lines.append([method, str(max(row.images for row in own.values())), *cells, _verdicts(own)])
        yield f"{group}: {kind}", [f"{f} ({FIGURES[f][0]})" for f in figures], lines


def _kind(figure: str) -> str:
    if figure == CORRELATION:
        return "likeness to Grad-CAM"
    return "evidence on the cell" if figure.startswith(("energy", "pointing")) else "deletion and insertion"


def _verdicts(own: Mapping[str, Row]) -> str:
    said = {figure: row.verdict for figure, row in own.items()}
    if set(said.values()) <= {BASELINE}:
        return BASELINE
    if set(said.values()) == {WINS}:
        return WINS
    together: dict[str, list[str]] = defaultdict(list)
    for figure, one in said.items():
        together[one].append(figure)
    return " · ".join(f"{', '.join(names)}: {one}" for one, names in together.items())


def _curves(curves: Sequence[MeanCurves]) -> Markup | None:
    if not curves:
        return None
    with plots.style():
        return drawn(
            [
                plots.svg(changed(curves, "deletion"), "Mean deletion curve of each method", 2),
                plots.svg(changed(curves, "insertion"), "Mean insertion curve of each method", 3),
            ]
        )


def _randomisation(found: Randomisation) -> dict[str, object]:
    methods = list(found.steps[0].pearson)
    with plots.style():
        figure = drawn([plots.svg(randomised(found), "Correlation after each step", 1)])
    return {
        "images": found.images,
        "photographs": found.photographs,
        "drawn": figure,
        "steps": Table(
            "Pearson correlation, and in brackets its 95 % interval; Spearman's stands in the JSON file",
            ("drawn anew down to", *methods),
            [(step.layer, *(_number(step.pearson[name]) for name in methods)) for step in found.steps],
        ),
        "verdicts": Table("What follows", ("method", "verdict"), list(found.verdicts.items()), long=True),
    }


def _number(one: Estimate, digits: int = 3) -> str:
    return f"{one.value:.{digits}f} ({one.low:.{digits}f} to {one.high:.{digits}f})"
