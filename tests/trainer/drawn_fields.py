"""Fields with white cells in known boxes, in the layout of the sets that come with boxes, drawn here."""

from __future__ import annotations

import cv2
import numpy as np

from trainer.data.images import Box

LEFT, RIGHT = (90, 80, 120, 120), (380, 260, 140, 140)
"""White-cell boxes, [x, y, width, height], on a field of 640x480."""


def white_cell(box):
    return Box("white cell", *box)


def write_image(path, cells=(), size=(640, 480)):
    """Write a pale field with a cell in each box: large dark nuclei on the left, small paler ones else."""
    picture = np.full((size[1], size[0], 3), 225, np.float32)
    nuclei = np.zeros((size[1], size[0]), np.float32)
    for x, y, width, height in cells:
        centre = (x + width // 2, y + height // 2)
        cv2.circle(picture, centre, width // 2, (215, 190, 215), cv2.FILLED)
        radius, green = (45, 60) if x < size[0] // 2 else (35, 90)
        cv2.circle(picture, centre, radius, (150, green, 110), cv2.FILLED)
        cv2.circle(nuclei, centre, radius, 1.0, cv2.FILLED)
    # A nucleus has clumps and all has grain: what is of one flat colour was drawn into a picture.
    rng = np.random.default_rng(1)
    clumps = rng.normal(0, 25, (size[1] // 9, size[0] // 9)).astype(np.float32)
    picture += (nuclei * cv2.resize(clumps, size, interpolation=cv2.INTER_CUBIC))[:, :, None]
    picture = cv2.GaussianBlur(picture, (0, 0), 1.2) + rng.normal(0, 3, picture.shape)
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)


def voc_object(kind, box):
    x, y, width, height = box
    return (
        f"<object><name>{kind}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin>"
        f"<xmax>{x + width}</xmax><ymax>{y + height}</ymax></bndbox></object>"
    )


def write_field(folder, number, cells, objects=""):
    name = f"BloodImage_{number:05d}"
    write_image(folder / "JPEGImages" / f"{name}.jpg", cells)
    annotations = folder / "Annotations"
    annotations.mkdir(exist_ok=True)
    text = "".join(voc_object("WBC", box) for box in cells) + objects
    (annotations / f"{name}.xml").write_text(f"<annotation>{text}</annotation>", encoding="utf-8")


def write_labels(folder, *categories):
    rows = [f'BloodImage_{k:05d}.jpg,"{category}"' for k, category in enumerate(categories)]
    (folder / "labels.csv").write_text("\r\n".join(["image,category", *rows]), encoding="utf-8")
