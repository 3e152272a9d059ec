"""The registered data sets of fields and of cells without a class: where things lie is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from trainer.data.cell_sets import BCCD, CELLS, RAABIN
from trainer.data.dataset import UNLABELLED, Dataset
from trainer.data.grouping import Grouping
from trainer.data.readers import MaskedImages, VocFields, YoloFields
from trainer.data.table_readers import BoxFields, EmptyFields
from trainer.data.thing_reader import Things

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.data.images import Kind

_KINDS: tuple[Kind, ...] = ("white cell", "red cell", "platelet")
_BCCD = VocFields({"WBC": "white cell", "RBC": "red cell", "Platelets": "platelet"}, masks="NucleusMasks")
_TXL = YoloFields({"0": "white cell", "1": "red cell", "2": "platelet"})
_RAABIN_WRONG = (
    "basophil/20190526_165958_0.jpg",
    "basophil/20190527_112022_0.jpg",
    "basophil/20190527_115308_0.jpg",
    "basophil/20190531_111058_0.jpg",
    "basophil/20190531_112511_0.jpg",
    "basophil/20190531_115100_0.jpg",
    "eosinophil/95-8-20-3_119_1.jpg",
    "lymphocyte/95-5-4-1_186_1.jpg",
    "lymphocyte/95-5-4-1_324_2.jpg",
    "lymphocyte/95-7-24-2_250_1.jpg",
    "lymphocyte/95-7-24-2_290_1.jpg",
    "lymphocyte/95-7-24-2_322_2.jpg",
    "monocyte/95-8-12-4_164_1.jpg",
    "monocyte/95-8-12-4_175_1.jpg",
    "monocyte/95-8-12-5_6_1.jpg",
    "neutrophil/95-8-3-1_237_1.jpg",
    "neutrophil/95-8-3-1_242_2.jpg",
)

FIELDS: dict[str, Dataset] = {
    "bccd/fields": Dataset(
        folder="bccd",
        reader=_BCCD,
        licence="MIT, and so are the masks",
        source="GitHub, Shenggan/BCCD_Dataset; nucleus masks by P. P. Banik et al.",
        counts={UNLABELLED: 364},
        sha256="1ea2224ab115a98b0327c2e7255338444c6b7f8b15b728c4a3275e69b2052352",
        microscope="bccd",
        grouping=BCCD,
        annotated=("white cell",),
        red_cell=102,
        faults="About a third of the red cells, those in heaps, and many platelets have no box; the masks "
        "outline whole cells, though they are named after nuclei. The photographs of TEST are among them.",
    ),
    "fields-575": Dataset(
        folder="fields-575",
        reader=_TXL,
        licence="MIT",
        source="GitHub, lugan113/TXL-PBC_Dataset; 200 of its fields, 575x575",
        counts={UNLABELLED: 200},
        sha256="311aa96c8603afb6b65006ca506641eff48c4338e70e2e3792f78a3a256eee9e",
        microscope="raabin",
        grouping=replace(RAABIN, same_cells="fields-575"),
        annotated=("white cell", "red cell"),
        red_cell=123,
        faults="No microscope of its own: all 200 are images of raabin, to the byte, with the same "
        "boxes that are wrong. Train on raabin/fields in its place.",
    ),
    "fields-416": Dataset(
        folder="fields-416",
        reader=_TXL,
        licence="MIT",
        source="GitHub, lugan113/TXL-PBC_Dataset; 110 of its fields, 416x416",
        counts={UNLABELLED: 110},
        sha256="a33d45630ab6bb19611ad28a5cee3db70f11672aa14e642d4b95210fad0a8d37",
        microscope="bccd",
        grouping=Grouping(same_cells="fields-416"),
        annotated=_KINDS,
        red_cell=75,
        faults="No microscope of its own: all 110 are photographs of bccd, turned, mirrored, pressed into a "
        "square and some darkened. They are of 100 fields.",
    ),
    "zheng1": Dataset(
        folder="zheng1",
        reader=MaskedImages(),
        licence="research use",
        source="GitHub, zxaoyou/segmentation_WBC, Dataset 1; Zheng et al. 2018",
        counts={UNLABELLED: 300},
        sha256="c3b37be05c7fca93b6bb62df5059c94f6728bd12060afeb0d874d35719223dce",
        training=False,
        microscope="zheng1",
        faults="Another stain, without red cells; no classes. Small, 120x120; some bright to clipping.",
    ),
    "raabin/fields": replace(
        CELLS["raabin"],
        reader=BoxFields(without=_RAABIN_WRONG),
        counts={UNLABELLED: 433},
        sha256="5df7ecca0a9301357574f8c9b11561a472786c50d94f4a61fbab3a05f7f2ff7b",
        annotated=("white cell", "red cell"),
        faults=f"As raabin. In {len(_RAABIN_WRONG)} fields a red cell is boxed as a white one, "
        "or a white one as a red: passed over. Most platelets have no box.",
    ),
    "chula/fields": replace(
        CELLS["chula"],
        reader=BoxFields(),
        counts={UNLABELLED: 488},
        sha256="7e4deee88bf2c2cb5232d033077f1636bc8aebf2456ab5b74c1cb5b1c18f2a51",
        annotated=("white cell",),
        faults="As chula. No boxes of red cells and platelets.",
    ),
    "ankara": Dataset(
        folder="ankara",
        reader=BoxFields(without=("image-100.png", "image-104.png", "image-114.png")),
        licence="MIT",
        source="GitHub, draaslan/blood-cell-detection-dataset",
        counts={UNLABELLED: 97},
        sha256="0db4089df2a71bbf1dd028ffd6210cb7e155aad4085737ef875c6d94c9819041",
        microscope="ankara",
        grouping=Grouping("ankara/", same_cells="ankara"),
        annotated=("white cell", "red cell"),
        red_cell=49,
        faults="Small, 256x256: a white cell fills half of the frame. No classes, slides not told; 20 pairs "
        "show one cell twice. In three a red cell or bare slide is boxed as a white cell: passed over.",
    ),
    "red-cells": Dataset(
        folder="red-cells",
        # Each shows a white cell, or what is left of one.
        reader=EmptyFields(without=("193.jpg", "206.jpg", "391.jpg", "427.jpg", "682.jpg", "96.jpg")),
        licence="MIT",
        source="GitHub, Chula-RBC-12; 110 of its fields",
        counts={UNLABELLED: 104},
        sha256="3601e101258c0f732b334e5b8fb05bf6d80a27ae7a0b091b2ee09f9a75be5349",
        microscope="red-cells",
        grouping=Grouping("red-cells/", same_cells="red-cells"),
        annotated=("white cell",),
        red_cell=39,
        faults="No boxes: platelets and red cells are there and not marked. Six of 110 show a white cell or "
        "what is left of one: passed over. Scale bars and arrows are drawn into many.",
    ),
    "olympus": Dataset(
        folder="olympus",
        reader=BoxFields(),
        licence="none stated: for measuring only",
        source="Bio-Net (Shams)",
        counts={UNLABELLED: 150},
        sha256="709f57f14fa55d3224e85df834b4be46aa24eeb268e9560e9936fe90bbc0af66",
        training=False,
        microscope="olympus",
        grouping=Grouping("olympus/", same_cells="olympus"),
        annotated=_KINDS,
        red_cell=56,
        faults="No licence. Many stains and lights; no classes, slides not told; 87 show a cell that another "
        "shows too. Red cells cut by the edge often have no box.",
    ),
}


def _things(name: str, of: str, sha256: str, counts: Mapping[str, int]) -> dict[str, Dataset]:
    """Return the set of what the fields of another show besides white cells."""
    fields = FIELDS[of]
    reader = Things(fields.reader, fields.red_cell or 0.0)  # type: ignore[arg-type]
    faults = f"Red cells and platelets of {of}, some of each: examples of what is no white cell."
    return {name: replace(fields, reader=reader, sha256=sha256, counts=counts, faults=faults)}


FIELDS |= {
    **_things(
        "bccd/things",
        "bccd/fields",
        "39a3bd480034fa1fb90403dfeb0b188759054162d330b1fb9791684b82ecdf98",
        {"platelet": 121, "red cell": 149},
    ),
    **_things(
        "raabin/things",
        "raabin/fields",
        "8c1bc1f639d97bccc1b6044e4f51bf02350d7289c31bba3dac09c2083daaade1",
        {"platelet": 24, "red cell": 148},
    ),
    **_things(
        "ankara/things",
        "ankara",
        "a0780b328fb28a1c3579933670e6d70fca33a7c02d83cc8e6d8cb8e23a124926",
        {"red cell": 145},
    ),
}
