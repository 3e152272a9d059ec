"""The page's process is killed at any moment while somebody names cells: nothing is lost, nothing done twice.

Six kills, or a hundred with LEUKOSCOPE_SOAK=1 (`make soak`).
"""

from __future__ import annotations

import http.client
import os
import threading
import time

import numpy as np
from served import PEOPLE, PIN, Served
from stored import count_into, jpeg

from edge.store.fields import Store

KILLS = 100 if os.environ.get("LEUKOSCOPE_SOAK") == "1" else 6
CELLS_A_KILL = 8


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
