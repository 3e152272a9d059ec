"""Adapting this device's model to the cells that people have named, for the command line and the page."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from edge.adaptation.adapting import AdaptationError
from edge.adaptation.labelled_cells import LabelledCellsError
from edge.adaptation.progress import no_report
from edge.errors import LeukoscopeError
from edge.specimens.named_cells import read_named
from edge.specimens.records import AdaptationState
from edge.specimens.sources import is_simulated
from edge.store.database import expect_store
from edge.store.fields import Store
from edge.updates.adapting_here import adapt_here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.adaptation.adapting import Adapted
    from edge.adaptation.labelled_cells import LabelledCells
    from edge.adaptation.progress import Report
    from edge.config import Config
    from edge.naming.classifier import Classifier


class BusyError(LeukoscopeError):
    """An adaptation is under way already."""


def adapt_to_named(config: Config, specimen_ids: Sequence[str] = (), report: Report = no_report) -> Adapted:
    """Adapt this device's model to the cells that people have named; it answers from the next field on.

    specimen_ids: to the cells of these only. Raises LeukoscopeError, and then nothing is changed.
    """
    path = Path(config.store.path)

    def read(parent: Classifier) -> LabelledCells:
        expect_store(path)
        with Store.open(path) as store:
            return read_named(store, parent, specimen_ids, simulated=is_simulated(config), report=report)

    return adapt_here(config, read, report)


class AdaptationJob:
    """At most one adaptation at a time, in a thread of its own. All methods may be called from any thread."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._state = AdaptationState()

    @property
    def state(self) -> AdaptationState:
        """How far it has come, or what came of the last one."""
        return self._state

    def start(self, specimen_ids: Sequence[str] = ()) -> threading.Thread:
        """Begin to adapt to the named cells of these specimens, by default of all. Raises BusyError."""
        with self._lock:
            if self._state.state == "running":
                raise BusyError("the model is being adapted already; wait until that is done")
            self._state = AdaptationState(state="running", doing="reading the named cells")
        thread = threading.Thread(target=self._run, args=(tuple(specimen_ids),), name="adapting", daemon=True)
        thread.start()
        return thread

    def _run(self, specimen_ids: Sequence[str]) -> None:
        try:
            self._state = _came_of(adapt_to_named(self._config, specimen_ids, self._report))
        except (AdaptationError, LabelledCellsError) as error:
            self._state = AdaptationState(state="refused", sentence=_sentence(error), remarks=error.remarks)
        except LeukoscopeError as error:
            self._state = AdaptationState(state="refused", sentence=_sentence(error))
        except BaseException:
            self._state = AdaptationState(state="refused", sentence="adapting has failed; the log says why")
            raise

    def _report(self, doing: str, done: int, total: int) -> None:
        self._state = AdaptationState(state="running", doing=doing, done=done, total=total)


def _came_of(made: Adapted) -> AdaptationState:
    return AdaptationState(
        state="done",
        done=1,
        total=1,
        sentence=f"named cells held back: {made.before.spoken()} before, {made.after.spoken()} after",
        cells=made.record["cells"],
        before=made.before.macro_recall,
        after=made.after.macro_recall,
        model=made.description.name,
        sha256=made.sha256,
        remarks=made.remarks,
    )


def _sentence(error: LeukoscopeError) -> str:
    return " ".join(str(error).split())
