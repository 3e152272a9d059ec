"""Connections that stay open for a moment: the right file's, each for one at a time, and none for long."""

from __future__ import annotations

import time

import pytest
from samples import field

from edge.errors import SpecimenError
from edge.store.fields import Store
from edge.store.kept_open import KeptOpen

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
