"""Readers of the layouts in which data sets come: a folder per class, VOC boxes, YOLO boxes, masks.

A reader lists what a set holds, in an order of its own that never changes. Of the images it reads no more
than their size, and that only where boxes or masks must fit it. Every error is a DataError naming the file.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from edge.cameras.image_folders import is_left_out
from trainer.data.images import AnnotatedImage, Box, DataError, Kind, LabelledImage
from trainer.data.reading import box_of, images_below, images_or_error, kind_of, pixels_of, size_of, text_of
from trainer.data.table_readers import BoxCells, BoxFields, EmptyFields, LabelTable
from trainer.data.thing_reader import Things

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_EDGES = ("xmin", "ymin", "xmax", "ymax")
_COLUMNS = ("image", "category")


@dataclass(frozen=True)
class ClassFolders:
    """A folder a class. classes: folder name -> label. others: whether more folders may lie beside them.

    slides: whether each holds a folder a slide.
    """

    classes: Mapping[str, str]
    others: bool = False
    slides: bool = False

    def read(self, folder: Path, data: Path) -> list[LabelledImage]:
        """List the images by folder and name. Raises DataError for a strange folder or an empty class."""
        strange = sorted(
            p.name
            for p in folder.iterdir()
            if p.is_dir() and p.name not in self.classes and not is_left_out(p.name)
        )
        if strange and not self.others:
            known = ", ".join(sorted(self.classes))
            raise DataError(f"{folder}: holds {strange[0]}, which is no class of {folder.name} ({known})")
        images = []
        for spelling, label in sorted(self.classes.items()):
            found = images_below(folder / spelling)
            if not found:
                raise DataError(f"{folder / spelling}: holds no image of the class {label}")
            images += [self._image(p, label, folder / spelling, data) for p in found]
        return images

    def _image(self, path: Path, label: str, of_class: Path, data: Path) -> LabelledImage:
        name = path.relative_to(data).as_posix()
        if not self.slides:
            return LabelledImage(path, label, name)
        slide = path.relative_to(of_class).parts[0]
        if of_class / slide == path:
            raise DataError(
                f"{path}: lies in no folder of a slide; {of_class.name}/SLIDE/{path.name} is wanted"
            )
        return LabelledImage(path, label, name, group=slide)


@dataclass(frozen=True)
class VocFields:
    """Fields with boxes as in Pascal VOC: JPEGImages/, and for each an XML file in Annotations/.

    kinds: object name -> kind. masks: folder of the nucleus masks, or None. Box corners count as 0-based
    edges: tools disagree by one pixel, and nothing here depends on it. A box without area, a click that
    became no box, marks nothing and is passed over.
    """

    kinds: Mapping[str, Kind]
    masks: str | None = None

    def read(self, folder: Path, data: Path) -> list[AnnotatedImage]:
        """List the fields by name. Raises DataError."""
        fields = []
        for path in images_or_error(folder / "JPEGImages"):
            size = size_of(path)
            boxes = _voc_boxes(folder / "Annotations" / f"{path.stem}.xml", self.kinds, size)
            mask = _mask(folder / self.masks, path, size) if self.masks else None
            fields.append(AnnotatedImage(path, path.relative_to(data).as_posix(), boxes, mask))
        return fields


@dataclass(frozen=True)
class VocCells:
    """The white cells of VOC fields whose classes stand, a row a field, in labels.csv (image, category).

    classes: class as in the file, in any case -> label. A row may be empty or name several classes, with
    commas between; which of them is in which box it does not tell. So a field's boxes have a class where its
    row names only one, and at least as often as there are boxes: of two boxes and one name, one box is
    something that was not named. The other fields are passed over.
    """

    fields: VocFields
    classes: Mapping[str, str]

    def read(self, folder: Path, data: Path) -> list[LabelledImage]:
        """List the cells by label and name; of several in a field, each has its number in its name.

        Raises DataError.
        """
        known = _field_labels(folder / "labels.csv", self.classes)
        cells = []
        for field in self.fields.read(folder, data):
            labels = known.get(field.path.name, [])
            boxes = [box for box in field.boxes if box.kind == "white cell"]
            if len(set(labels)) != 1 or len(boxes) > len(labels):
                continue
            for number, box in enumerate(boxes, 1):
                name = field.name if len(boxes) == 1 else f"{field.name}#{number}"
                cells.append(LabelledImage(field.path, labels[0], name, box))
        if not cells:
            raise DataError(f"{folder}: holds no white cell whose class is known")
        return sorted(cells, key=lambda cell: (cell.label, cell.name))


@dataclass(frozen=True)
class YoloFields:
    """Fields with boxes as for YOLO: images/, and for each a text file in labels/.

    A line is a class number, then the box's middle and size (x, y, width, height) as shares of the image's.
    kinds: class number, as it is written -> kind.
    """

    kinds: Mapping[str, Kind]

    def read(self, folder: Path, data: Path) -> list[AnnotatedImage]:
        """List the fields by name. Raises DataError."""
        return [
            AnnotatedImage(
                path,
                path.relative_to(data).as_posix(),
                _yolo_boxes(folder / "labels" / f"{path.stem}.txt", self.kinds, size_of(path)),
            )
            for path in images_or_error(folder / "images")
        ]


@dataclass(frozen=True)
class MaskedImages:
    """Images in images/, and for each a PNG file of its name in masks/."""

    def read(self, folder: Path, data: Path) -> list[AnnotatedImage]:
        """List the images by name. Raises DataError."""
        return [
            AnnotatedImage(
                path, path.relative_to(data).as_posix(), mask=_mask(folder / "masks", path, size_of(path))
            )
            for path in images_or_error(folder / "images")
        ]


LabelledReader = ClassFolders | VocCells | BoxCells | LabelTable | Things
AnnotatedReader = VocFields | YoloFields | MaskedImages | BoxFields | EmptyFields


def _mask(masks: Path, image: Path, size: tuple[int, int]) -> Path:
    mask = masks / f"{image.stem}.png"
    if not mask.is_file():
        raise DataError(f"{mask}: there is no such mask for {image.name}")
    own = size_of(mask)
    if own != size:
        raise DataError(f"{mask}: is {own[0]}x{own[1]}, but {image.name} is {size[0]}x{size[1]}")
    return mask


def _voc_boxes(path: Path, kinds: Mapping[str, Kind], size: tuple[int, int]) -> tuple[Box, ...]:
    text = text_of(path, "annotation")
    # Entities, which can grow without bound, are declared in a document type and nowhere else.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(f"{path}: declares a document type or an entity, which no annotation needs")
    try:
        root = ET.fromstring(text)  # noqa: S314 (neither entities nor other files: see above)
    except ET.ParseError as error:
        raise DataError(f"{path}: is not XML: {error}") from None
    told = (root.findtext("size/width"), root.findtext("size/height"))
    if told not in {(None, None), (str(size[0]), str(size[1]))}:
        raise DataError(f"{path}: is for an image of {told[0]}x{told[1]}, but it is {size[0]}x{size[1]}")
    boxes = []
    for number, thing in enumerate(root.findall("object"), 1):
        where = f"{path}: object {number}"
        kind = kind_of(where, thing.findtext("name", "").strip(), kinds)
        edges = pixels_of(where, [thing.findtext(f"bndbox/{edge}", "") for edge in _EDGES])
        boxes += box_of(where, kind, edges, size)
    return tuple(boxes)


def _yolo_boxes(path: Path, kinds: Mapping[str, Kind], size: tuple[int, int]) -> tuple[Box, ...]:
    boxes = []
    for number, line in enumerate(text_of(path, "annotation").splitlines(), 1):
        words = line.split()
        if not words:
            continue
        where = f"{path}: line {number}"
        kind = kind_of(where, words[0], kinds)
        try:
            x, y, width, height = map(float, words[1:])
        except ValueError:
            raise DataError(f"{where} has no box of four numbers") from None
        shares = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        edges = pixels_of(where, [share * side for share, side in zip(shares, size * 2, strict=True)])
        boxes += box_of(where, kind, edges, size)
    return tuple(boxes)


def _field_labels(path: Path, classes: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the labels of each image's row: image file -> labels."""
    spelt = {spelling.casefold(): label for spelling, label in classes.items()}
    rows = csv.DictReader(text_of(path, "file of classes").splitlines())
    if rows.fieldnames is None or not set(_COLUMNS) <= set(rows.fieldnames):
        raise DataError(f"{path}: has no columns {' and '.join(_COLUMNS)}")
    labels: dict[str, list[str]] = {}
    for row in rows:
        where = f"{path}: line {rows.line_num}"
        if None in row:  # a second class without quotes around both would be lost
            raise DataError(f"{where} has more columns than the first line")
        image, category = row["image"], row["category"] or ""
        if image in labels:
            raise DataError(f"{where} names {image} a second time")
        words = [word.strip() for word in category.split(",") if word.strip()]
        strange = [word for word in words if word.casefold() not in spelt]
        if strange:
            raise DataError(f"{where} names {strange[0]}, which is none of {', '.join(classes)}")
        labels[image] = [spelt[word.casefold()] for word in words]
    return labels
