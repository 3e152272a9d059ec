"""The camera calibrated while the counter runs, for the page: measured, then used or let go.

It stands here for what all wait for: that no specimen is counted meanwhile.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cameras.calibration.handover import CalibrationState, Handover
from edge.config import ReplayConfig
from edge.errors import CalibrationError, CameraError
from edge.store.fields import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.cameras.calibration.file import CameraCalibration
    from edge.config import Config


class CalibrationOrders:
    """What a person orders. All raise CalibrationError with one sentence where it cannot be done.

    Then nothing is changed. They raise SpecimenError, where one is open, StoreError and OutputError, too.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._handover = Handover(config)

    def why_not(self) -> str | None:
        """Return why this device's camera is not calibrated so at all; None where it can be."""
        file = self._handover.file
        if file is None or isinstance(self._config.camera, ReplayConfig):
            return "this device shows image files: there is no camera to calibrate"
        if not self._config.by_command:
            return (
                "what this device's camera shows is one specimen from its start to its end: stop the counter "
                "and use leukoscope camera calibrate"
            )
        # Beside the results it can be: they are written, too.
        if self._config.camera.calibration and not os.access(file.parent, os.W_OK):
            return f"{file} cannot be written: let camera.calibration name a file beside the results, or none"
        return None

    def measure(self) -> str:
        """Let the daemon measure the empty field that its camera sees; return the order's name."""
        if reason := self.why_not():
            raise CalibrationError(reason)
        if self._handover.waits() or self._handover.state().state == "measuring":
            raise CalibrationError("the light is being measured already")
        with self._nothing_counted():
            return self._handover.order()

    def withdraw(self) -> None:
        """Take back an order that the daemon has not taken."""
        self._handover.withdraw()

    def state(self) -> CalibrationState:
        """Return how far the daemon is, or what came of it."""
        return self._handover.state()

    def in_use(self) -> CameraCalibration | None:
        """Return the calibration that the daemon goes by; None where there is none."""
        try:
            return self._handover.in_use()
        except CameraError as error:
            raise CalibrationError(str(error)) from None

    def picture(self, name: str) -> bytes | None:
        """Return the empty field before or after, JPEG."""
        return self._handover.picture(name)

    def use(self, calibration_id: str) -> None:
        """Put what was measured in the place of the calibration in use: from the next frame on."""
        found = self._proposed(calibration_id)
        with self._nothing_counted():
            self._handover.use(found)

    def discard(self, calibration_id: str) -> None:
        """Let go what was measured."""
        self._proposed(calibration_id)
        self._handover.forget()

    def _proposed(self, calibration_id: str) -> CameraCalibration:
        found = self._handover.proposed()
        if found is None or found.id != calibration_id:
            raise CalibrationError("this measurement is no longer there: measure again")
        return found

    @contextmanager
    def _nothing_counted(self) -> Iterator[None]:
        """In the block no specimen is open, and none can be started."""
        with Store.open(Path(self._config.store.path)) as store, store.transaction():
            store.ledger.expect_none_open()
            yield
