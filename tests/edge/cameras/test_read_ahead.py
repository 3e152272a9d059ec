"""Pictures read ahead of who analyses them: in their order, errors among them, and never many."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import numpy as np
import pytest
from mqtt_partners import wait_for

from edge.cameras import Frame
from edge.cameras.read_ahead import ReadAhead
from edge.errors import CameraError, UnreadableFrameError

SMALL, LARGE = (48, 64, 3), (1200, 1600, 3)


class Scripted:
    """Gives frames, raises errors and ends, as it is told; waits at `None` until it is closed."""

    def __init__(self, *script, shape=SMALL):
        self.script = list(script)
        self.asked = 0
        self.closed = threading.Event()
        self.shape = shape

    def read(self):
        self.asked += 1
        if not self.script:
            return None
        what = self.script.pop(0)
        if what is None:
            self.closed.wait()
            return None
        if isinstance(what, Exception):
            raise what
        return Frame(np.zeros(self.shape, np.uint8), what, datetime.now(UTC))

    def close(self):
        self.closed.set()


def read(camera):
    try:
        frame = camera.read()
    except (UnreadableFrameError, CameraError) as error:
        return str(error)
    return frame and frame.name


def test_frames_errors_and_the_end_come_in_their_order():
    broken, gone = UnreadableFrameError("b: cannot be read"), CameraError("it is gone")
    camera = ReadAhead(Scripted("a", broken, "c", gone))
    assert [read(camera) for _ in range(6)] == ["a", "b: cannot be read", "c", "it is gone", None, None]
    camera.close()


def test_the_next_one_is_read_while_the_last_one_is_analysed_and_no_further_one():
    source = Scripted(*"abcdefgh")
    camera = ReadAhead(source)
    assert read(camera) == "a"
    wait_for(lambda: source.asked == 2, "the next one")
    assert read(camera) == "b"
    wait_for(lambda: source.asked == 3, "the next one")
    camera.close()
    assert source.asked == 3


def test_of_large_pictures_there_is_one_at_a_time():
    source = Scripted(*"abc", shape=LARGE)
    camera = ReadAhead(source)
    assert [read(camera), read(camera)] == ["a", "b"]
    assert source.asked == 2
    camera.close()


@pytest.mark.timeout(20)
def test_closing_it_lets_a_waiting_reader_go():
    source = Scripted("a", None)
    camera = ReadAhead(source)
    assert read(camera) == "a"
    found = []
    reader = threading.Thread(target=lambda: found.append(read(camera)))
    reader.start()
    camera.close()
    reader.join()
    assert found == [None]
    assert read(camera) is None
    camera.close()
