"""What all readers of data sets do: list a folder, read a table, check a box; every error names the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.cameras.image_folders import find_images, images_directly_in
from edge.cameras.image_header import image_size
from edge.errors import CameraError
from trainer.data.images import Box, DataError, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edge.cameras.image_folders import ImageFile


def images_in(folder: Path) -> list[Path]:
    """The images of a folder and of none below it, by name, without hidden and deleted ones and thumbnails.

    Of a folder that is not there, none. Raises DataError for a link that leads nowhere, and for a picture of
    a kind that is not read.
    """
    return _without_problems(images_directly_in(folder)) if folder.is_dir() else []


def images_below(folder: Path) -> list[Path]:
    """The images of a folder and of all below it, as `images_in` otherwise."""
    try:
        return _without_problems(find_images((str(folder),)))
    except CameraError:
        return []


def _without_problems(images: Sequence[ImageFile]) -> list[Path]:
    for image in images:
        if image.problem is not None:
            raise DataError(image.problem)
        try:
            str(image.path).encode()
        except UnicodeEncodeError:
            # A run knows its images by name, and JSON has no other letters.
            told = str(image.path).encode(errors="backslashreplace").decode()
            raise DataError(f"{told}: its name is not UTF-8; give it another") from None
    return [image.path for image in images]


def images_or_error(folder: Path) -> list[Path]:
    """List the images of a folder by name. Raises DataError where there is none."""
    found = images_in(folder)
    if not found:
        raise DataError(f"{folder}: holds no image")
    return found


def size_of(path: Path) -> tuple[int, int]:
    """Return (width, height) of a whole image. Raises DataError."""
    try:
        size = image_size(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if size is None:
        raise DataError(f"{path}: is not an image that can be read")
    return size


def text_of(path: Path, what: str) -> str:
    """Return the text of a file; `what` is what an error calls it. Raises DataError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such {what}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text") from None


def kind_of(where: str, name: str, kinds: Mapping[str, Kind]) -> Kind:
    """Return the kind that a set calls so. Raises DataError."""
    if name not in kinds:
        raise DataError(f"{where} is {name!r}, which is none of {', '.join(kinds)}")
    return kinds[name]


def pixels_of(where: str, numbers: Sequence[str | float]) -> list[int]:
    """Return whole pixels. Raises DataError for what is no number."""
    try:
        return [round(float(number)) for number in numbers]
    except (ValueError, OverflowError):  # no number at all; not a number, infinite
        raise DataError(f"{where} has no box of four numbers") from None


def box_of(where: str, kind: Kind, edges: Sequence[int], size: tuple[int, int]) -> list[Box]:
    """Return the box between [left, top, right, bottom], or none where it has no area. Raises DataError."""
    left, top, right, bottom = edges
    if not (0 <= left <= right <= size[0] and 0 <= top <= bottom <= size[1]):
        raise DataError(
            f"{where} ({kind}) from {left},{top} to {right},{bottom} is no box inside the image, "
            f"{size[0]}x{size[1]} pixels"
        )
    if left == right or top == bottom:
        return []
    return [Box(kind, left, top, right - left, bottom - top)]
