"""What `explain` found, as it goes into its JSON file and onto its page."""

from __future__ import annotations

from msgspec import Struct

from trainer.evaluation.metrics import Estimate  # noqa: TC001 (msgspec reads annotations at run time)

SCHEMA = "leukoscope.explanation/1"


class Unreached(Struct, frozen=True):
    """What the time limit cut short: what, how much of it was done, and of how much."""

    what: str
    done: int
    wanted: int


class Fidelity(Struct, frozen=True):
    """The int8 file's maps of the called class beside float Grad-CAM of the same class, on one runtime.

    median, tenth_percentile: of each image's Pearson correlation; a blank map's counts as 0, also where both
    are. shown_median, shown_tenth_percentile: of the images alone whose float map is not blank; None where
    there are none. blank, float_blank: images whose map is the same everywhere, in int8 and in float.
    same_call: share of images that int8 and float call the same.
    """

    runtime: str
    images: int
    photographs: int
    median: Estimate
    tenth_percentile: Estimate
    shown_median: Estimate | None
    shown_tenth_percentile: Estimate | None
    blank: int
    float_blank: int
    same_call: Estimate


class Against(Struct, frozen=True):
    """A method against one baseline on the same images: the mean of the paired differences.

    Positive where the method is better, whichever way the figure goes.
    """

    baseline: str
    better_by: Estimate


class Row(Struct, frozen=True):
    """One figure of one method on one group of images.

    statistic: "median" or "mean" of the images' figures. against: empty for a baseline. verdict: in words,
    made from `against` alone.
    """

    group: str
    figure: str
    method: str
    images: int
    photographs: int
    statistic: str
    value: Estimate
    against: tuple[Against, ...]
    verdict: str


class Step(Struct, frozen=True):
    """Weights drawn anew from the head down to this layer: how like the first map is what remains.

    pearson, spearman: method -> mean correlation over the images.
    """

    layer: str
    pearson: dict[str, Estimate]
    spearman: dict[str, Estimate]


class Randomisation(Struct, frozen=True):
    """Parameter randomisation, cascading from the head down (Adebayo et al. 2018).

    verdicts: method -> in words, made from the steps' figures.
    """

    images: int
    photographs: int
    steps: tuple[Step, ...]
    verdicts: dict[str, str]


class Cost(Struct, frozen=True):
    """How long a method took, seconds an image in the mean, over so many images, on this machine."""

    method: str
    images: int
    seconds: float


class MeanCurves(Struct, frozen=True):
    """The called class's probability while the highest places go, and while they come: the mean of cells.

    deletion, insertion: from no place changed to all of them, in equal steps.
    """

    method: str
    images: int
    deletion: tuple[float, ...]
    insertion: tuple[float, ...]


class Picture(Struct, frozen=True):
    """One picture of the galleries: its title, its file, and in words what it shows."""

    title: str
    file: str
    says: str


class Explanation(Struct, frozen=True):
    """All that the page shows.

    measured_on: what was held out. model: where the int8 file is from. on: arithmetic that LIME, SHAP,
    deletion and insertion asked. layer: whose activation the maps are of. notes: what could not be done.
    blank: method -> held-out cells for whose call its map shows nothing anywhere, and of how many.
    """

    schema: str
    recipe: str
    network: str
    classes: tuple[str, ...]
    layer: str
    measured_on: str
    model: str
    on: str
    images: int
    time_limit: float
    seconds: float
    bootstrap_draws: int
    unreached: tuple[Unreached, ...]
    notes: tuple[str, ...]
    blank: dict[str, tuple[int, int]]
    fidelity: tuple[Fidelity, ...]
    rows: tuple[Row, ...]
    curves: tuple[MeanCurves, ...]
    randomisation: Randomisation | None
    costs: tuple[Cost, ...]
    pictures: tuple[Picture, ...]
