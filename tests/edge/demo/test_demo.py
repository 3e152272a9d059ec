"""The newcomer's command: it runs, shows what comes over MQTT, ends by itself, and says what it is."""

from __future__ import annotations

import importlib.util
import io
import itertools
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
from drawn_nuclei import draw_nucleus, field
from rich.console import Console
from samples import MODEL, cell
from samples import field as result

from edge.cli import main
from edge.config import ReplayConfig
from edge.demo import broker, page, run_demo
from edge.demo.colours import blocks, heat, shade
from edge.demo.dashboard import Dashboard
from edge.demo.frames import Frames
from edge.differential.count import SpecimenCount
from edge.differential.method import CountingMethod
from edge.errors import BrokerError
from edge.messages import Heatmap
from edge.models.confusion import Confusion
from edge.slide.contribution import Contribution


def demo(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "edge.cli", "demo", "--rate", "0", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_simulated_slide_is_watched_to_its_end(tmp_path):
    if shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("mosquitto is not installed")
    picture = tmp_path / "screen.svg"
    done = demo("--cells", "8", "--picture", str(picture))
    assert done.returncode == 0, done.stderr
    assert "The slide was simulated" in done.stdout
    assert "Not a medical device" in done.stdout
    assert "(complete)" in done.stdout
    arrived = next(line for line in done.stdout.splitlines() if "arrived over MQTT" in line).split()
    assert arrived[0] == arrived[2] != "0"
    drawing = picture.read_text(encoding="utf-8")
    assert "SIMULATED" in drawing
    assert "mosquitto" in drawing


def test_ones_own_images_are_shown_and_not_called_simulated(tmp_path):
    for name, x in (("one", 320), ("zwei 😀", 300)):
        picture = cv2.cvtColor(draw_nucleus(field(), x, 240), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    done = demo("--images", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "2 of 2 fields arrived" in done.stdout
    assert "simulated" not in done.stdout.lower()


def test_without_mosquitto_the_embedded_broker_serves(monkeypatch, capsys):
    if importlib.util.find_spec("amqtt") is None:
        pytest.skip("amqtt is not installed")
    monkeypatch.setattr(broker.shutil, "which", lambda *_, **__: None)
    assert run_demo(images=None, cells=2, seed=1, rate=0) == 0
    assert "arrived over MQTT" in capsys.readouterr().out


def test_without_any_broker_the_way_out_is_named(monkeypatch):
    monkeypatch.setattr(broker.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(broker.importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(BrokerError, match="apt-get install mosquitto"):
        run_demo(images=None, cells=2, seed=1, rate=0)


def test_images_that_are_not_there_are_named_before_anything_is_started(tmp_path):
    done = demo("--images", str(tmp_path / "none"))
    assert done.returncode == 1
    assert done.stderr == f"leukoscope: {tmp_path / 'none'}: there is no such file or folder\n"


@pytest.mark.parametrize(("option", "value"), [("--cells", "-4"), ("--seed", "-1"), ("--rate", "-1")])
def test_a_number_that_cannot_be_is_named(option, value):
    done = demo(option, value)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("leukoscope: leukoscope demo: camera.")


def test_a_heatmap_is_brighter_where_the_evidence_is():
    text = heat(Heatmap((3, 2), bytes([0, 255, 10, 20, 255, 0]), 1.0)).drawing
    assert text.plain == "▀▀\n▀▀"
    levels = [sum(shade(level)) for level in range(256)]
    assert levels[0] < 30
    assert levels[255] > 600
    assert all(b - a > -25 for a, b in itertools.pairwise(levels))


def test_a_picture_is_drawn_with_two_of_its_rows_in_a_line():
    red, blue = (250, 0, 0), (0, 0, 250)
    drawn = blocks([[red, blue], [blue, red], [red, red]])
    assert drawn.drawing.plain == "▀▀\n▀▀"
    (style,) = {span.style for span in drawn.drawing.spans if span.start == 0}
    assert (style.color.triplet, style.bgcolor.triplet) == (red, blue)
    assert drawn.in_ascii.plain == "  \n  "
    (first, _, last, _) = (span.style.bgcolor.triplet for span in drawn.in_ascii.spans)
    assert (first, last) == ((125, 0, 125), red)


def test_the_cell_itself_is_shown_beside_its_map(tmp_path):
    drawn = draw_nucleus(field(), 320, 240)
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    frames = Frames(ReplayConfig((str(tmp_path),)))
    cut = frames.picture(f"{tmp_path.name}/b.png", (270, 190, 100, 100), 20)
    assert cut is not None
    assert cut.shape == (20, 20, 3)
    wanted = cv2.resize(drawn[190:290, 270:370], (20, 20), interpolation=cv2.INTER_AREA)
    assert np.array_equal(cut, wanted)
    beyond = frames.picture(f"{tmp_path.name}/a.png", (-30, 460, 60, 60), 20)
    assert beyond is not None
    assert beyond.shape == (20, 20, 3)
    assert frames.picture("no such frame", (0, 0, 9, 9), 20) is None


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_fullest_screen_fits_80_by_24(encoding):
    labels = ("eosinophil", "lymphocyte", "monocyte", "neutrophil", "basophil")
    err = tuple(tuple(90.0 if r == c else 2.0 for c in range(7)) for r in range(6))
    reckoning = CountingMethod().by(Confusion("held-out photographs", (*labels, "other"), err))
    count = SpecimenCount("a specimen with a long name", labels, 200, reckoning)
    counted = dict(zip(labels, (30, 60, 40, 30, 20), strict=True))
    unclassified = {"uncertain": 60, "unfamiliar": 20, "other": 20}
    count.add(Contribution(accepted=True, counted=counted, unclassified=unclassified, incomplete=7))
    full = count.differential(device_id="d", model=MODEL, updated_at=datetime.now(UTC), clock_synced=False)
    assert len(full.flags) == 5
    dashboard = Dashboard("SIMULATED SLIDE: drawn by a program, no patient", "mosquitto", 40, None)
    for said in (full, result(1, *(cell(map_side=15) for _ in range(6)))):
        dashboard.show(said, datetime.now(UTC))
    written = io.TextIOWrapper(io.BytesIO(), encoding, errors="backslashreplace")
    Console(width=80, file=written).print(dashboard.screen(80))
    written.flush()
    lines = written.buffer.getvalue().decode(encoding).rstrip().splitlines()
    assert len(lines) <= 24
    assert {len(line) for line in lines} == {80}
    shown = "\n".join(lines)
    for part in ("Clopper-Pearson 95 %", "corrected 95 %", "definite neutrophil-percent-low", "SIMULATED"):
        assert part in shown


def test_the_last_screen_overwrites_an_earlier_one_and_nothing_else(tmp_path, capsys):
    picture = tmp_path / "screen.svg"
    picture.write_text("<svg>of somebody</svg>", encoding="utf-8")
    refused = ["demo", "--cells", "4", "--rate", "0", "--picture", str(picture)]
    assert main(refused) == 1
    assert f"{picture}: is there already and was not written by `leukoscope demo" in capsys.readouterr().err
    assert picture.read_text(encoding="utf-8") == "<svg>of somebody</svg>"
    for again in (["--force"], []):
        done = demo("--cells", "4", "--rate", "0", "--picture", str(picture), *again)
        assert done.returncode == 0, done.stderr
        assert "SIMULATED" in picture.read_text(encoding="utf-8")


def test_a_screen_that_could_not_be_written_is_said_before_the_demo(tmp_path, capsys):
    assert main(["demo", "--picture", str(tmp_path / "none" / "screen.svg")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith("screen.svg: cannot be written: there is no such folder\n")


def test_the_last_screen_never_overwrites_an_image_that_is_shown(tmp_path, capsys):
    image = tmp_path / "a.png"
    cv2.imwrite(str(image), field())
    before = image.read_bytes()
    assert main(["demo", "--images", str(tmp_path), "--picture", str(image), "--force"]) == 1
    assert f"{image}: is an input" in capsys.readouterr().err
    assert image.read_bytes() == before


def test_ctrl_c_while_the_page_starts_ends_the_page_as_well(tmp_path, monkeypatch):
    start, started = subprocess.Popen, []

    def slow(_command, **how):
        started.append(start(["sleep", "60"], **how))
        return started[0]

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(page.subprocess, "Popen", slow)
    monkeypatch.setattr(page, "urlopen", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt), page.DemoPage(tmp_path / "demo.toml", 1, "DEMO"):
            pass
        assert started[0].poll() is not None
    finally:
        started[0].kill()
        started[0].wait()


def test_a_folder_whose_name_is_not_utf8_is_named(tmp_path, capsys):
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/slides\xff")
    os.mkdir(folder)  # noqa: PTH102
    cv2.imwrite(str(tmp_path / "a.png"), field())
    os.rename(tmp_path / "a.png", folder + "/a.png")  # noqa: PTH104
    assert main(["demo", "--images", folder]) == 1
    assert "its name is not in UTF-8" in capsys.readouterr().err
