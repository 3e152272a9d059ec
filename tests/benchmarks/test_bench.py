"""The benchmark measures every stage and says on what."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stdout
from functools import partial
from html.parser import HTMLParser

import numpy as np
import pytest
from found_cells import find_cells
from mqtt_partners import MOSQUITTO

from benchmarks import daemon, network, pictures, report_boards, timing
from benchmarks.cli import main
from benchmarks.delivering import PUBLISH, STORE
from edge.cameras.image_files import read_image
from edge.config import SHIPPED_MODEL
from edge.models.bundle import read_bundle
from edge.models.runtime import Runtime


@pytest.fixture(scope="module")
def short_run(tmp_path_factory):
    """Return the folder of a short run: its result, its page, and what it printed."""
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("bench")
    arguments = [
        "--fields",
        "2",
        "--repetitions",
        "2",
        "--without-peers",
        "--json",
        str(folder / "bench.json"),
    ]
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main([*arguments, "--html", str(folder / "bench.html")]) == 0
    (folder / "bench.md").write_text(printed.getvalue(), encoding="utf-8")
    return folder


def test_a_short_run_gives_every_stage_the_cold_start_and_the_environment(short_run):
    result = json.loads((short_run / "bench.json").read_text(encoding="utf-8"))
    stages = {row["stage"]: row for row in result["latency_ms"]}
    names = ["read and decode", "mask", "classify and map, a cell", "field, picture to calls", STORE]
    names += [PUBLISH] if MOSQUITTO else []
    for name in names:
        row = stages[name]
        assert 0 < row["p50"] <= row["p90"] <= row["p99"] <= row["maximum"]
    whole, parts = stages["field, picture to calls"], ("read and decode", "quality", "mask")
    assert whole["p50"] > max(stages[part]["p50"] for part in parts)
    cold = result["cold_start"]
    assert 10 < cold["peak_rss_mib"] < 300
    assert all(rate["fields_per_second"] > 0 for rate in result["throughput"])
    assert result["throughput"][0]["threads"] == 1
    assert result["environment"]["file_system"]
    assert result["accuracy"]["cells"] > 0
    assert 0 < result["roofline"]["share"] < 2 or any("roofline" in why for why in result["left_out"])
    assert any("MediaPipe" in peer for peer in result["left_out"])
    assert cold["total_s"] >= cold["import_s"]
    assert result["environment"]["python"]
    printed = (short_run / "bench.md").read_text(encoding="utf-8")
    assert "| read and decode |" in printed
    assert "| Raspberry Pi 5 | | " in printed  # not measured, and said so
    _check_page((short_run / "bench.html").read_text(encoding="utf-8"))


def _check_page(text):
    """It is whole, shows its plots, and loads nothing from elsewhere."""
    parser = _Page()
    parser.feed(text)
    parser.close()
    assert not parser.open
    assert parser.figures >= 4
    assert "field of 20 cells" in text


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.figures = [], 0

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name.endswith(("href", "src")):
                assert value.startswith("#")
        if tag != "meta":
            self.open.append(tag)
        self.figures += tag == "figure"

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("arguments", [["--fields", "0"], ["--repetitions", "-1"]])
def test_a_number_that_cannot_be_is_refused(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert f"{arguments[1]!r}: give a whole number of 1 or more" in capsys.readouterr().err


def test_a_file_that_is_no_picture_is_named(tmp_path, capsys):
    (tmp_path / "x.jpg").write_text("no picture", encoding="utf-8")
    assert main(["--images", str(tmp_path)]) == 1
    assert "x.jpg: is not an image" in capsys.readouterr().err


def test_pictures_that_are_not_there_are_named(tmp_path, capsys):
    assert main(["--images", str(tmp_path / "none")]) == 1
    assert "there is no such file or folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "option", "said"),
    [
        ([], "--float-model", "there is no such file"),
        ([], "--peers-python", "there is no such file"),
        ([], "--labelled", "there is no such folder"),
        ([], "--json", "cannot be written: there is no folder"),
        (["soak", "--minutes", "60"], "--json", "cannot be written: there is no folder"),
        (["web"], "--json", "cannot be written: there is no folder"),
        (["microscope", "--set", "raabin"], "--json", "cannot be written: there is no folder"),
        (["compare", "v0.1"], "--json", "cannot be written: there is no folder"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_before_anything_is_measured(
    command, option, said, tmp_path, monkeypatch, capsys
):
    for measuring in ("run.measure", "run.soaked", "web.measure", "microscope.measure", "versions.measure"):
        monkeypatch.setattr(f"benchmarks.{measuring}", lambda *_, **__: pytest.fail("it was measured"))
    monkeypatch.setattr("benchmarks.checkouts.checked_out", lambda _: pytest.fail("it was checked out"))
    assert main([*command, option, str(tmp_path / "none" / "file")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"leukoscope-bench: {option}: ")
    assert said in error


def test_the_network_without_its_map_gives_the_same_scores():
    bundle = read_bundle(SHIPPED_MODEL)
    outputs = bundle.description.outputs
    scores = {name: tensor for name, tensor in outputs.items() if name != "maps"}
    crop = np.random.default_rng(1).integers(0, 256, (120, 120, 3), np.uint8)
    whole = Runtime(bundle.model, outputs).run(crop)
    part = Runtime(network.keeping(bundle.model, scores.values()), scores).run(crop)
    assert part.keys() == scores.keys()
    for name, expected in part.items():
        np.testing.assert_array_equal(whole[name], expected)


def test_a_field_of_twenty_cells_has_twenty(tmp_path):
    found = {
        count: len(find_cells(read_image(file)).cells) for count, file in pictures.crowded(tmp_path).items()
    }
    assert found == {count: count for count in pictures.COUNTS}


def test_results_that_are_acknowledged_together_are_not_called_faster_than_they_came():
    steady = [(0.01 * number, 0.01 * number + 0.002) for number in range(100)]
    together = [(begin, 0.05 * (1 + int(begin / 0.0499999))) for begin, _ in steady]
    assert daemon.interval_s(steady) == pytest.approx(0.01)
    assert daemon.interval_s(together) == pytest.approx(0.01, rel=0.02)
    assert daemon.interval_s([(0.01 * number, 0.1) for number in range(5)]) == pytest.approx(0.02)


def test_a_real_daemon_delivers_every_field_and_is_watched(tmp_path):
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    file = pictures.crowded(tmp_path, (1,))[1]
    run = daemon.measure(file, SHIPPED_MODEL, tmp_path, fields=5, repetitions=1, runtime="auto")
    assert 0 < run.single_p50_ms <= run.single_maximum_ms
    assert run.interval_ms > 0
    assert 10 < run.peak_rss_mib < 300


def test_a_result_goes_between_the_markers_and_nothing_else_changes(short_run, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- bench: begin -->\nformer figures\n<!-- bench: end -->\nz\n", encoding="utf-8")
    assert main(["readme", "--result", str(short_run / "bench.json"), "--write", str(readme)]) == 0
    text = readme.read_text(encoding="utf-8")
    assert "former figures" not in text
    assert "| network with map / without |" in text
    assert "| Raspberry Pi 4 | | " in text
    assert text.startswith("a\n")
    assert text.endswith("\nz\n")


@pytest.mark.parametrize(("text", "said"), [("a page", "has no place for it"), (None, "cannot be read")])
def test_a_page_that_cannot_take_figures_is_named_before_anything_is_measured(
    text, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("benchmarks.run.measure", lambda _: pytest.fail("it was measured"))
    if text is not None:
        (tmp_path / "page.md").write_text(text, encoding="utf-8")
    assert main(["readme", "--write", str(tmp_path / "page.md")]) == 1
    assert said in capsys.readouterr().err


def test_a_board_that_was_measured_has_its_row_and_no_empty_one():
    lines = report_boards.table([json.loads(_PI)])
    assert "| Raspberry Pi 5 Model B Rev 1.0 | 20 | 3.5 | 22.5 | 30 | 1.2 | 70 |" in lines
    assert not any(line.startswith("| Raspberry Pi 5 |") for line in lines)
    assert any(line.startswith("| Raspberry Pi 4 |") for line in lines)


_PI = """{"schema": "leukoscope.bench/2",
"environment": {"board": "Raspberry Pi 5 Model B Rev 1.0", "processor": "unknown"},
"latency_ms": [{"stage": "field, picture to calls", "p50": 20.0},
               {"stage": "bare loop, drawn field of one cell", "p50": 3.5}],
"daemon": {"interval_ms": 22.5, "single_p50_ms": 30, "first_result_s": 1.2, "peak_rss_mib": 70},
"cold_start": {"peak_rss_mib": 68}}"""


def test_a_page_without_matplotlib_is_refused_before_anything_is_measured(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["--html", str(tmp_path / "page.html")]) == 1
    assert "pip install 'leukoscope[bench]'" in capsys.readouterr().err


def test_every_second_round_goes_backwards_so_that_no_stage_always_finds_warm_caches():
    came = []
    stages = {name: [partial(came.append, name)] * 4 for name in "abc"}
    timing.measure(stages, 1)
    assert "".join(came[-12:]) == "abccbaabccba"
