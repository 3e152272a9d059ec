"""A slide pushed by hand under the daemon, and what came of it, beside what is known of the slide's cells."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from edge.config import Config, MqttConfig, SpecimenConfig, StoreConfig
from edge.daemon.process import UNDELIVERED, Daemon
from edge.labels import OTHER
from edge.slide.places import Joined, Place
from edge.slide.sightings import DistinctCells
from edge.store.fields import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from edge.cameras import Camera
    from edge.config import CameraConfig
    from edge.messages import Cell, FieldResult

    Box = tuple[float, float, float, float]
    Corner = Callable[[str], tuple[float, float]]


class Known(NamedTuple):
    """A white cell of the slide and its box, pixels of the frame."""

    label: str
    box: Box

    def is_same(self, x: float, y: float, width: float, height: float) -> bool:
        """Tell whether a box is this cell's: their middles are no further apart than half of the cell."""
        left, top, across, down = self.box
        apart = math.hypot(x + width / 2 - left - across / 2, y + height / 2 - top - down / 2)
        return apart < max(across, down) / 2


class Counted(NamedTuple):
    """What the daemon made of a slide.

    labels, refused: its count, by class, and by reason. times: how often each known white cell is among the
    distinct cells. strangers: what it took for a white cell where nothing is known. called: the call of each
    known cell in its best-focused whole view, by the places known, not registered.
    """

    fields: tuple[FieldResult, ...]
    labels: Counter[str]
    refused: Counter[str]
    times: list[int]
    strangers: int
    called: list[Cell | None]

    @property
    def white_cells(self) -> int:
        """All that it counted or refused to name, but what it rightly took for something else."""
        return sum(self.times) + self.strangers

    @property
    def expected(self) -> Counter[str]:
        """What the classes add up to where every known cell is called once, by its best view."""
        return Counter(cell.label for cell in self.called if cell is not None and cell.rejected is None)

    def furthest_off(self) -> int:
        expected = self.expected
        return max(abs(self.labels[name] - expected[name]) for name in self.labels | expected)


def count_by_daemon(
    folder: Path, source: CameraConfig, camera: Camera, cells: Iterable[Known], corner: Corner
) -> Counted:
    """Let the daemon count a camera's slide, with the model that ships; nobody listens."""
    config = Config(
        source,
        device_id="test-1",
        specimen=SpecimenConfig(id="S", registration="on", target=10_000),
        store=StoreConfig(str(folder / "results.db")),
        mqtt=MqttConfig(host="127.0.0.1", port=1, drain_s=0),
    )
    daemon = Daemon(config, camera=lambda _: camera)
    if hasattr(camera, "interrupted"):
        camera.interrupted = daemon.stop
    assert daemon.run() == UNDELIVERED
    return judged(folder, cells, corner)


def judged(folder: Path, cells: Iterable[Known], corner: Corner) -> Counted:
    """Return what is stored of a slide, beside what is known of it."""
    labels: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    with Store.open(folder / "results.db") as store:
        fields = tuple(store.fields("S"))
        for _, contribution in store.contributions("S"):
            labels.update(contribution.counted)
            refused.update(contribution.unclassified)
    known = list(cells)
    times, strangers = [0] * len(known), 0
    distinct = _distinct(fields)
    told = distinct.contribution()
    # What a dashboard makes of the fields is what the daemon counted.
    assert (+labels, +refused) == (Counter(told.counted), Counter(told.unclassified))
    origins = _origins(fields, corner)
    for sighting in distinct.white_cells:
        x, y, width, height = sighting.box
        left, top = origins[sighting.region]
        box = (left + x, top + y, width, height)
        here = [index for index, cell in enumerate(known) if cell.is_same(*box)]
        strangers += not here and sighting.cell.rejected != OTHER
        for index in here[:1]:
            times[index] += 1
    corners = [corner(field.source) for field in fields]
    called = [_best_call(cell, fields, corners) for cell in known]
    return Counted(fields, +labels, +refused, times, strangers, called)


def _distinct(fields: Iterable[FieldResult]) -> DistinctCells:
    distinct = DistinctCells()
    for field in fields:
        place = field.position
        if place is None:
            continue
        if place.merged is not None:
            merged = place.merged
            distinct.join(Joined(merged.region, place.region, merged.x, merged.y))
        size = field.width, field.height
        distinct.add(Place(place.region, place.x, place.y), field.cells, field.quality.focus, size)
    return distinct


def _origins(fields: Iterable[FieldResult], corner: Corner) -> dict[int, tuple[float, float]]:
    """Return where each region's origin truly lies, in the middle of what its fields say."""
    apart: dict[int, list[tuple[float, float]]] = {}
    for field in fields:
        if field.position is not None:
            x, y = corner(field.source)
            apart.setdefault(field.position.region, []).append((x - field.position.x, y - field.position.y))
    return {
        region: (sorted(x for x, _ in all_)[len(all_) // 2], sorted(y for _, y in all_)[len(all_) // 2])
        for region, all_ in apart.items()
    }


def _best_call(
    known: Known, fields: Iterable[FieldResult], corners: Iterable[tuple[float, float]]
) -> Cell | None:
    """Return what is found at a known place, in the sharpest of the counted fields that have it whole."""
    best, sharpest = None, -math.inf
    for field, (x, y) in zip(fields, corners, strict=True):
        if field.position is None or field.quality.focus <= sharpest:
            continue
        for cell in field.cells:
            left, top, width, height = cell.box
            if not cell.cut_by_edge and known.is_same(x + left, y + top, width, height):
                best, sharpest = cell, field.quality.focus
    return best
