"""Connections that stay open for a moment: the right file's, each for one at a time, and none for long."""

from __future__ import annotations

import time

import pytest
from samples import field

from edge.errors import SpecimenError
from edge.store.fields import Store
from edge.store.kept_open import KEPT_S, KeptOpen

PATIENCE_S = 30.0


@pytest.fixture
def path(tmp_path):
    with Store.open(tmp_path / "results.db") as store:
        store.ledger.start("S-1", target=100, wbc_count=None, resume=False)
        store.add(field(store.next_sequence(), specimen_id="S-1"))
    return tmp_path / "results.db"


@pytest.fixture
def kept(path):
    return KeptOpen(path, lambda: Store.open(path, one_thread=False))


def test_who_asks_again_gets_the_same_and_two_at_once_get_two(kept):
    with kept.use() as first:
        pass
    with kept.use() as again, kept.use() as other:
        assert again is first
        assert other is not first
        assert [each.specimen_id for each in other.specimens()] == ["S-1"]


def test_a_file_that_has_taken_the_name_is_the_one_that_is_read(kept, path):
    with kept.use() as store:
        assert len(store.specimens()) == 1
    path.rename(path.with_name("damaged.db"))
    Store.open(path).close()
    with kept.use() as store:
        assert store.specimens() == []


def test_after_an_error_the_next_one_is_new(kept):
    with pytest.raises(SpecimenError), kept.use() as first:
        raise SpecimenError("there is no specimen S-9")
    with kept.use() as store:
        assert store is not first
        assert len(store.specimens()) == 1


def test_what_nobody_uses_is_closed_and_the_log_of_the_database_folded_away(kept, path):
    with kept.use():
        assert path.with_name("results.db-wal").exists()
    ends = time.monotonic() + PATIENCE_S
    while path.with_name("results.db-wal").exists():
        assert time.monotonic() < ends
        time.sleep(0.05)


class Connection:
    """One that knows since when it is closed."""

    closed_at = None

    def close(self):
        assert self.closed_at is None, "closed twice"
        self.closed_at = time.monotonic()


def wait_until_closed(*connections):
    ends = time.monotonic() + PATIENCE_S
    while any(one.closed_at is None for one in connections):
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_each_is_closed_when_nobody_has_used_it_for_a_moment_and_a_fourth_one_at_once(path):
    kept = KeptOpen(path, Connection)
    with kept.use() as a, kept.use() as b, kept.use() as c, kept.use() as d:
        pass
    # They come back in turn, d first; of four, three are kept.
    assert [one.closed_at is None for one in (a, b, c, d)] == [False, True, True, True]
    wait_until_closed(b, c, d)


def test_one_that_was_used_later_is_closed_later(path):
    kept = KeptOpen(path, Connection)
    with kept.use() as first, kept.use() as second:
        used = time.monotonic()
    time.sleep(0.6 * KEPT_S)
    with kept.use() as again:
        used_again = time.monotonic()
    assert again is first
    wait_until_closed(first, second)
    assert second.closed_at - used >= KEPT_S
    assert first.closed_at - used_again >= KEPT_S
    # And the next one, after all are gone, is a new one that is closed as well.
    with kept.use() as third:
        assert third not in (first, second)
    wait_until_closed(third)


def test_what_was_open_when_another_file_took_the_name_is_closed(path):
    kept = KeptOpen(path, Connection)
    with kept.use() as old:
        pass
    path.rename(path.with_name("damaged.db"))
    Store.open(path).close()
    with kept.use() as new:
        assert new is not old
        assert old.closed_at is not None
    with pytest.raises(ZeroDivisionError), kept.use() as failed:
        1 / 0  # noqa: B018
    assert (failed is new, failed.closed_at is None) == (True, False)


def test_one_whose_file_was_exchanged_while_it_was_used_is_not_used_for_the_new_file(path):
    kept = KeptOpen(path, Connection)
    with kept.use() as old:
        path.rename(path.with_name("damaged.db"))
        Store.open(path).close()
    with kept.use() as new:
        assert new is not old
    missing = KeptOpen(path.with_name("not yet.db"), Connection)
    with missing.use() as first:
        path.with_name("not yet.db").touch()
    with missing.use() as again:
        assert again is first
