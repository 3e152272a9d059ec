"""A live camera: one thread reads the device, and whoever asks gets the newest picture, never a queue.

The kinds of device (OpenCV's, picamera2's) have a `Grabber` each. Here is what they have in common: a device
that is unplugged, or that another program uses, is tried again after growing pauses; one that stalls is
reported and opened again; a driver that hangs blocks only its own thread.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edge import identity
from edge.cameras.frame import Frame
from edge.errors import CameraAwayError, CameraError, UnreadableFrameError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from edge.cameras.frame import FrameMetadata

WAITING = "no picture yet"
AWAY = "camera away"
STALLED = "camera stalled"
SHORT = "short frame"
CORRUPT = "corrupt frame"
"""Reasons why there is no picture, as in `UnreadableFrameError.reason`, and in health except for WAITING."""

_BAD_IN_A_ROW = 10  # pictures; after so many bad ones the device is opened again
_STUCK_AT_ONCE = 1  # threads that may hang in a driver beside the one that reads; more would be a leak


class Grabber(Protocol):
    """One device. `LiveCamera` makes one for each thread that reads, and that thread alone calls it."""

    def open(self) -> None:
        """Take the device and set it up; called again after `close`.

        Raises CameraError where it is not there, is another's, or cannot do what the configuration asks.
        """
        ...

    def grab(self) -> tuple[NDArray[np.uint8], FrameMetadata | None]:
        """Wait for the next picture.

        Gives uint8 RGB, (height, width, 3), C-contiguous, which nobody overwrites later; and what the sensor
        says of it. Raises UnreadableFrameError, with SHORT or CORRUPT, where the next one may be whole;
        CameraError where the device is gone: then it is closed and opened again.
        """
        ...

    def close(self) -> None:
        """Give the device back. Called after every `open`, also one that failed."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, in seconds.

    read: for a picture, until `read` says that there is none. picture: until an open device counts as
    stalled. opening: until a device that is being opened counts as stalled. pauses: the first and the longest
    pause between two attempts to open it. closing: for the device to be given back.
    """

    read: float = 2.0
    picture: float = 5.0
    opening: float = 30.0
    pauses: tuple[float, float] = (0.5, 5.0)
    closing: float = 3.0


class LiveCamera:
    """The newest picture of a device that may come and go. A `Camera` that ends only by `close`.

    name: what an operator would call the device. A frame's name is that and its number; a gap in the numbers
    shows pictures that nobody had time for. make: makes a grabber that is not open yet. The thread that reads
    the device also opens it, so a device that is not there yet is waited for like one that has gone.
    """

    def __init__(self, name: str, make: Callable[[], Grabber], patience: Patience | None = None) -> None:
        self._name = name
        self._make = make
        self._patience = patience or Patience()
        self._news = threading.Condition()
        self._frame: Frame | None = None
        self._fault: UnreadableFrameError | None = None
        self._absent: CameraAwayError | None = None
        self._complained = False
        self._number = 0
        self._is_of_before = False
        self._closed = False
        self._stuck: list[_Reader] = []
        self._reader = self._new_reader()
        self._reader.start()

    @property
    def sensor(self) -> str:
        """What the device calls itself; empty before it was opened, or where it does not say."""
        return self._reader.sensor

    def read(self) -> Frame | None:
        """Return the newest picture that was not given yet, waiting for one; None once it is closed.

        Raises UnreadableFrameError for a picture that is short or corrupt; CameraAwayError when the device
        goes, and every `Patience.read` seconds while it gives none.
        """
        deadline = time.monotonic() + self._patience.read
        with self._news:
            while not (self._closed or self._frame or self._fault):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise self._absence()
                self._news.wait(left)
            if self._closed:
                return None
            # Alternate good frames and errors, or a slow reader would see only errors. If the camera has
            # gone, its last picture is still given first.
            spoilt = self._fault is not None and not isinstance(self._fault, CameraAwayError)
            if self._frame is not None and (self._complained or not spoilt):
                frame, self._frame, self._complained = self._frame, None, False
                return frame
            fault, self._fault, self._complained = self._fault, None, True
            raise fault or self._absence()

    def close(self) -> None:
        """Give the device back and end every `read` with None; a driver that hangs is not waited for long."""
        with self._news:
            before, self._closed = self._closed, True
            self._frame = self._fault = None
            self._news.notify_all()
            reader = self._reader
        reader.stop()
        if not before:
            reader.join(self._patience.closing)

    def let_go(self) -> None:
        """Drop every picture that was taken up to now: the one that waits and the one being read."""
        with self._news:
            self._frame, self._is_of_before = None, True

    def _new_reader(self) -> _Reader:
        """Make a thread that reads a new grabber; not started yet, since `_reader` must be set first."""
        return _Reader(self._name, self._make(), self._patience.pauses, self._came, self._failed)

    def _absence(self) -> CameraAwayError:
        """Return why there is no picture; replace a thread that hangs by another."""
        reader, patience = self._reader, self._patience
        silent_s = time.monotonic() - reader.heard_at
        if silent_s > (patience.picture if reader.is_open else patience.opening):
            self._absent = CameraAwayError(
                f"{self._name}: has given no picture for {patience.picture:g} s"
                if reader.is_open
                else f"{self._name}: the driver does not answer",
                STALLED,
            )
            self._stuck = [stuck for stuck in self._stuck if stuck.is_alive()]
            if len(self._stuck) < _STUCK_AT_ONCE:
                reader.stop()
                self._stuck.append(reader)
                self._reader = self._new_reader()
                self._reader.start()
        if self._absent is None:
            return CameraAwayError(f"{self._name}: no picture yet", WAITING)
        return CameraAwayError(str(self._absent), self._absent.reason)

    def _came(self, reader: _Reader, pixels: NDArray[np.uint8], metadata: FrameMetadata | None) -> None:
        taken = identity.now()
        with self._news:
            if reader is self._reader and not self._closed:
                self._number += 1
                if self._is_of_before:
                    self._is_of_before = False
                    return
                name = f"{self._name} frame {self._number}"
                self._frame = Frame(pixels, name, taken, metadata=metadata)
                self._absent = None
                self._news.notify_all()

    def _failed(self, reader: _Reader, fault: UnreadableFrameError) -> None:
        with self._news:
            if reader is not self._reader or self._closed:
                return
            if isinstance(fault, CameraAwayError):
                if any(stuck.is_alive() for stuck in self._stuck):
                    return  # it cannot be opened, since our own thread hangs in it: that is known
                # Reported at once if the camera goes or the reason changes, otherwise by `read` now and then.
                before, self._absent = self._absent, fault
                if before is not None and str(before) == str(fault):
                    return
            self._fault = fault
            self._news.notify_all()


class _Reader(threading.Thread):
    """Opens and reads one grabber until it is told to stop; it may hang in the driver for ever.

    heard_at: when the driver answered last, monotonic seconds. is_open: whether it holds the device.
    """

    def __init__(
        self,
        name: str,
        grabber: Grabber,
        pauses: tuple[float, float],
        came: Callable[[_Reader, NDArray[np.uint8], FrameMetadata | None], None],
        failed: Callable[[_Reader, UnreadableFrameError], None],
    ) -> None:
        super().__init__(name=f"camera {name}", daemon=True)
        self._said = name
        self._grabber = grabber
        self._pauses = pauses
        self._came = came
        self._failed = failed
        self._stopped = threading.Event()
        self.heard_at = time.monotonic()
        self.is_open = False

    @property
    def sensor(self) -> str:
        """What the grabber calls its device, if it does."""
        return str(getattr(self._grabber, "sensor", ""))

    def stop(self) -> None:
        """Let it give the device back as soon as the driver answers."""
        self._stopped.set()

    def run(self) -> None:
        """Read until `stop`."""
        pause = self._pauses[0]
        while not self._stopped.is_set():
            try:
                if self._read():
                    pause = self._pauses[0]
            finally:
                self.is_open = False
                self._hear()
            # heard_at stays during the pause, which is shorter than anybody's patience.
            self._stopped.wait(pause)
            pause = min(2 * pause, self._pauses[1])

    def _read(self) -> bool:
        """Open the device and read until it fails; return whether there was a picture."""
        some = False
        try:
            self._grabber.open()
            self.is_open = True
            self._hear()
            while not self._stopped.is_set():
                some = self._whole_one() or some
        except CameraError as error:
            self._failed(self, CameraAwayError(str(error), AWAY))
        except Exception as error:  # noqa: BLE001 (a driver's binding may raise anything, and this thread goes on)
            self._failed(self, CameraAwayError(f"{self._said}: {type(error).__name__}: {error}", AWAY))
        finally:
            self._close()
        return some

    def _whole_one(self) -> bool:
        for _ in range(_BAD_IN_A_ROW):
            try:
                pixels, metadata = self._grabber.grab()
            except UnreadableFrameError as fault:
                self._hear()
                self._failed(self, fault)
            else:
                self._hear()
                self._came(self, pixels, metadata)
                return True
            if self._stopped.is_set():
                return False
        raise CameraError(f"{self._said}: gives only pictures that cannot be read; it is opened again")

    def _close(self) -> None:
        try:
            self._grabber.close()
        except Exception as error:  # noqa: BLE001 (as above)
            self._failed(self, CameraAwayError(f"{self._said}: {type(error).__name__}: {error}", AWAY))

    def _hear(self) -> None:
        self.heard_at = time.monotonic()
