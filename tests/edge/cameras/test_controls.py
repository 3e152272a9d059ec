"""Settings that are locked, and what the frames' metadata says of them."""

from __future__ import annotations

import pytest

from edge.cameras import FrameMetadata
from edge.cameras.controls import NOT_HELD, Controls, Lock
from edge.errors import UnreadableFrameError

WANTED = Controls(exposure_us=8000, analogue_gain=1.0, colour_gains=(2.1, 1.6))
RIGHT = FrameMetadata(exposure_us=7990, analogue_gain=1.0, colour_gains=(2.1, 1.61))
WRONG = {
    "exposure is 9000 and not 8000": FrameMetadata(9000, 1.0, (2.1, 1.6)),
    "gain is 2 and not 1": FrameMetadata(8000, 2.0, (2.1, 1.6)),
    "gain of red is 1.9 and not 2.1": FrameMetadata(8000, 1.0, (1.9, 1.6)),
    "gain of blue is 1.9 and not 1.6": FrameMetadata(8000, 1.0, (2.1, 1.9)),
    "exposure is not told and not 8000": FrameMetadata(),
}


@pytest.mark.parametrize("said", WRONG)
def test_frames_on_their_way_are_passed_over_and_later_ones_refused_with_what_is_wrong(said: str) -> None:
    lock = Lock(WANTED)
    passed_over = 0
    try:
        while not lock.holds(WRONG[said]):
            passed_over += 1
    except UnreadableFrameError as error:
        refused = error
    assert 4 <= passed_over <= 60
    assert said in str(refused)
    assert refused.reason == NOT_HELD


def test_once_it_held_the_first_frame_that_is_off_is_refused_and_the_next_right_one_is_not() -> None:
    lock = Lock(WANTED)
    assert not lock.holds(next(iter(WRONG.values())))
    assert lock.holds(RIGHT)
    for _ in range(3):
        with pytest.raises(UnreadableFrameError):
            lock.holds(next(iter(WRONG.values())))
        assert lock.holds(RIGHT)


def test_what_a_camera_lacks_is_not_asked_of_its_frames() -> None:
    assert Lock(Controls()).holds(FrameMetadata())
    assert Lock(Controls(exposure_us=100)).holds(FrameMetadata(exposure_us=120, analogue_gain=8.0))
