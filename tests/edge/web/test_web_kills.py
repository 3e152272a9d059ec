"""Page and counter are killed at any moment while somebody names cells: nothing is lost, nothing done twice.

A few kills, or a hundred with LEUKOSCOPE_SOAK=1 (`make soak`).
"""

from __future__ import annotations

import http.client
import os
import threading
import time

import cv2
import numpy as np
import pytest
from daemons import SCRIPTED, count, draw, integrity, spawn, unpaired
from mqtt_partners import free_port, wait_for
from served import PATIENCE_S, PEOPLE, PIN, Served
from stored import count_into, jpeg

from edge.store.fields import Store

SOAK = os.environ.get("LEUKOSCOPE_SOAK") == "1"
KILLS, KILLS_OF_BOTH = (100, 100) if SOAK else (6, 3)
CELLS_A_KILL = 8
PICTURES_A_KILL = 30

pytestmark = pytest.mark.timeout(3600 if SOAK else 600)


class Nurse(threading.Thread):
    """Names one cell after another; where no answer comes, looks whether it was done, as a person would."""

    def __init__(self, page, cookie, ids):
        super().__init__(daemon=True)
        self.page, self.cookie, self.ids = page, cookie, ids
        self.answered, self.unanswered = [], 0

    def run(self):
        for cell_id in self.ids:
            while cell_id not in self._named():
                revision = self._ask("GET", "/specimens/S-1").json["revision"]
                body = {"cell_ids": [cell_id], "action": "relabel", "label": "monocyte", "revision": revision}
                try:
                    answer = self.page.ask("POST", self.path("/review"), body, cookie=self.cookie)
                except (OSError, http.client.HTTPException):
                    self.unanswered += 1
                else:
                    assert answer.status == 200, answer
                    self.answered.append(cell_id)

    @staticmethod
    def path(rest):
        return f"/api/v1/specimens/S-1{rest}"

    def _named(self):
        return {each["cell_id"] for each in self._ask("GET", "/specimens/S-1/words").json}

    def _ask(self, method, path):
        while True:
            try:
                return self.page.ask(method, f"/api/v1{path}", cookie=self.cookie)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)


def test_killed_while_cells_are_named_each_is_named_once_and_has_its_picture(tmp_path):
    page = Served(tmp_path, PEOPLE)
    chance = np.random.default_rng(5)
    try:
        ids = count_into(page.store, "S-1", KILLS * CELLS_A_KILL)
        nurse = Nurse(page, page.sign_in("OPE"), ids)
        nurse.start()
        kills = 0
        while nurse.is_alive():
            time.sleep(chance.uniform(0.02, 0.25))
            if kills < KILLS:
                page.kill()
                kills += 1
                page.start()
        words = page.ask("GET", nurse.path("/words"), cookie=nurse.cookie).json
        assert kills == KILLS
        assert [each["cell_id"] for each in words] == ids, "each once, in their order"
        assert {each["operator"] for each in words} == {"OPE"}
        assert set(nurse.answered) <= set(ids)
        assert page.ask("GET", nurse.path(""), cookie=nurse.cookie).json["renamed"] == sum(
            each["model_label"] != "monocyte"
            for each in page.ask("GET", nurse.path("/cells?limit=1000"), cookie=nurse.cookie).json["cells"]
        )
        # Signed while it may be killed: a signature is whole or not there.
        signer = page.sign_in("REV")
        page.kill()
        page.start()
        body = {"pin": PIN, "reason": "a test of kills"}
        assert page.ask("POST", nurse.path("/sign"), body, cookie=signer).json["state"] == "final"
    finally:
        page.close()
    with Store.open(page.store) as store:
        kept = [store.pictures.find(each) for each in ids]
    assert all(kept)
    assert jpeg(0) in kept


