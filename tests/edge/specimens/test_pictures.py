"""The picture of each cell: stored by a run with its field, kept as long as is set, saved from damage."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from daemons import changed, run
from samples import cell, field

from edge import identity
from edge.config import LEAST_MAX_MB, StoreConfig
from edge.daemon.housekeeping import Housekeeping
from edge.drawing.cell_picture import cell_picture
from edge.drawing.cell_window import PICTURE_SIDE, cell_window
from edge.store.fields import Store
from edge.store.pictures import CellPicture
from edge.store.recovery import repair_if_damaged


def filled(path: Path, fields: int, size: int = 4000) -> list[str]:
    """Store fields of one cell each, with its picture; give the cells' ids."""
    noise = np.random.default_rng(1)
    cells = [cell() for _ in range(fields)]
    with Store.open(path, durable=False) as store:
        store.start_specimen("S")
        for number, one in enumerate(cells, 1):
            picture = b"\xff\xd8" + one.cell_id.encode() + noise.bytes(size)
            assert store.add(
                field(number, one), f"{number}.png", pictures=[CellPicture(one.cell_id, picture)]
            )
    return [one.cell_id for one in cells]


def kept(path: Path) -> dict[str, bytes]:
    with Store.open(path) as store:
        return {name: store.pictures.find(name) or b"" for name in sorted(store.pictures.known("S"))}


@pytest.mark.parametrize("days", [30.0, 0.0])
def test_a_run_keeps_a_picture_of_each_cell_unless_none_is_wanted(config, days):
    config = changed(config, "store", pictures_days=days)
    run(changed(config, "mqtt", drain_s=0.0))
    with Store.open(Path(config.store.path)) as store:
        cells = {one.cell_id for each in store.fields("S") for one in each.cells}
    pictures = kept(Path(config.store.path))
    assert len(cells) == 12
    assert set(pictures) == (cells if days else set())
    for jpeg in pictures.values():
        shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert shown.shape == (PICTURE_SIDE, PICTURE_SIDE, 3)


def test_the_picture_shows_the_cell_in_the_middle_in_its_colours():
    frame = np.full((480, 640, 3), (230, 220, 235), np.uint8)
    cv2.circle(frame, (300, 200), 20, (120, 30, 140), -1)
    box = (280, 180, 41, 41)
    x, y, side, _ = cell_window(box, 0.3)
    assert side == 100, "30 micrometres"
    assert (x + side / 2, y + side / 2) == pytest.approx((300.5, 200.5), abs=1)
    shown = cv2.imdecode(np.frombuffer(cell_picture(frame, box, 0.3), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert shown[80, 80] == pytest.approx((120, 30, 140), abs=12)
    assert shown[8, 8] == pytest.approx((230, 220, 235), abs=12)
    assert (np.abs(shown.astype(int) - (120, 30, 140)).sum(2) < 60).sum() == pytest.approx(
        3.1416 * (20 * 1.6) ** 2, rel=0.1
    )


@pytest.mark.parametrize("box", [(0, 0, 30, 30), (620, 470, 20, 10), (-3, 200, 30, 40), (0, 0, 640, 480)])
@pytest.mark.parametrize("ruler", [None, 0.01, 0.3, 10.0])
def test_a_cell_at_the_edge_has_a_picture_too(box, ruler):
    frame = np.full((480, 640, 3), 200, np.uint8)
    shown = cv2.imdecode(np.frombuffer(cell_picture(frame, box, ruler), np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (PICTURE_SIDE, PICTURE_SIDE, 3)


def test_pictures_go_after_their_days_which_begin_with_a_clock_that_is_set(tmp_path, monkeypatch):
    path = tmp_path / "results.db"
    monkeypatch.setattr(identity, "clock_synced", lambda: False)
    ids = filled(path, 3)
    monkeypatch.setattr(identity, "clock_synced", lambda: True)
    began = identity.now()
    with Store.open(path) as store:
        assert store.pictures.prune(7) == 0, "they begin to age now"
        monkeypatch.setattr(identity, "now", lambda: began + timedelta(days=6))
        assert store.pictures.prune(7) == 0
        monkeypatch.setattr(identity, "now", lambda: began + timedelta(days=8))
        assert store.pictures.prune(7) == 3
        assert list(store.fields("S")), "the cells stay"
        assert store.pictures.find(ids[0]) is None


def test_pictures_go_before_results_where_the_store_is_full(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    path = tmp_path / "results.db"
    ids = filled(path, 300)
    with Store.open(path, durable=False) as store:
        housekeeping = Housekeeping(StoreConfig(str(path), max_mb=LEAST_MAX_MB), store)
        assert housekeeping.tidy() is None
        assert store.upkeep.used_bytes() <= 1e6 * LEAST_MAX_MB
        assert len(list(store.fields("S"))) == 300
        known = store.pictures.known("S")
        assert 0 < len(known) < 300
        assert known == set(ids[-len(known) :]), "the oldest go"
    assert "pictures of cells are dropped" in caplog.text


def test_pictures_go_before_results_also_where_a_slow_card_has_no_time_for_all_of_them(tmp_path, monkeypatch):
    path = tmp_path / "results.db"
    filled(path, 300)
    monkeypatch.setattr("edge.daemon.housekeeping._WORK_S", 0.0)
    with Store.open(path, durable=False) as store:
        store.mark_delivered([each.field_id for each in store.fields("S")])
        housekeeping = Housekeeping(StoreConfig(str(path), max_mb=LEAST_MAX_MB), store)
        calls = 0
        while store.upkeep.used_bytes() > 1e6 * LEAST_MAX_MB:
            assert housekeeping.tidy() is None
            calls += 1
            assert len(list(store.fields("S"))) == 300
        assert calls > 1
        assert store.pictures.known("S")


def test_pictures_go_with_their_cells(tmp_path):
    path = tmp_path / "results.db"
    ids = filled(path, 2)
    with Store.open(path) as store:
        first = next(store.fields("S"))
        store.mark_delivered([first.field_id])
        store.upkeep.drop_oldest_delivered(1)
        assert store.pictures.known("S") == {ids[1]}


def test_what_can_be_read_of_a_damaged_store_keeps_its_pictures(tmp_path):
    path = tmp_path / "results.db"
    filled(path, 60)
    before = kept(path)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 3 * 4096)
    assert repair_if_damaged(path) is not None
    after = kept(path)
    assert len(after) >= 40, "a few pages of it were lost"
    for name, picture in after.items():
        assert picture == before[name] or b"\xa5" * 64 in picture
