"""The model learns from the cells that people have named in the store, and says what it passes over."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from bundles import rewritten
from samples import cell, field

from edge.adaptation.labelled_cells import LabelledCellsError
from edge.cli import main
from edge.config import Config, SimulatedConfig, StoreConfig
from edge.drawing.cell_picture import cell_picture
from edge.drawing.cell_window import cell_window
from edge.errors import LeukoscopeError
from edge.masking import CROPS
from edge.masking.crops import crop_box, cut_square
from edge.messages.commands import DiscardSpecimen, ReviewCells
from edge.naming.classifier import Classifier
from edge.slide.scan import Scan
from edge.specimens import adapting
from edge.specimens.adapting import AdaptationJob
from edge.specimens.named_cells import crop_of_picture, read_named
from edge.specimens.named_count import count_named
from edge.specimens.service import SpecimenService
from edge.store.fields import Store
from edge.store.pictures import CellPicture

MICROMETRES_PER_PIXEL = 0.15
DIAMETER = 80.0


def frame(seed: int, nucleus: int = 22) -> np.ndarray:
    """Draw one cell in the middle of glass, its nucleus off its middle, so that a shifted crop shows."""
    pixels = np.full((260, 280, 3), (228, 224, 230), np.uint8)
    cv2.circle(pixels, (140, 130), 40, (205, 180, 200), -1)
    cv2.circle(pixels, (148 - seed % 9, 122 + seed % 7), nucleus, (110, 60, 140), -1)
    return np.clip(pixels + np.random.default_rng(seed).normal(0, 3, pixels.shape), 0, 255).astype(np.uint8)


def found(label: str, *, cut_by_edge: bool = False, glass_rgb: tuple[float, float, float] | None = None):
    crop = crop_box((140.0, 130.0), DIAMETER)
    return msgspec.structs.replace(
        cell(label, cut_by_edge=cut_by_edge), box=(100, 90, 80, 80), crop=crop, glass_rgb=glass_rgb
    )


@dataclass
class Bench:
    config: Config
    service: SpecimenService
    model: Classifier

    def add(
        self,
        count: int,
        label: str,
        specimen: str = "S",
        *,
        pictures: bool = True,
        pixels: np.ndarray | None = None,
        **how,
    ) -> list[str]:
        ids = []
        with Store.open(Path(self.config.store.path)) as store:
            if store.ledger.find(specimen) is None:
                store.start_specimen(specimen)
            for _ in range(count):
                sequence = store.next_sequence()
                one = found(label, **how)
                kept = CellPicture(
                    one.cell_id, cell_picture(frame(sequence) if pixels is None else pixels, one.box, None)
                )
                store.add(field(sequence, one, specimen_id=specimen), pictures=[kept] if pictures else [])
                ids.append(one.cell_id)
        return ids

    def say(self, ids: list[str], action: str, label: str | None = None, specimen: str = "S") -> None:
        order = ReviewCells(
            specimen_id=specimen, cell_ids=tuple(ids), action=action, label=label, operator="ab"
        )
        self.service.review(order)

    def read(self, *specimens: str, simulated: bool = False):
        with Store.open(Path(self.config.store.path)) as store:
            return read_named(store, self.model, specimens, simulated=simulated)


@pytest.fixture
def bench(tmp_path):
    config = Config(SimulatedConfig(), device_id="t", store=StoreConfig(str(tmp_path / "results.db")))
    model = rewritten(tmp_path / "m.tflite", preprocessing=CROPS["found"])
    return Bench(config, SpecimenService(config), Classifier.load(model))


def counts(cells, labels):
    return {labels[place]: int((cells.labels == place).sum()) for place in np.unique(cells.labels)}


@pytest.mark.parametrize("shift", [(0, 0), (-120, 0), (0, 115)])
def test_a_crop_from_the_kept_picture_shows_what_the_model_was_shown(shift):
    pixels = np.roll(frame(3), shift, axis=(1, 0))
    centre = (140.0 + shift[0], 130.0 + shift[1])
    box = (round(centre[0]) - 40, round(centre[1]) - 40, 80, 80)
    crop = crop_box(centre, DIAMETER)
    shown = cut_square(pixels, crop, (228.0, 224.0, 230.0))
    kept = cell_picture(pixels, box, MICROMETRES_PER_PIXEL)
    again = crop_of_picture(kept, cell_window(box, MICROMETRES_PER_PIXEL), crop)
    inner = slice(30, 90)
    assert np.abs(shown[inner, inner].astype(float) - again[inner, inner]).mean() < 6


def test_a_cell_with_red_cells_all_around_is_whitened_by_the_glass_of_its_field():
    pixels = np.full((400, 420, 3), (228, 224, 230), np.uint8)
    pixels[20:380, 30:390] = (205, 150, 160)
    cv2.circle(pixels, (210, 200), 80, (190, 170, 200), -1)
    cv2.circle(pixels, (215, 195), 45, (110, 60, 140), -1)
    box, crop, glass = (130, 120, 160, 160), crop_box((210.0, 200.0), 160.0), (228.0, 224.0, 230.0)
    shown = cut_square(pixels, crop, glass)
    kept, window = cell_picture(pixels, box, MICROMETRES_PER_PIXEL), cell_window(box, MICROMETRES_PER_PIXEL)
    with_glass = crop_of_picture(kept, window, crop, glass)
    without = crop_of_picture(kept, window, crop)
    inner = slice(30, 90)
    apart = [
        np.abs(shown[inner, inner].astype(float) - one[inner, inner]).mean() for one in (with_glass, without)
    ]
    assert apart[0] < 6
    assert apart[1] > 15, "else this test could not see what is brightest in the picture"


def test_a_named_cell_is_whitened_as_it_was_when_the_model_saw_it_not_as_its_field(bench):
    levels = {"of the cell": (150.0, 224.0, 230.0), "of the field": None}
    shown = {}
    for number, (which, glass) in enumerate(levels.items(), start=1):
        bench.say(
            bench.add(1, "neutrophil", f"S-{number}", pixels=frame(3), glass_rgb=glass),
            "confirm",
            specimen=f"S-{number}",
        )
        (shown[which],) = bench.read(f"S-{number}").crops
    expected = cut_square(frame(3), crop_box((140.0, 130.0), DIAMETER), levels["of the cell"])
    inner = slice(30, 90)
    apart = {
        k: np.abs(expected[inner, inner].astype(float) - v[inner, inner]).mean() for k, v in shown.items()
    }
    assert apart["of the cell"] < 6 < apart["of the field"]


def test_what_people_said_is_what_it_learns(bench):
    confirmed = bench.add(3, "neutrophil")
    renamed = bench.add(4, "neutrophil")
    blasts, dirt = bench.add(2, "lymphocyte"), bench.add(1, "monocyte")
    bench.add(5, "eosinophil")  # nobody has looked at these
    undone = bench.add(1, "neutrophil")
    cut = bench.add(1, "neutrophil", cut_by_edge=True)
    lost = bench.add(2, "neutrophil", pictures=False)
    bench.say(confirmed, "confirm")
    bench.say(renamed, "relabel", "monocyte")
    bench.say(blasts, "relabel", "blast")
    bench.say(dirt, "exclude")
    bench.say(undone, "relabel", "basophil")
    bench.say(undone, "undo")
    bench.say(cut, "confirm")
    bench.say(lost, "confirm")
    cells = bench.read()
    assert counts(cells, bench.model.labels) == {"neutrophil": 3, "monocyte": 4, "other": 3}
    assert all(crop.shape == (120, 120, 3) for crop in cells.crops)
    said = [str(each) for each in cells.remarks]
    assert "2 named blast: learnt as other, as the model has no such class" in said
    assert "specimen S: 2 named cells have no picture any more" in said
    with Store.open(Path(bench.config.store.path)) as store:
        shown = count_named(store, simulated=False)
        assert shown == {"monocyte": 4, "neutrophil": 3, "blast": 2, "not a white cell": 1}
        assert count_named(store, simulated=True) == {}, "no drawn slide was named"


def test_a_cell_of_a_smeared_field_teaches_nothing_as_another_field_shows_it(bench):
    sharp = bench.add(2, "neutrophil")
    smeared = found("neutrophil")
    with Store.open(Path(bench.config.store.path)) as store:
        each = field(store.next_sequence(), smeared, specimen_id="S")  # without a place on the slide
        scan, kept = Scan(1), CellPicture(smeared.cell_id, cell_picture(frame(3), smeared.box, None))
        assert store.add(each, None, scan.contribution(each), cells=scan.standings(each), pictures=[kept])
    bench.say([*sharp, smeared.cell_id], "confirm")
    assert len(bench.read().crops) == 2
    with Store.open(Path(bench.config.store.path)) as store:
        assert count_named(store, simulated=False) == {"neutrophil": 2}
    agreement = bench.service.agreement("S")
    assert agreement is not None
    assert agreement.cells == 2


def test_a_damaged_picture_is_passed_over_with_a_remark(bench):
    whole, spoilt = bench.add(2, "neutrophil"), bench.add(1, "monocyte")
    bench.say([*whole, *spoilt], "confirm")
    with closing(sqlite3.connect(bench.config.store.path)) as db, db:
        db.execute("UPDATE cell_pictures SET jpeg = ? WHERE cell_id = ?", (b"spoilt", spoilt[0]))
    cells = bench.read()
    assert counts(cells, bench.model.labels) == {"neutrophil": 2}
    assert [str(each) for each in cells.remarks] == ["specimen S: the picture of a named cell is damaged"]


def test_specimens_are_chosen_and_those_that_say_nothing_of_blood_are_not(bench):
    first, second = bench.add(2, "neutrophil", "A"), bench.add(3, "lymphocyte", "B")
    bench.say(first, "confirm", specimen="A")
    bench.say(second, "confirm", specimen="B")
    assert len(bench.read().crops) == 5
    assert counts(bench.read("B"), bench.model.labels) == {"lymphocyte": 3}
    with pytest.raises(LabelledCellsError, match="there is no specimen C"):
        bench.read("B", "C")
    bench.service.discard(DiscardSpecimen(specimen_id="A", reason="mixed up"))
    assert len(bench.read().crops) == 3
    assert "specimen A: is passed over: it is discarded" in map(str, bench.read("A").remarks)
    assert not bench.read(simulated=True).crops, "cells of blood teach a drawn slide nothing"


def test_a_model_of_before_cannot_learn_from_pictures(bench):
    bench.model = Classifier.load(rewritten(bench.model.bundle.path, preprocessing="adaptive/2"))
    with pytest.raises(LabelledCellsError, match="adapt it to a folder of images"):
        bench.read()


def test_too_few_cells_are_a_sentence_on_the_command_line_and_on_the_page(bench, tmp_path, capsys):
    ids = bench.add(3, "neutrophil")
    bench.say(ids, "confirm")
    path = tmp_path / "leukoscope.toml"
    path.write_text(f'[camera]\nkind = "usb"\n[store]\npath = "{bench.config.store.path}"\n')
    assert main(["model", "adapt", "--from-store", "--config", str(path)]) == 1
    assert "too few named cells: 3 of neutrophil" in capsys.readouterr().err
    job = AdaptationJob(msgspec.structs.replace(bench.config, camera=SimulatedConfig()))
    assert job.state.state == "idle"
    job.start().join()
    assert job.state.state == "refused"
    assert "too few named cells" in job.state.sentence


def test_one_adaptation_at_a_time_and_what_fails_is_said(bench, monkeypatch):
    import threading

    going, may_end = threading.Event(), threading.Event()

    def slow(_config, specimens, report):
        report("fitting", 1, 3)
        going.set()
        may_end.wait(20)
        raise LeukoscopeError(f"no better: {', '.join(specimens)}")

    monkeypatch.setattr(adapting, "adapt_to_named", slow)
    job = AdaptationJob(bench.config)
    thread = job.start(["S"])
    assert going.wait(20)
    assert (job.state.state, job.state.doing, job.state.done, job.state.total) == ("running", "fitting", 1, 3)
    with pytest.raises(adapting.BusyError, match="being adapted already"):
        job.start()
    may_end.set()
    thread.join()
    assert (job.state.state, job.state.sentence) == ("refused", "no better: S")
    may_end.set()
    job.start().join()


@pytest.mark.parametrize(
    "arguments", [(), ("named", "--from-store"), ("named", "--specimen", "S"), ("--from-store", "--out", "x")]
)
def test_arguments_that_do_not_go_together_are_a_sentence(arguments, capsys):
    assert main(["model", "adapt", *arguments]) == 2
    assert "give a FOLDER of named cells, or --from-store" in capsys.readouterr().err
