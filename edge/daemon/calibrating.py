"""The light of an empty field, measured between two frames when the page asks for it."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from edge.cameras import open_camera
from edge.cameras.calibration.handover import CalibrationState, Handover, MeasuredLight
from edge.config import SHIPPED_MODEL, ReplayConfig
from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.cameras import Camera
    from edge.cameras.calibration.calibrating import Calibrated
    from edge.cameras.calibration.camera import CalibratedCamera
    from edge.config import Config
    from edge.daemon.health import Progress
    from edge.daemon.systemd import Service
    from edge.store.fields import Store

log = logging.getLogger(__name__)

_BEAT_S = 0.5


def behind_calibration(camera: Camera, config: Config) -> Camera:
    """The camera, corrected by what was approved on the page where the configuration names nothing.

    Raises CameraError.
    """
    file = Handover(config).file
    if file is None or isinstance(config.camera, ReplayConfig) or config.camera.calibration:
        return camera
    from edge.cameras.calibration.camera import CalibratedCamera  # noqa: PLC0415

    return CalibratedCamera(camera, file, needed=False)


class Calibrator:
    """Does what the page orders of the camera. All on the thread that reads it."""

    def __init__(self, config: Config, store: Store, service: Service, progress: Progress) -> None:
        self._config = config
        self._store = store
        self._service = service
        self._progress = progress
        self._handover = Handover(config)
        self._problem: str | None = None

    def attend(self, camera: Camera | None = None) -> None:
        """Measure where that was ordered, and go by a calibration that was approved meanwhile.

        camera: that is read; None while none is. It costs a look at two files. Raises StoreError.
        """
        from edge.cameras.calibration.camera import CalibratedCamera  # noqa: PLC0415 (OpenCV)

        calibrated = camera if isinstance(camera, CalibratedCamera) else None
        if (calibrated is not None or self._config.ends) and (order := self._handover.take()):
            self._answer(order, calibrated)
        if calibrated is not None:
            self._renew(calibrated)

    def _renew(self, camera: CalibratedCamera) -> None:
        if camera.renew():
            log.info("the camera's new calibration is used from here on")
        if camera.problem != self._problem:
            self._problem = camera.problem
            self._progress.notice("calibration", self._problem)
            if self._problem is not None:
                log.warning("%s", self._problem)

    def _answer(self, order: str, camera: CalibratedCamera | None) -> None:
        try:
            self._handover.forget()
            self._handover.say(CalibrationState(state="measuring", order=order))
            self._handover.say(self._come_of(order, camera))
        except LeukoscopeError as error:  # the folder: the page hears nothing, and says so
            log.error("the camera cannot be calibrated: %s", error)  # noqa: TRY400 (one sentence)

    def _come_of(self, order: str, camera: CalibratedCamera | None) -> CalibrationState:
        try:
            self._store.ledger.expect_none_open()
            with ThreadPoolExecutor(1, "calibrating") as pool:
                measuring = pool.submit(self._measured, camera)
                while not measuring.done():  # a thread of its own, so that this one can say that it goes on
                    try:
                        measuring.exception(_BEAT_S)
                    except TimeoutError:
                        self._service.progress("measuring the light of an empty field")
                        self._handover.go_on()
                measured = measuring.result()
        except LeukoscopeError as error:
            sentence = " ".join(str(error).split())
            log.info("the camera is not calibrated: %s", sentence)
            return CalibrationState(state="refused", order=order, sentence=sentence)
        except Exception:
            log.exception("measuring the light has failed")
            sentence = "measuring has failed; the log says why"
            return CalibrationState(state="refused", order=order, sentence=sentence)
        log.info("the light was measured: calibration %s waits to be approved", measured.calibration_id)
        return CalibrationState(state="measured", order=order, measured=measured)

    def _measured(self, camera: CalibratedCamera | None) -> MeasuredLight:
        from edge.analyzer import CellCounter  # noqa: PLC0415 (a finder of its own: only while it is needed)
        from edge.cameras.calibration.calibrating import FRAMES, calibrate  # noqa: PLC0415
        from edge.models.bundle import read_bundle  # noqa: PLC0415

        count_cells = CellCounter(read_bundle(SHIPPED_MODEL))
        if self._config.ends or camera is None:  # a film is not held up: it is looked at from its beginning
            assert not isinstance(self._config.camera, ReplayConfig)  # noqa: S101 (which is never ordered)
            plain = msgspec.structs.replace(self._config.camera, calibration="")
            with closing(open_camera(plain)) as another:
                return self._proposed(calibrate(another, FRAMES, count_cells))
        try:
            return self._proposed(calibrate(camera.bare, FRAMES, count_cells))
        finally:
            camera.restore()

    def _proposed(self, done: Calibrated) -> MeasuredLight:
        from edge.cameras.calibration.correction import Correction  # noqa: PLC0415
        from edge.daemon.preview import as_jpeg  # noqa: PLC0415

        even = Correction.of(done.calibration).apply(done.picture)
        self._handover.propose(done.calibration, as_jpeg(done.picture), as_jpeg(even))
        return MeasuredLight(
            calibration_id=done.calibration.id,
            made_at=done.calibration.made_at,
            least_light=round(done.light.evenness, 3),
            least_light_after=_evenness(even),
            brightness=done.brightness,
            specks=done.light.specks,
            exposure_us=done.controls.exposure_us,
        )


def _evenness(pixels: NDArray[np.uint8]) -> float | None:
    from edge.cameras.calibration.empty_field import EmptyFieldError, measure  # noqa: PLC0415

    try:
        return round(measure([pixels], lambda _: 0).evenness, 3)
    except EmptyFieldError:  # made brighter, too much of it is white
        return None
