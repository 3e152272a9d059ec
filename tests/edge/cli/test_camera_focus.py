"""`leukoscope camera focus`: the number rises with sharpness, whatever the camera; it ends when told to."""

from __future__ import annotations

import os
import pty
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mqtt_partners import PATIENCE_S, wait_for

from edge.cameras import Frame, open_camera
from edge.cli import camera_focus, main
from edge.cli.camera_focus import show_focus
from edge.config import SimulatedConfig
from edge.quality.assessment import measure

if TYPE_CHECKING:
    import numpy as np
    import pytest

REPOSITORY = Path(__file__).parents[3]


def written(folder: Path, **values: float) -> Path:
    path = folder / "device.toml"
    lines = [f"{key} = {value}" for key, value in {"width": 320, "height": 240, "cells": 1, **values}.items()]
    path.write_text('[camera]\nkind = "simulated"\n' + "\n".join(lines) + "\n")
    return path


def test_the_number_rises_as_the_picture_gets_sharper(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = []
    for defocus in (4.0, 2.0, 0.3):
        assert main(["camera", "focus", "--config", str(written(tmp_path, defocus=defocus, noise=2.0))]) == 0
        numbers.append(statistics.median(float(line) for line in capsys.readouterr().out.split()))
    assert numbers == sorted(numbers)
    assert numbers[-1] > 2 * numbers[0]


class WithPreview:
    """A camera of three pictures, beside each of which it has a small one."""

    def __init__(self, small: np.ndarray | None) -> None:
        self._slide = open_camera(SimulatedConfig(cells=2, width=320, height=240))
        self._small = small
        self._left = 3

    def read(self) -> Frame | None:
        self._left -= 1
        return self._slide.read() if self._left >= 0 else None

    def preview(self) -> np.ndarray | None:
        return self._small

    def close(self) -> None:
        self._slide.close()


def test_a_small_picture_is_measured_where_the_camera_has_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = open_camera(SimulatedConfig(seed=9, cells=1, width=320, height=240)).read()
    assert frame is not None
    path = written(tmp_path)
    assert show_focus(path, lambda _: WithPreview(frame.pixels)) == 0
    assert capsys.readouterr().out.split() == [f"{measure(frame.pixels).quality.focus:.2f}"] * 3
    assert show_focus(path, lambda _: WithPreview(None)) == 0
    assert len(set(capsys.readouterr().out.split())) == 3


def test_on_a_terminal_it_is_one_line_with_the_best_so_far_until_a_signal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edge.cli", "camera", "focus", "--config"]
    path = written(tmp_path, frames_per_second=5, cells=9)
    with subprocess.Popen([*command, str(path)], stdout=theirs, cwd=REPOSITORY) as shown:
        os.close(theirs)
        seen = ""

        def enough() -> bool:
            nonlocal seen
            seen += os.read(ours, 4096).decode()
            return seen.count("\rfocus") >= 3

        wait_for(enough, "three numbers")
        shown.send_signal(signal.SIGINT)
        assert shown.wait(PATIENCE_S) == 0
    os.close(ours)
    assert "\n" not in seen
    first = seen.split("\rfocus")[1].split()
    assert first[0] == first[2], "the first is the best so far"
    assert first[3] == "#" * 40


def test_images_are_no_camera_to_focus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "device.toml"
    path.write_text('[camera]\nkind = "replay"\npaths = ["*.jpg"]\n')
    assert main(["camera", "focus", "--config", str(path)]) == 2
    assert "replay shows images, and no camera to focus" in capsys.readouterr().err


def test_without_a_camera_it_ends_by_itself_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_focus, "PATIENCE_S", 1.0)
    path = tmp_path / "device.toml"
    path.write_text('[camera]\nkind = "usb"\ndevice = "/dev/no-such-camera"\n')
    began = time.monotonic()
    assert main(["camera", "focus", "--config", str(path)]) == 1
    assert time.monotonic() - began < PATIENCE_S
    said = capsys.readouterr().err
    assert "no picture for 1 s: /dev/no-such-camera: is not there; plug it in" in said
