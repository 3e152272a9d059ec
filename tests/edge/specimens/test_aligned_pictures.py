"""Pictures of one call and fields of one specimen are aligned by their own cells, and say so."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest

from edge import identity
from edge.cameras import Frame
from edge.cameras.simulation.smear.slide import Smear
from edge.cli import main
from edge.config import SHIPPED_MODEL, Config, ModelConfig, SimulatedConfig, SpecimenConfig, StoreConfig
from edge.daemon.health import Progress
from edge.daemon.model_loading import load_model
from edge.daemon.pipeline import Pipeline
from edge.finding import cells
from edge.finding.ruler import look_for_scale
from edge.models.bundle import read_bundle
from edge.naming.alignment import MOST
from edge.store.fields import Store

TEMPERATURE = read_bundle(SHIPPED_MODEL).description.temperature
WIDTH, HEIGHT = 640, 480


class Nobody:
    def publish_differential(self, *_, **__) -> None:
        pass

    def notify(self) -> None:
        pass


@pytest.fixture(scope="module")
def views():
    """Ten views of a slide stained three fifths as much as others, uint8 RGB."""
    smear = Smear.draw(5, 24, stain=0.6)
    columns = [(x * WIDTH, y * HEIGHT) for y in range(smear.rows) for x in range(smear.columns)]
    pixels = [smear.view(x, y, WIDTH, HEIGHT) for x, y in columns]
    return pixels[:10]


@pytest.fixture
def folder(tmp_path, views):
    made = tmp_path / "slide"
    made.mkdir()
    for number, pixels in enumerate(views):
        cv2.imwrite(str(made / f"{number}.png"), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return made


def answers(capsys, *arguments):
    main(["analyze", "--json", *map(str, arguments)])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {one["file"].rpartition("/")[2]: one for one in told}


def aligned(cell, alignment):
    """Return the probabilities as a reader of the message computes them."""
    scaled = {k: (v - alignment["logits"][k]) / TEMPERATURE for k, v in cell["logits"].items()}
    exponents = {k: np.exp(v - max(scaled.values())) for k, v in scaled.items()}
    return {k: v / sum(exponents.values()) for k, v in exponents.items()}


def without_time(answer):
    return {key: value for key, value in answer.items() if key != "timings_ms"}


def test_a_pictures_scale_is_looked_for_once_and_its_cells_are_those_of_a_picture_by_itself(
    folder, capsys, monkeypatch
):
    apart = answers(capsys, folder, "--apart")
    looked = []
    monkeypatch.setattr(cells, "look_for_scale", lambda frame: looked.append(1) or look_for_scale(frame))
    together = answers(capsys, folder)
    assert len(looked) == len(together) == 10
    for name, one in together.items():
        assert (one["scale"], one["red_cells"]) == (apart[name]["scale"], apart[name]["red_cells"])
        here, alone = (
            [(cell["box"], cell["logits"]) for cell in each["cells"]] for each in (one, apart[name])
        )
        assert here == alone


def test_pictures_of_one_call_are_aligned_alike_and_their_probabilities_follow(folder, capsys):
    found = answers(capsys, folder)
    cells = sum(len(one["cells"]) for one in found.values())
    assert cells > 10
    said = [one["alignment"] for one in found.values() if one["cells"]]
    assert all(one == said[0] for one in said)
    assert said[0]["cells"] == min(cells, MOST)
    assert max(map(abs, said[0]["logits"].values())) > 0.05
    for one in found.values():
        for cell in one["cells"]:
            assert cell["probabilities"] == pytest.approx(aligned(cell, one["alignment"]), abs=2e-3)


def test_what_the_edge_cuts_tells_nothing_as_on_the_device(folder, views, capsys):
    x, _, width, _ = max(answers(capsys, folder)["2.png"]["cells"], key=lambda cell: cell["box"][0])["box"]
    cv2.imwrite(str(folder / "2.png"), cv2.cvtColor(views[2][:, : x + 4 * width // 5], cv2.COLOR_RGB2BGR))
    found = answers(capsys, folder)
    cut = [cell["cut_by_edge"] for one in found.values() for cell in one["cells"]]
    assert cut.count(True) == 1
    (told,) = {one["alignment"]["cells"] for one in found.values() if one["cells"]}
    assert told == cut.count(False)


def test_the_order_of_the_pictures_is_no_matter(folder, capsys):
    paths = sorted(folder.iterdir())
    some = answers(capsys, *paths), answers(capsys, *reversed(paths))
    for name, one in some[0].items():
        assert without_time(one)["alignment"] == some[1][name]["alignment"]


def test_a_picture_that_is_there_twice_tells_once(folder, capsys):
    before = answers(capsys, folder)
    (folder / "again.png").write_bytes((folder / "3.png").read_bytes())
    after = answers(capsys, folder)
    assert after["4.png"]["alignment"] == before["4.png"]["alignment"]


def test_pictures_that_are_not_of_one_microscope_are_called_each_by_itself(folder, capsys):
    apart = answers(capsys, "--apart", folder)
    alone = answers(capsys, folder / "2.png")
    assert without_time(apart["2.png"]) == without_time(alone["2.png"])
    for one in (each for each in apart.values() if each["cells"]):
        assert one["alignment"]["cells"] == 0
        assert not any(one["alignment"]["logits"].values())


def fields(path, views, *, restart, align=True, registration="auto"):
    """Count the views into a specimen, begun anew before each of them or not; return the stored fields."""
    config = Config(
        SimulatedConfig(),
        specimen=SpecimenConfig(id="S", registration=registration),
        store=StoreConfig(str(path)),
        model=ModelConfig(align=align),
        device_id="d",
    )
    frames = [Frame(view, f"view {n}", identity.now(), source_id=str(n)) for n, view in enumerate(views)]
    with Store.open(path) as store:
        for shown in range(1 if restart else len(frames), len(frames) + 1):
            pipeline = Pipeline(config, load_model(config), store, Nobody(), Progress())
            for frame in frames[:shown]:
                pipeline.take(frame)
        return list(store.fields("S"))


def said_of(field):
    return field.alignment, [
        (cell.label, cell.probabilities, cell.logits, cell.rejected) for cell in field.cells
    ]


def test_begun_anew_before_each_field_a_specimen_s_cells_are_called_as_in_one_run(tmp_path, views):
    whole = fields(tmp_path / "whole.db", views, restart=False)
    pieces = fields(tmp_path / "pieces.db", views, restart=True)
    assert [said_of(one) for one in whole] == [said_of(one) for one in pieces]
    told = [one.alignment.cells for one in whole if one.cells]
    wholes = [sum(not cell.cut_by_edge for cell in one.cells) for one in whole if one.cells]
    assert told == [sum(wholes[:number]) for number in range(len(told))], "those of the fields before"


@pytest.mark.parametrize("restart", [False, True], ids=["in one run", "begun anew before each"])
def test_a_cell_that_stays_in_view_tells_once(tmp_path, restart):
    smear = Smear.draw(5, 24, stain=0.6)
    shown = [smear.view(x, 0, WIDTH, HEIGHT) for x in (1120, 1120, 1120, 1280, 1280, 1120)]
    found = fields(tmp_path / "rest.db", shown, restart=restart, registration="on")
    assert [round(one.position.x / 10) for one in found] == [0, 0, 0, 16, 16, 0]
    at = [
        [(one.position.x + cell.box[0], cell.box[1]) for cell in one.cells if not cell.cut_by_edge]
        for one in found
    ]
    new = [place for place in at[3] if not any(math.dist(place, other) < 15 for other in at[0])]
    assert 0 < len(new) < len(at[3]), "one comes into view, another one stays"
    told = [one.alignment.cells for one in found]
    assert told == [0, *[len(at[0])] * 3, *[len(at[0]) + len(new)] * 2]


def test_a_configuration_can_say_that_nothing_is_aligned(tmp_path, views):
    for field in fields(tmp_path / "plain.db", views[:4], restart=False, align=False):
        assert field.alignment is None
