"""Sets that come with a table of boxes or of labels: what they give, and what is said of a wrong one."""

from __future__ import annotations

import pytest
from drawn_fields import white_cell, write_image

from trainer.data.datasets import list_annotated, list_images
from trainer.data.images import Box, DataError

HEAD = "image,x,y,width,height,kind,label,group"
ROWS = (
    "E-11_0981.jpg,90.4,80.4,120,120,white cell,neutrophil,E-11",
    "E-11_0981.jpg,380,260,140,140,white cell,lymphocyte,E-11",
    "E-11_0990.jpg,90,80,120,120,white cell,neutrophil,E-11",
    "E-11_0990.jpg,380,260,140,140,white cell,eosinophil,E-11",
    "L-8_0001.jpg,90,80,120,120,white cell,lymphocyte,L-8",
    "M-8_0002.jpg,90,80,120,120,white cell,monocyte,M-8",
    "M-8_0002.jpg,500,400,2,2,white cell,monocyte,M-8",
    "M-8_0003.jpg,90,80,120,120,white cell,,M-8",
    "M-8_0003.jpg,0,300,80,80,red cell,,M-8",
)


@pytest.fixture
def chula(tmp_path):
    for row in ROWS:
        write_image(tmp_path / "chula" / "images" / row.partition(",")[0])
    write_rows(tmp_path, *ROWS)
    return tmp_path


def write_rows(data, *rows, head=HEAD):
    (data / "chula" / "boxes.csv").write_text("\n".join([head, *rows]), encoding="utf-8-sig")


def test_a_cell_has_its_class_its_box_and_its_slide(chula):
    cells = {cell.name.removeprefix("chula/images/"): cell for cell in list_images(chula, "chula")}
    assert {name: (cell.label, cell.box) for name, cell in cells.items()} == {
        "E-11_0981.jpg#1": ("neutrophil", white_cell((90, 80, 120, 120))),
        "E-11_0990.jpg#1": ("neutrophil", white_cell((90, 80, 120, 120))),
        "L-8_0001.jpg": ("lymphocyte", white_cell((90, 80, 120, 120))),
        "M-8_0002.jpg": ("monocyte", white_cell((90, 80, 120, 120))),
    }
    assert cells["L-8_0001.jpg"].group == cells["M-8_0002.jpg"].group != cells["E-11_0981.jpg#1"].group


def test_a_cell_that_has_two_classes_has_none(chula):
    """E-11_0981 and E-11_0990 show one cell, called a lymphocyte there and an eosinophil here."""
    assert not {"E-11_0981.jpg#2", "E-11_0990.jpg#2"} & {
        cell.name.removeprefix("chula/images/") for cell in list_images(chula, "chula")
    }


def test_a_field_has_all_its_boxes_but_a_slip_of_the_mouse(chula):
    fields = {field.path.name: field for field in list_annotated(chula, "chula/fields")}
    assert fields["M-8_0002.jpg"].boxes == (white_cell((90, 80, 120, 120)),)
    assert fields["M-8_0003.jpg"].boxes[1] == Box("red cell", 0, 300, 80, 80)
    assert fields["E-11_0981.jpg"].group == fields["E-11_0990.jpg"].group


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("L-8_0001.jpg,1,2,white cell", "line 2 has not as many columns"),
        ("L-8_0001.jpg,a,2,3,4,white cell,,L-8", "line 2 has no box of four numbers"),
        ("L-8_0001.jpg,nan,2,3,4,white cell,,L-8", "line 2 has no box of four numbers"),
        ("L-8_0001.jpg,600,2,99,40,white cell,,L-8", "line 2 .* is no box inside the image, 640x480"),
        ("L-8_0001.jpg,1,2,30,40,wight cell,,L-8", "line 2 is 'wight cell', which is none of white cell"),
        ("L-8_0001.jpg,1,2,30,40,white cell,blast,L-8", "L-8_0001.jpg is 'blast', which is none of eosino"),
    ],
)
def test_a_wrong_line_is_named_with_what_is_wrong(chula, row, sentence):
    write_rows(chula, row)
    with pytest.raises(DataError, match=rf"boxes\.csv: {sentence}"):
        list_images(chula, "chula")


def test_what_is_missing_is_named(chula):
    write_rows(chula, *ROWS, head="image,x,y,width,height,label,group")
    with pytest.raises(DataError, match=r"boxes\.csv: has no column kind; wanted: image, x"):
        list_images(chula, "chula")
    write_rows(chula, "L-8_0009.jpg,1,2,30,40,white cell,,L-8")
    with pytest.raises(DataError, match=r"L-8_0009\.jpg: cannot be read"):
        list_annotated(chula, "chula/fields")
    (chula / "chula" / "boxes.csv").unlink()
    with pytest.raises(DataError, match=r"boxes\.csv: there is no such table"):
        list_annotated(chula, "chula/fields")


def munich(data, *rows):
    for row in rows:
        write_image(data / "munich" / "images" / row.partition(",")[0], size=(40, 40))
    table = "\n".join(["image,label,code,group", *rows])
    (data / "munich" / "labels.csv").write_text(table, encoding="utf-8")
    return list_images(data, "munich")


def test_finer_classes_are_kept_beside_ours_and_copies_are_one_cell(tmp_path):
    cells = munich(
        tmp_path,
        "band/NGB___NGB_0003_0_6588_109.jpg,band,NGB,a",
        "ig/MMZ___MMZ_0001_0_2294_109.jpg,ig,MMZ,b",
        "ig/MMZ___MMZ_0001_0_625_107.jpg,ig,MMZ,c",
        "monocyte/MON___MON_0001_0_1_101.jpg,monocyte,MON,d",
    )
    assert [(cell.label, cell.detail) for cell in cells] == [
        ("immature granulocyte", "ig"),
        ("immature granulocyte", "ig"),
        ("monocyte", ""),
        ("neutrophil", "band"),
    ]
    assert cells[0].cell == cells[1].cell != cells[2].cell
    assert cells[0].group == cells[1].group


def test_a_wrong_label_or_a_missing_image_is_named(tmp_path):
    with pytest.raises(DataError, match=r"labels\.csv: line 2 is 'bund', which is none of atypical"):
        munich(tmp_path, "band/a.jpg,bund,NGB,a")
    munich(tmp_path, "band/a.jpg,band,NGB,a")
    (tmp_path / "munich" / "images" / "band" / "a.jpg").unlink()
    with pytest.raises(DataError, match=r"labels\.csv: line 2 names band/a\.jpg, but there is no"):
        list_images(tmp_path, "munich")


def test_fields_without_a_white_cell_leave_out_those_that_have_one(tmp_path):
    for name in ("1.jpg", "391.jpg"):
        write_image(tmp_path / "red-cells" / "images" / name)
    assert [field.path.name for field in list_annotated(tmp_path, "red-cells")] == ["1.jpg"]