class Reader(Nurse):
    """Names every cell that the counter has found, while it goes on counting; `done` ends that."""

    done = False

    def run(self):
        after, ended = 0, False
        while not ended:
            ended = self.done  # read before the last look: what was counted before it is then seen, too
            page = self._ask("GET", f"/specimens/S-1/cells?after={after}&limit=1000")
            for cell in [] if page.status == 404 else page.json["cells"]:
                self._rename(cell["cell_id"])
                after, ended = cell["sequence"], False
            time.sleep(0.02)

    def _rename(self, cell_id):
        body = {"cell_ids": [cell_id], "action": "relabel", "label": "basophil"}
        named = False
        while not named:
            try:
                answer = self.page.ask("POST", self.path("/review"), body, cookie=self.cookie)
            except (OSError, http.client.HTTPException):
                self.unanswered += 1  # it may be done, or not: looked at, as a person would
                named = cell_id in self._named()
            else:
                assert answer.status == 200, answer
                named = True
        self.answered.append(cell_id)


def draw_distinct(folder, pictures):
    """Draw smears of which no two are the same picture: a second one would count for nothing."""
    draw(folder, pictures)
    for number, path in enumerate(sorted(folder.iterdir())):
        picture = cv2.imread(str(path))
        picture[0, :16, 0] = [200 + (number >> bit & 1) for bit in range(16)]
        assert cv2.imwrite(str(path), picture)


def test_counter_and_page_killed_together_lose_nothing_and_count_nothing_twice(tmp_path):
    pictures = PICTURES_A_KILL * (KILLS_OF_BOTH + 1)
    draw_distinct(tmp_path / "images", pictures)
    page = Served(tmp_path, PEOPLE)
    counter = tmp_path / "counter.toml"
    counter.write_text(
        'device_id = "k"\n[camera]\nkind = "replay"\npaths = ["images"]\n[specimen]\nid = "S-1"\n'
        f'[store]\npath = "results.db"\n[mqtt]\nport = {free_port("127.0.0.1")}\n'
    )
    chance, reader, in_its_work = np.random.default_rng(8), None, 0
    daemon = spawn(SCRIPTED, counter, tmp_path / "daemon.log")
    try:
        reader = Reader(page, page.sign_in("OPE"), [])
        reader.start()
        for _ in range(KILLS_OF_BOTH):
            before = count(page.store)
            wait_for(
                lambda before=before: count(page.store) > before or count(page.store) == pictures,
                "the counter to go on",
                PATIENCE_S,
            )
            time.sleep(chance.uniform(0, 0.4))
            daemon.kill()
            page.kill()
            daemon.wait()
            in_its_work += before < count(page.store) < pictures
            assert integrity(page.store, tmp_path / "aside") == "ok"
            assert unpaired(tmp_path / "aside", page.store.name) == [0, 0, 0]
            page.start()  # first: counting is to go on while cells are named
            daemon = spawn(SCRIPTED, counter, tmp_path / "daemon.log")
        wait_for(lambda: count(page.store) == pictures, "all pictures to be counted", PATIENCE_S)
        reader.done = True
        while reader.is_alive():  # a hundred kills leave thousands of cells to be named
            named = len(reader.answered)
            reader.join(PATIENCE_S)
            assert not reader.is_alive() or len(reader.answered) > named, "no cell is named any more"
        words = page.ask("GET", reader.path("/words"), cookie=reader.cookie).json
        found = page.ask("GET", reader.path(""), cookie=reader.cookie).json
    finally:
        if reader is not None:
            reader.done = True
        daemon.kill()
        daemon.wait()
        page.close()
    with Store.open(page.store) as store:
        fields = list(store.fields("S-1"))
        cells = [each.cell_id for field in fields for each in field.cells]
        assert len({field.source for field in fields}) == len(fields) == pictures
        assert all(store.pictures.find(each) for each in cells)
    assert len(set(cells)) == len(cells) == found["counted"]
    assert [each["cell_id"] for each in words] == cells, "each named once, in their order"
    assert found["reviewed"] == len(cells)
    assert in_its_work >= KILLS_OF_BOTH // 3
    assert not list(tmp_path.glob("*damaged*"))
