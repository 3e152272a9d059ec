"""The daemon measures the light when it is asked to, also of a slide that waits for a specimen."""

from __future__ import annotations

import subprocess

import pytest
from daemons import COMMAND, toml
from mqtt_partners import PATIENCE_S, wait_for

from edge.config import Config, MqttConfig, SimulatedConfig, SpecimenConfig, StoreConfig
from edge.errors import CalibrationError
from edge.messages.commands import StartSpecimen
from edge.specimens.calibrating import CalibrationOrders
from edge.specimens.service import SpecimenService
from edge.store.fields import Store


def test_a_drawn_slide_by_command_is_calibrated_before_it_is_counted(tmp_path):
    config = Config(
        SimulatedConfig(empty=True, cells=40, vignetting=0.4),
        specimen=SpecimenConfig(lifecycle="command"),
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(port=1, drain_s=0),
    )
    orders = CalibrationOrders(config)
    path = toml(config, tmp_path / "device.toml")
    with subprocess.Popen([*COMMAND, str(path)]) as daemon:
        try:
            wait_for((tmp_path / "results.db").exists, "the store")
            order = orders.measure()
            with pytest.raises(CalibrationError, match="being measured already"):
                orders.measure()
            wait_for(lambda: orders.state().order == order and orders.state().measured, "the light", 60)
            found = orders.state().measured
            assert found.least_light < 0.8
            assert found.least_light_after > 0.97
            orders.use(found.calibration_id)
            assert orders.state().state == "idle"
            with pytest.raises(CalibrationError, match="no longer there"):
                orders.use(found.calibration_id)
            SpecimenService(config).start(StartSpecimen(specimen_id="S"))

            def calibrations():
                with Store.open(tmp_path / "results.db") as store:
                    return [field.calibration for field in store.fields("S")]

            wait_for(lambda: len(calibrations()) > 3, "fields", PATIENCE_S)
            # The first view was taken before, and has waited for the specimen.
            assert set(calibrations()[1:]) == {found.calibration_id}
        finally:
            daemon.kill()
