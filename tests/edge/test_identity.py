from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime

from edge import identity


def test_ids_are_version_7_and_carry_the_time():
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(identity.new_id())
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000 + 1


def test_ids_rise_within_a_millisecond_and_when_the_clock_steps_back(monkeypatch):
    ids = [identity.new_id() for _ in range(2000)]
    yesterday = time.time_ns() - 86_400 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: yesterday)
    ids += [identity.new_id() for _ in range(2000)]
    assert ids == sorted(set(ids))


def test_ids_of_several_threads_are_unique():
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.extend(identity.new_id() for _ in range(2000))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(set(ids)) == 8000


def test_a_clock_before_the_program_was_written_is_not_synced(monkeypatch):
    monkeypatch.setattr(identity, "now", lambda: datetime(1970, 1, 1, tzinfo=UTC))
    assert identity.clock_synced() is False


def test_the_boot_id_stays_the_same():
    assert identity.boot_id() == identity.boot_id()
