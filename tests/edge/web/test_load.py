"""Many requests of a gallery for a while: each is answered, and the process grows no further.

For two seconds, or for a minute with LEUKOSCOPE_SOAK=1 (`make soak`).
"""

from __future__ import annotations

import http.client
import os
import threading
import time
from contextlib import closing

from served import PATIENCE_S
from stored import count_into

SOAK = os.environ.get("LEUKOSCOPE_SOAK") == "1"
LASTS_S = 60.0 if SOAK else 2.0
AT_ONCE = 4
MOST_A_SECOND = 400 / AT_ONCE  # of each: of more than 500 from one address the page tells some to wait
MOST_GROWTH_MB = 8


class Looker(threading.Thread):
    """Asks for a gallery's page and pictures again and again, on one connection."""

    def __init__(self, page, cookie, ids):
        super().__init__(daemon=True)
        self.page, self.cookie, self.paths = page, cookie, ["/specimens/L-1", "/api/v1/specimens/L-1/cells"]
        self.paths += [f"/api/v1/cells/{cell_id}/picture.jpg" for cell_id in ids]
        self.statuses = []

    def run(self):
        begins, number = time.monotonic(), 0
        ends = begins + LASTS_S
        with closing(http.client.HTTPConnection("127.0.0.1", self.page.port, timeout=PATIENCE_S)) as asked:
            while time.monotonic() < ends:
                asked.request("GET", self.paths[number % len(self.paths)], headers={"Cookie": self.cookie})
                found = asked.getresponse()
                found.read()
                self.statuses.append(found.status)
                number += 1
                time.sleep(max(0.0, begins + number / MOST_A_SECOND - time.monotonic()))


def test_none_is_lost_while_many_look_on(page, cookies):
    ids = count_into(page.store, "L-1", 8)
    cookie = f"leukoscope={cookies['OPE']}"
    page.ask("GET", "/specimens/L-1", cookie=cookies["OPE"])
    before = page.memory_mb()
    lookers = [Looker(page, cookie, ids) for _ in range(AT_ONCE)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join(LASTS_S + PATIENCE_S)
    statuses = [status for looker in lookers for status in looker.statuses]
    assert len(statuses) > AT_ONCE * LASTS_S
    assert set(statuses) == {200}
    assert not any(looker.is_alive() for looker in lookers)
    assert page.memory_mb() - before < MOST_GROWTH_MB
    if SOAK:
        print(f"{len(statuses)} requests in {LASTS_S:.0f} s, none lost")  # noqa: T201
