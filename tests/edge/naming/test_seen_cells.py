"""Which cells a model has seen: a hash that knows a crop again, however it lies."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.naming.seen_cells import HASH_BYTES, MAX_HASHES, hash_crops, pack, seen_before, unpack


def crop(seed):
    """Return squares of colour, uint8 (120, 120, 3), that look like nothing else."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return np.kron(coarse, np.ones((15, 15, 1), np.uint8))


def changed(packed, bits):
    """Return a hash with its first bits turned."""
    flat = np.unpackbits(np.frombuffer(packed, np.uint8))
    flat[:bits] ^= 1
    return np.packbits(flat).tobytes()


def test_the_hash_stays_what_it_is_for_the_bundles_that_are_out():
    assert [each.tobytes().hex() for each in hash_crops([crop(1), crop(2)])] == [
        "19cfe0b170744f9413da7fea58e00e50",
        "7a99171a0eb72a4ae793471b95b74404",
    ]
    assert hash_crops([]).shape == (0, HASH_BYTES)


def test_a_cell_is_known_again_turned_and_mirrored_and_brighter_and_others_are_not():
    seen = pack(hash_crops([crop(seed) for seed in range(8)]))
    again = crop(5)
    turned = [np.rot90(side, quarter) for side in (again, again[:, ::-1]) for quarter in range(4)]
    assert seen_before(turned, seen).tolist() == [True] * 8
    brighter = cv2.convertScaleAbs(again, alpha=0.8, beta=40)
    assert seen_before([crop(20), brighter, crop(21)], seen).tolist() == [False, True, False]


def test_twelve_bits_may_differ_and_not_thirteen():
    exactly = pack(hash_crops([crop(3)]))
    assert seen_before([crop(3)], changed(exactly, 12)).tolist() == [True]
    assert seen_before([crop(3)], changed(exactly, 13)).tolist() == [False]


def test_the_first_are_all_kept_and_of_the_others_evenly_many():
    hashes = np.arange((MAX_HASHES + 3000) * HASH_BYTES, dtype=np.uint32).astype(np.uint8)
    hashes = hashes.reshape(-1, HASH_BYTES)
    hashes[:, :2] = np.arange(len(hashes), dtype="<u2").view(np.uint8).reshape(-1, 2)
    kept = unpack(pack(hashes, first=1000))
    numbers = np.ascontiguousarray(kept[:, :2]).view("<u2").ravel().astype(int)
    assert len(numbers) == MAX_HASHES
    assert numbers[:1000].tolist() == list(range(1000))
    # 8,000 for 5,000 places: every one or two.
    assert numbers[1000] == 1000
    assert set(np.diff(numbers[1000:]).tolist()) == {1, 2}
    assert numbers[-1] >= len(hashes) - 2


@pytest.mark.parametrize("first", [0, 2])
def test_as_many_as_there_is_room_for_are_all_kept(first):
    hashes = np.random.default_rng(1).integers(0, 256, (MAX_HASHES, HASH_BYTES), np.uint8)
    assert np.array_equal(unpack(pack(hashes, first)), hashes)


def test_where_the_first_take_all_the_room_there_are_no_others():
    hashes = np.random.default_rng(1).integers(0, 256, (MAX_HASHES + 5, HASH_BYTES), np.uint8)
    assert np.array_equal(unpack(pack(hashes, MAX_HASHES)), hashes[:MAX_HASHES])


def test_hashes_that_were_cut_off_are_read_as_far_as_they_go():
    packed = pack(hash_crops([crop(1), crop(2)]))
    cut = packed[:-1]
    assert len(unpack(cut)) == 1
    assert seen_before([crop(1), crop(2)], cut).tolist() == [True, False]
    assert seen_before([crop(1)], packed[: HASH_BYTES - 1]).tolist() == [False]
    assert seen_before([crop(1)], packed[:HASH_BYTES]).tolist() == [True]


def test_of_no_crops_none_was_seen():
    found = seen_before([], pack(hash_crops([crop(1)])))
    assert (found.shape, found.dtype) == ((0,), np.bool_)
