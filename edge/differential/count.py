"""The differential: counts, percentages with their intervals, and when there are enough. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from edge.differential.familiarity import Signs, judge_each
from edge.differential.flags import BLAST_LIKE, UNCLASSIFIED, flags_of
from edge.differential.intervals import METHODS
from edge.differential.method import CountingMethod
from edge.differential.review import ReviewedCell, agreement, changes
from edge.labels import NORMAL_CLASSES, OTHER
from edge.messages import Differential, FieldResult, ModelReference
from edge.messages.differential import Absolute, ClassCount, Correction, Share, SpecimenStatus, State
from edge.slide.contribution import UNSTEADY, Contribution, likeness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from edge.differential.correction import Corrector
    from edge.messages.differential import Familiarity, Flag
    from edge.models.known import KnownMicroscopes

DENOMINATOR = "whole white cells that a person named, or the model named and did not refuse"
BY_INTERVALS = "every interval is at most"
"""How a stop reason begins that is none of a target."""

INCLUDING = ", wherever the refused cells belong"


def contribution_of(field: FieldResult) -> Contribution:
    """Sort a field's cells. Of a field that is not worth analysing, none counts.

    A cell cut by the frame's edge is incomplete whatever else it is: its other half is in another field.
    """
    if not field.quality.accepted:
        return Contribution(accepted=False, counted={}, unclassified={}, incomplete=0, model=field.model)
    whole = [cell for cell in field.cells if not cell.cut_by_edge]
    return Contribution(
        accepted=True,
        counted=dict(Counter(cell.label for cell in whole if cell.rejected is None)),
        unclassified=dict(Counter(cell.rejected for cell in whole if cell.rejected is not None)),
        incomplete=len(field.cells) - len(whole),
        model=field.model,
        likeness=likeness(whole),
    )


class SpecimenCount:
    """The running count of one specimen.

    labels: the classes of the model, in its order; a class that only earlier fields know comes behind them.
    target: how many counted cells are wanted. known_by: what a model knows that has called some of the cells;
    None: all know what `method` says.
    """

    def __init__(
        self,
        specimen_id: str,
        labels: Iterable[str],
        target: int,
        method: CountingMethod = CountingMethod(),  # noqa: B008 (it is immutable)
        known_by: Callable[[ModelReference], KnownMicroscopes | None] | None = None,
    ) -> None:
        self.specimen_id = specimen_id
        self._labels = tuple(labels)
        self._target = target
        self._method = method
        self._fields = self._refused = 0
        self._incomplete = 0
        self._counts_added: Counter[str] = Counter()
        self._models: dict[ModelReference, None] = {}
        self._unclassified_added: Counter[str] = Counter()
        self._known_by = known_by or (lambda _: method.known)
        self._signs: dict[ModelReference | None, Signs] = {}
        self._familiar: tuple[int, Familiarity] | None = None  # of so many cells: many ask for it
        self._reviewed: tuple[ReviewedCell, ...] = ()
        self._change = changes(())

    @property
    def _counts(self) -> Counter[str]:
        # Without what came to nothing, or to less: where a damaged store has lost what is taken back.
        by_model = Counter(self._counts_added)
        by_model.update(self._change.counted)
        return +by_model

    @property
    def _unclassified(self) -> Counter[str]:
        by_model = Counter(self._unclassified_added)
        by_model.update(self._change.unclassified)
        return +by_model

    @property
    def counted(self) -> int:
        """Cells that the percentages rest on."""
        return self._counts.total()

    def add(self, contribution: Contribution) -> None:
        """Count a field. That it is counted once is up to the store, which keeps it once."""
        self._fields += contribution.fields
        self._refused += 0 if contribution.accepted else contribution.fields
        self._incomplete += contribution.incomplete
        self._counts_added.update(contribution.counted)
        self._unclassified_added.update(contribution.unclassified)
        if contribution.likeness:
            self._signs_of(contribution.model).add(contribution.likeness)
        if contribution.model is not None:
            self._models.pop(contribution.model, None)
            self._models[contribution.model] = None

    def review(self, cells: Iterable[ReviewedCell]) -> None:
        """Count these cells as people have named them, and all others as the model did."""
        self._reviewed = tuple(cells)
        self._change = changes(self._reviewed)

    @property
    def models(self) -> tuple[ModelReference, ...]:
        """The models that called its cells, the latest last, as far as that was noted."""
        return tuple(self._models)

    def by(self, method: CountingMethod, labels: Iterable[str]) -> None:
        """Make figures by this method, with these classes first: those of the model that called the cells."""
        self._method, self._labels = method, tuple(labels)

    def familiar(self, why_not: str | None = None) -> Familiarity:
        """Say whether its cells are like those that the model knows which called them.

        why_not: why nothing is told where they are not unlike these, or None.
        """
        # In an order that is the same whichever field came first: old ones are summed up.
        models = sorted(self._signs, key=lambda one: (-self._signs[one].cells, one.sha256 if one else ""))
        signs = tuple(self._signs[one] for one in models) or (Signs(self._method.known),)
        if why_not is not None:
            return judge_each(signs, why_not)
        cells = sum(one.cells for one in signs)
        if self._familiar is None or self._familiar[0] != cells:
            self._familiar = cells, judge_each(signs)
        return self._familiar[1]

    def _signs_of(self, model: ModelReference | None) -> Signs:
        if model not in self._signs:
            self._signs[model] = Signs(self._method.known if model is None else self._known_by(model))
        return self._signs[model]

    def stop_reason(self) -> str | None:
        """Say why no more cells are needed, or None: of cells that the model does not know, never."""
        if self.familiar().verdict == "unfamiliar":
            return None
        if self.counted >= self._target:
            return f"the target of {self._target} cells is reached"
        widest = self._method.max_interval_width if self.counted else 0.0  # nothing counted is never enough
        excluded = self._excluded(self.familiar())
        if widest and all(share.high - share.low <= widest for share in self._shares(excluded).values()):
            return f"{BY_INTERVALS} {widest:g} percent points wide"
        return None

    def differential(
        self,
        *,
        device_id: str,
        model: ModelReference,
        updated_at: datetime,
        clock_synced: bool,
        state: State | None = None,
        status: SpecimenStatus = SpecimenStatus(),  # noqa: B008 (it is immutable)
        uncorrected: str | None = None,
    ) -> Differential:
        """Return the message. `state`, or else `status`'s: what is known beyond the count.

        uncorrected: why the model's confusion matrix does not hold for these cells, or None.
        """
        known = {label.casefold() for label in self._labels}
        familiar = self.familiar(uncorrected)
        excluded = self._excluded(familiar)
        shares, stop_reason = self._shares(excluded), self.stop_reason()
        corrector, correction = self._method.corrector, self._method.correction
        if familiar.verdict in {"doubtful", "unfamiliar"}:
            corrector, correction = None, Correction(None, reason=f"the microscope is {familiar.verdict}")
        if uncorrected is not None:
            corrector, correction = None, Correction(None, reason=uncorrected)
        corrected = corrector and self._corrected(corrector)
        if corrector is not None and not corrected:
            correction = Correction(None, correction.on, self._why_uncorrected())
        absolutes = {
            label: Absolute(
                *(round(value * status.wbc_count / 100, 3) for value in (s.percent, s.low, s.high))
            )
            for label, s in shares.items()
            if status.wbc_count is not None and self.counted
        }
        return Differential(
            specimen_id=self.specimen_id,
            specimen_uuid=status.specimen_uuid,
            revision=status.revision,
            device_id=device_id,
            state=state or status.state or ("preliminary" if stop_reason else "running"),
            updated_at=updated_at,
            clock_synced=clock_synced,
            simulated=status.simulated,
            started_at=status.started_at,
            stopped_at=status.stopped_at,
            ended=status.ended,
            familiar=familiar,
            target=self._target,
            stop_reason=stop_reason,
            fields=self._fields,
            fields_refused=self._refused,
            counted=self.counted,
            denominator=DENOMINATOR,
            unclassified=dict(sorted(self._unclassified.items())),
            incomplete=max(0, self._incomplete),
            reviewed=len(self._reviewed),
            renamed=sum(not cell.agrees for cell in self._reviewed),
            excluded=dict(sorted(self._change.excluded.items())),
            reviewers=tuple(sorted({cell.operator for cell in self._reviewed})),
            agreement=agreement(self._reviewed),
            classes=tuple(
                ClassCount(
                    label,
                    self._counts[label],
                    self._known(share.percent),
                    self._known(share.low),
                    self._known(share.high),
                    corrected=(corrected or {}).get(label),
                    absolute=absolutes.get(label),
                )
                for label, share in shares.items()
            ),
            not_assessed=tuple(
                name for name in NORMAL_CLASSES if name not in known and not self._counts[name]
            ),
            interval=METHODS[self._method.interval][0] + INCLUDING * bool(excluded),
            correction=correction,
            wbc_count=status.wbc_count,
            flags=self._flags(shares, absolutes),
            signature=status.signature,
            changes=status.changes,
            discarded=status.discarded,
            model=model,
        )

    def _corrected(self, corrector: Corrector) -> dict[str, Share] | None:
        from edge.differential.correction import Named  # noqa: PLC0415 (it brings numpy)

        named, unnamed = self._change.named, self._counts - self._change.named
        now, before = self._unclassified, self._unclassified_added
        refused = _refused(before)
        looked_at = max(0.0, 1 - _refused(now) / refused) if refused else 0.0
        said = Named(named, self._counts_added - unnamed, max(0, before[OTHER] - now[OTHER]), looked_at)
        return corrector.shares(unnamed, now[OTHER], said)

    def _why_uncorrected(self) -> str:
        if not self.counted:
            return "no cell is counted yet"
        if not self._counts - self._change.named:
            return "people have named every cell"
        return "a class of an earlier model was counted"

    def _excluded(self, familiar: Familiarity) -> int:
        """Count the refused cells, each of which may be of any class, where that has to be reckoned with."""
        if familiar.verdict not in {"doubtful", "unfamiliar"}:
            return 0
        return self._refused_cells()

    def _refused_cells(self) -> int:
        """Count the white cells that were refused. What half of its fields do not show is no white cell."""
        return _refused(self._unclassified) + self._unclassified[OTHER]

    def _shares(self, excluded: int = 0) -> dict[str, Share]:
        """Return each class's percentage of the counted cells with its interval, not rounded.

        excluded: cells that were refused; the interval holds wherever these may belong.
        """
        counts = self._counts
        labels = (*self._labels, *sorted(set(counts) - set(self._labels)))
        return {label: self._share(counts[label], counts.total(), excluded) for label in labels}

    def _known(self, figure: float) -> float | None:
        """Return a figure as it is published: of no cells nothing is known."""
        return round(figure, 2) if self.counted else None

    def _share(self, count: int, total: int, excluded: int = 0) -> Share:
        interval = METHODS[self._method.interval][1]
        low, high = interval(count, total + excluded)[0], interval(count + excluded, total + excluded)[1]
        return Share(100 * count / total if total else 0.0, low, high)

    def _flags(self, shares: dict[str, Share], absolutes: dict[str, Absolute]) -> tuple[Flag, ...]:
        counted, excluded = self.counted, self._refused_cells()
        unnamed = {
            UNCLASSIFIED: self._share(excluded, counted + excluded),
            BLAST_LIKE: self._share(self._unclassified[OTHER], counted + excluded),
        }
        return flags_of(shares, absolutes, unnamed, counted=counted, white=counted + excluded)


def _refused(reasons: Counter[str]) -> int:
    """Count the white cells that the model could not name: neither `other`, nor seen in too few fields."""
    return sum(count for reason, count in reasons.items() if reason not in {UNSTEADY, OTHER})
