"""The registered data sets of white cells whose class is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.data.dataset import Dataset
from trainer.data.grouping import Grouping
from trainer.data.readers import ClassFolders, VocCells, VocFields
from trainer.data.table_readers import BoxCells, LabelTable

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOUR = {c.upper(): c for c in ("eosinophil", "lymphocyte", "monocyte", "neutrophil")}
_FIVE = {name: name for name in (*sorted(_FOUR.values()), "basophil")}
_BCCD_KINDS = VocFields({"WBC": "white cell", "RBC": "red cell", "Platelets": "platelet"})

BCCD = Grouping(cell=r"(BloodImage_\d+)")
# The same cells were photographed again under another slide's name, or on another day.
RAABIN = Grouping(
    "raabin/",
    same_cells="raabin",
    slide=r"([^/]+?)_\d+_\d+\.jpg",
    merged={"95-5-5-1": "95-5-4-1", "20190531": "20190527"},
)
CHULA = Grouping("chula/", same_cells="chula", slide=r"([^-_]+?)b?_\d+\.jpg")


def _blood_cell_images(part: str, counts: Mapping[str, int], sha256: str) -> dict[str, Dataset]:
    name = f"blood-cell-images/{part}"
    source = "Kaggle, paultimothymooney/blood-cells"
    entry = Dataset(
        name,
        ClassFolders(_FOUR),
        "MIT",
        source,
        counts,
        sha256,
        copies=True,
        originals="bccd/JPEGImages",
        training=part == "TRAIN",
        microscope="bccd",
        red_cell=51,
        faults="Turned, sheared and mirrored copies of 348 photographs of bccd, many of each. "
        + ("Of TRAIN's, 27 lymphocytes and 16 monocytes." if part == "TRAIN" else "Kept for measuring."),
    )
    return {name: entry}


CELLS: dict[str, Dataset] = {
    **_blood_cell_images(
        "TRAIN",
        {"eosinophil": 2497, "lymphocyte": 2483, "monocyte": 2478, "neutrophil": 2499},
        "e5ed52c92ac7ee87113eb0d46ac067dc2edfb9047f041db643043113acdb845b",
    ),
    **_blood_cell_images(
        "TEST",
        {"eosinophil": 623, "lymphocyte": 620, "monocyte": 620, "neutrophil": 624},
        "55af853aa7d7b3486b21bebd87a2586988b4bef41f05712a2ac7ab3c164332ff",
    ),
    **_blood_cell_images(
        "TEST_SIMPLE",
        {"eosinophil": 13, "lymphocyte": 6, "monocyte": 4, "neutrophil": 48},
        "2c5a1220ba102a6d6724a79c8e0bc56516abab1cbc0dcf560475a5bebc922cc0",
    ),
    # The photographs behind blood-cell-images. Of 364 fields 348 have white cells whose class is known.
    "bccd": Dataset(
        folder="bccd",
        reader=VocCells(_BCCD_KINDS, {**_FOUR, "BASOPHIL": "basophil"}),
        licence="MIT",
        source="GitHub, Shenggan/BCCD_Dataset",
        counts={"basophil": 2, "eosinophil": 87, "lymphocyte": 35, "monocyte": 20, "neutrophil": 210},
        sha256="3b8a44c1a9e054e3ab4657bd508ad28f2419b218bdd57313c21ac08a48a905cd",
        originals="bccd/JPEGImages",
        microscope="bccd",
        grouping=BCCD,
        red_cell=102,
        faults="One camera. The photographs behind blood-cell-images, TEST's among them: leave these out. "
        "35 pairs show one field twice.",
    ),
    "pbc": Dataset(
        folder="pbc",
        reader=ClassFolders(
            {
                "basophil": "basophil",
                "eosinophil": "eosinophil",
                "erythroblast": "erythroblast",
                "ig": "immature granulocyte",
                "lymphocyte": "lymphocyte",
                "monocyte": "monocyte",
                "neutrophil": "neutrophil",
                "platelet": "platelet",
            }
        ),
        licence="CC BY 4.0",
        source="Acevedo et al. 2020, A dataset of microscopic peripheral blood cell images; "
        "3,650 of its images, the central 240x240 pixels of each",
        counts={
            "basophil": 550,
            "eosinophil": 550,
            "erythroblast": 300,
            "immature granulocyte": 300,
            "lymphocyte": 550,
            "monocyte": 550,
            "neutrophil": 550,
            "platelet": 300,
        },
        sha256="13d1857d273e08a299aaf079b1ecc9c433f186273b224934f00db092222edbe7",
        microscope="pbc",
        red_cell=75,
        faults="One CellaVision: sharp, clean, one light. Patients are not told, so a split may part one. "
        "Few others have its immature cells and platelets: alone they make `other` its signature.",
    ),
    "raabin": Dataset(
        folder="raabin",
        reader=BoxCells(_FIVE),
        licence="MIT (TXL-PBC); Raabin-WBC: free access, to be cited",
        source="GitHub, lugan113/TXL-PBC_Dataset, of Raabin-WBC, Kouzehkanan et al. 2022; 450 of its fields",
        counts={"basophil": 87, "eosinophil": 89, "lymphocyte": 89, "monocyte": 91, "neutrophil": 89},
        sha256="e3f9d76e42e0e7c2570cb861ec6d57a8376a7e45a30f0caa2c06ea880e4a24e8",
        microscope="raabin",
        grouping=RAABIN,
        red_cell=123,
        faults="Classes are tied to slides: all neutrophils are of one, all lymphocytes of two, with phone "
        "cameras of two looks. 14 cells are there twice, some under two slides.",
    ),
    "chula": Dataset(
        folder="chula",
        reader=BoxCells(_FIVE),
        licence="MIT",
        source="GitHub, singgihbekti/WBC_Dataset; 488 of its fields, scaled to 960x600",
        counts={"basophil": 100, "eosinophil": 99, "lymphocyte": 109, "monocyte": 88, "neutrophil": 112},
        sha256="0abd93c7f1342943c3541db257d7139cce7955f96079f9658ebd43aed4313b8e",
        microscope="chula",
        grouping=CHULA,
        red_cell=50,
        faults="Cheap optics: uneven light, blurred, colours off. The same cell at several places: of 510 "
        "boxes 263 cells, of 100 basophils 11. Slides hold one class nearly alone. One cell has two classes.",
    ),
    "munich": Dataset(
        folder="munich",
        reader=LabelTable(
            {
                "atypical lymphocyte": "atypical lymphocyte",
                "band": "neutrophil",
                "basophil": "basophil",
                "blast": "blast",
                "eosinophil": "eosinophil",
                "erythroblast": "erythroblast",
                "ig": "immature granulocyte",
                "lymphocyte": "lymphocyte",
                "monocyte": "monocyte",
                "neutrophil": "neutrophil",
                "smudge": "smudge",
            }
        ),
        licence="CC BY 3.0",
        source="Matek et al. 2019, AML-Cytomorphology_LMU; 150 of its images",
        counts={
            "atypical lymphocyte": 10,
            "basophil": 10,
            "blast": 20,
            "eosinophil": 10,
            "erythroblast": 10,
            "immature granulocyte": 40,
            "lymphocyte": 10,
            "monocyte": 10,
            "neutrophil": 20,
            "smudge": 10,
        },
        sha256="80f375fe33a0ceb30a3f0a1806abb644f4d95aebf6127de56f23d45a1fb78b8d",
        microscope="munich",
        red_cell=100,
        grouping=Grouping("munich/", cell=r"___([A-Z]+_\d+)_"),
        faults="Ten cells a class, of 137 originals: 13 are there twice, turned and stretched, which its own "
        "table does not tell. Edges are smeared out by that turning. Patients with leukaemia.",
    ),
}
