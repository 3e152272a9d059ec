"""How page and daemon hand each other a calibration: by files in one folder beside the results.

The page leaves an order. The daemon, which has the camera, measures, and leaves what it found. What a person
then approves takes the place of the calibration in use in one step, and the daemon goes by it. A process that
is killed at any moment leaves the calibration in use as it was.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from edge import identity
from edge.cameras.calibration.file import CameraCalibration, read_calibration, write_calibration
from edge.config import ReplayConfig
from edge.errors import CameraError
from edge.outputs import write_result

if TYPE_CHECKING:
    from edge.config import Config

BEFORE, AFTER = "before.jpg", "after.jpg"
_IN_USE, _ORDER, _STATE, _PROPOSED = "camera.json", "order.json", "state.json", "proposed.json"

TAKEN_S = 6.0
"""Within this the daemon takes an order, or does not run."""

_BEAT_S = 10.0  # it says more often that it goes on

Share = Annotated[float, Meta(ge=0, le=1)]


class MeasuredLight(Struct, frozen=True, kw_only=True):
    """What an empty field showed.

    least_light: in the darkest part, of the brightest part's; least_light_after: once it is made even; null
    where that cannot be told. brightness: of red, green and blue, 0 to 255. specks: of dust, which do no
    harm. exposure_us: that was found; null: this camera has no control of it.
    """

    calibration_id: str
    made_at: str
    least_light: Share
    least_light_after: Share | None
    brightness: tuple[float, float, float]
    specks: int
    exposure_us: int | None


class CalibrationState(Struct, frozen=True, kw_only=True):
    """How far a measurement has come. order: which one. sentence: why it was refused."""

    state: Literal["idle", "measuring", "measured", "refused"] = "idle"
    order: str = ""
    sentence: str = ""
    measured: MeasuredLight | None = None


class _Order(Struct, frozen=True):
    order: str


class Handover:
    """The folder's files. file: the calibration in use, there or not; None for a source that has no light."""

    def __init__(self, config: Config) -> None:
        self._folder = Path(config.store.path).parent / "calibration"
        self.file: Path | None = None
        if not isinstance(config.camera, ReplayConfig):
            named = config.camera.calibration
            self.file = Path(named) if named else self._folder / _IN_USE

    # The page

    def order(self) -> str:
        """Let the daemon measure, and return the order's name. Raises OutputError."""
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
        name = identity.new_id()
        write_result(self._folder / _ORDER, msgspec.json.encode(_Order(name)))
        return name

    def waits(self) -> bool:
        """Whether an order of just now was not taken yet."""
        try:
            return abs(time.time() - (self._folder / _ORDER).stat().st_mtime) < TAKEN_S
        except OSError:
            return False

    def withdraw(self) -> None:
        """Take back an order that nobody has taken."""
        self._remove(_ORDER)

    def state(self) -> CalibrationState:
        """Return what the daemon said last."""
        try:
            path = self._folder / _STATE
            silent_s = time.time() - path.stat().st_mtime
            found = msgspec.json.decode(path.read_bytes(), type=CalibrationState)
        except (OSError, msgspec.MsgspecError):
            return CalibrationState()
        if found.state == "measuring" and abs(silent_s) > _BEAT_S:
            sentence = "the counter ended while it measured; nothing is changed"
            return CalibrationState(state="refused", order=found.order, sentence=sentence)
        if found.state == "measured" and self.proposed() is None:
            return CalibrationState()
        return found

    def proposed(self) -> CameraCalibration | None:
        """Return what was measured and neither used nor let go."""
        try:
            return read_calibration(self._folder / _PROPOSED)
        except CameraError:
            return None

    def in_use(self) -> CameraCalibration | None:
        """Return the calibration in use. Raises CameraError where its file is none."""
        if self.file is None or not self.file.exists():
            return None
        return read_calibration(self.file)

    def picture(self, name: str) -> bytes | None:
        """Return the empty field as it was, or as it will be, JPEG; None where none is kept."""
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            return None

    def use(self, calibration: CameraCalibration) -> None:
        """Let it be the calibration in use, and forget the proposal. Raises OutputError."""
        if self.file is not None:
            write_calibration(self.file, calibration)
        self.forget()

    def forget(self) -> None:
        """Let go what was measured."""
        for name in (_STATE, _PROPOSED, BEFORE, AFTER):
            self._remove(name)

    # The daemon

    def take(self) -> str | None:
        """Return the name of an order that was given just now, which is then nobody else's."""
        path, fresh = self._folder / _ORDER, self.waits()
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_Order)
            path.unlink()
        except OSError:
            return None
        except msgspec.MsgspecError:
            self.withdraw()
            return None
        return found.order if fresh else None

    def say(self, state: CalibrationState) -> None:
        """Let the page know how far it is. Raises OutputError."""
        write_result(self._folder / _STATE, msgspec.json.encode(state))

    def go_on(self) -> None:
        """Let the page know that it goes on."""
        with suppress(OSError):
            os.utime(self._folder / _STATE)

    def propose(self, calibration: CameraCalibration, before: bytes, after: bytes) -> None:
        """Leave what was measured, to be approved. Raises OutputError."""
        write_calibration(self._folder / _PROPOSED, calibration)
        write_result(self._folder / BEFORE, before)
        write_result(self._folder / AFTER, after)

    def _remove(self, name: str) -> None:
        with suppress(OSError):
            (self._folder / name).unlink(missing_ok=True)
