"""Which images belong together: what a split must not part, and what counts once."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from real_data import DATA, real_images

from trainer.data.arrays import Samples
from trainer.data.datasets import DATASETS, list_annotated, list_images
from trainer.data.grouping import SAME_CELLS, Grouping
from trainer.data.images import LabelledImage
from trainer.data.readers import AnnotatedReader
from trainer.data.splits import draw_probabilities, hold_out_photographs


def cell(name, label="neutrophil"):
    return LabelledImage(Path(name), label, name)


def test_fields_that_were_photographed_twice_are_one_group():
    grouping = Grouping(cell=r"(BloodImage_\d+)")
    one, other, third = grouping.of(
        [cell(f"bccd/JPEGImages/BloodImage_{number}.jpg") for number in ("00019", "00020", "00021")]
    )
    assert one.group == other.group != third.group
    assert one.cell == other.cell


def test_slides_that_share_a_cell_are_one_group():
    grouping = DATASETS["raabin"].grouping
    names = ("95-5-4-1_1_1", "95-5-5-1_1_1", "95-8-3-1_1_1")
    one, other, third = grouping.of([cell(f"raabin/images/lymphocyte/{name}.jpg") for name in names])
    assert one.group == other.group != third.group
    assert one.cell != other.cell


def test_cells_of_a_slide_stay_together_and_each_counts_once():
    """Ten pictures of one cell weigh as much as one of another, and lie on its side of a split."""
    labels = np.zeros(40, np.int64)
    groups = tuple(f"slide {i // 20}" for i in range(40))
    cells = tuple("a" if i < 10 else f"cell {i}" for i in range(40))
    samples = Samples(np.zeros((40, 1, 1, 3), np.uint8), labels, groups, cells=cells)
    chance = draw_probabilities(labels, samples.shown(), 1.0)
    assert chance[:10].sum() == pytest.approx(chance[10])
    held = samples.chosen(hold_out_photographs(labels, groups, 0.5, 1))
    assert len(held.labels) == 20
    assert len(set(held.photographs)) == 1
    assert held.cells == (cells[:20] if held.photographs[0] == "slide 0" else cells[20:])


@pytest.mark.parametrize("path", sorted(SAME_CELLS.glob("*.csv")), ids=lambda path: path.stem)
def test_the_tables_of_same_cells_name_images_of_their_set(path):
    real_images(path.stem)
    images = DATA / path.stem / "images"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert max(Counter(row["image"] for row in rows).values()) == 1
    assert not [row["image"] for row in rows if not (images / row["image"].partition("#")[0]).is_file()]


@pytest.mark.parametrize(
    ("first", "second"),
    [("fields-575", "raabin/fields"), ("fields-416", "bccd/fields")],
)
def test_sets_of_one_microscope_share_their_groups(first, second):
    real_images(DATASETS[first].folder)
    real_images(DATASETS[second].folder)
    one, other = ({image.group for image in list_annotated(DATA, name)} for name in (first, second))
    assert one <= other
    assert DATASETS[first].microscope == DATASETS[second].microscope


def test_groups_of_two_microscopes_never_have_one_name():
    owners = {}
    for name, known in DATASETS.items():
        if known.grouping is None or not (DATA / known.folder).is_dir():
            continue
        listing = list_annotated if isinstance(known.reader, AnnotatedReader) else list_images
        for image in listing(DATA, name):
            assert owners.setdefault(image.group, known.microscope) == known.microscope
    if not owners:
        pytest.skip("no real images")


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_a_set_says_where_it_is_from_and_what_is_wrong_with_it(name):
    known = DATASETS[name]
    assert known.licence
    assert known.source
    assert known.microscope
    assert len(known.faults) > 20
    if "none stated" in known.licence or "research" in known.licence:
        assert not known.training
