"""Pictures of kinds that microscopes save: read rightly, or refused with the reason."""

from __future__ import annotations

import builtins
import os
import struct
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from PIL import Image

from edge.cameras.image_files import read_image
from edge.cli import main
from edge.errors import UnreadableFrameError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def smear(nuclei: int = 3) -> NDArray[np.uint8]:
    """A drawn field, RGB: salmon red cells and purple nuclei on bright glass, with noise."""
    rng = np.random.default_rng(5)
    picture = np.full((240, 320, 3), (228, 226, 224), np.uint8)
    for x, y in rng.integers(15, 225, (60, 2)):
        cv2.circle(picture, (int(x * 1.35), int(y)), 11, (222, 172, 158), -1, cv2.LINE_AA)
    for x, y in rng.integers(30, 210, (nuclei, 2)):
        cv2.circle(picture, (int(x * 1.35), int(y)), 16, (98, 52, 138), -1, cv2.LINE_AA)
    return np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


def reason(path: Path) -> str:
    with pytest.raises(UnreadableFrameError) as caught:
        read_image(path)
    name, _, said = str(caught.value).partition(": ")
    assert name == str(path)
    return said


def tiff(path: Path, *pages: NDArray[Any], **options: Any) -> Path:
    first, *others = [Image.fromarray(page) for page in pages]
    first.save(path, save_all=True, append_images=others, **options)
    return path


def test_a_tiff_of_three_pages_is_refused_with_their_number(tmp_path: Path) -> None:
    path = tiff(tmp_path / "stack.tif", smear(), smear(), smear())
    assert reason(path) == "holds 3 pages; save each that shows a field as a picture of its own"


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    writer = os.open(tmp_path / "pipe.png", os.O_RDWR)  # else a reader that waits would wait for ever
    os.write(writer, b"no picture")
    asked: list[str] = []

    def ask() -> None:
        with pytest.raises(UnreadableFrameError) as caught:
            read_image(tmp_path / "pipe.png")
        asked.append(str(caught.value))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(2)
    answered = list(asked)
    os.close(writer)
    thread.join()
    assert answered == [f"{tmp_path / 'pipe.png'}: is a pipe or a device; a picture is read from a file"]


def test_colours_as_pages_are_refused(tmp_path: Path) -> None:
    path = tiff(tmp_path / "x.ome.tif", *np.moveaxis(smear(), 2, 0))
    assert reason(path).startswith("holds 3 pages")


def directory(following: int, *tags: tuple[int, int, int]) -> bytes:
    """A TIFF directory. tags: number, how many values of two bytes, and the value or where they are."""
    entries = b"".join(struct.pack("<HHII", tag, 3, count, value) for tag, count, value in tags)
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)


@pytest.mark.parametrize(("directories", "size"), [(100, 200_000), (1, 8_000_000)])
def test_tags_as_long_as_the_file_are_not_taken_into_memory(
    tmp_path: Path, directories: int, size: int
) -> None:
    tags = [(256, 1, 20), (257, 1, 20), *((tag, size // 2, 0) for tag in (273, 279, 324, 325))]
    data = b"II*\0" + struct.pack("<I", 8)
    for number in range(directories):
        following = len(data) + len(directory(0, *tags)) if number < directories - 1 else 0
        data += directory(following, *tags)
    (tmp_path / "x.tif").write_bytes(data.ljust(size, b"\0"))
    tracemalloc.start()
    try:
        reason(tmp_path / "x.tif")
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_directories_that_lie_over_each_other_are_not_read_for_minutes(tmp_path: Path) -> None:
    first = b"II*\0" + struct.pack("<I", 8) + directory(100, (256, 1, 20), (257, 1, 20))
    data = bytearray(first.ljust(1_000_000, b"\0"))
    for at in range(100, 4100, 4):  # of 65,535 entries each, most of them those of the one before
        struct.pack_into("<H", data, at, 0xFFFF)
        struct.pack_into("<I", data, at + 2 + 12 * 0xFFFF, at + 4)
    (tmp_path / "x.tif").write_bytes(data)
    began = time.process_time()
    reason(tmp_path / "x.tif")
    assert time.process_time() - began < 5


def test_one_page_is_read_to_the_pixel(tmp_path: Path) -> None:
    picture = smear()
    assert np.array_equal(read_image(tiff(tmp_path / "x.tif", picture)), picture)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_bits_that_are_used_of_16_are_read(tmp_path: Path, suffix: str, bits: int) -> None:
    picture = smear()
    deep = picture.astype(np.uint16) << (bits - 8)
    deep |= 3 & ((1 << (bits - 8)) - 1)
    path = tmp_path / f"x.{suffix}"
    assert cv2.imwrite(str(path), deep[:, :, ::-1])
    assert np.array_equal(read_image(path), picture)


def test_floating_point_numbers_are_refused(tmp_path: Path) -> None:
    tiff(tmp_path / "x.tif", np.full((20, 30), 0.5, np.float32))
    assert reason(tmp_path / "x.tif").startswith("its pixels are floating point numbers; save it with 8")


def test_a_big_tiff_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.tif").write_bytes(b"II+\0\x08\0\0\0" + bytes(100))
    assert reason(tmp_path / "x.tif").startswith("is a BigTIFF, which is not read; save it as")


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_is_read(tmp_path: Path, lossless: bool) -> None:
    picture = smear()
    path = tmp_path / "x.webp"
    Image.fromarray(picture).save(path, lossless=lossless, quality=90)
    read = read_image(path)
    assert read.shape == picture.shape
    assert np.abs(read.astype(int) - picture).mean() < (0.1 if lossless else 6)
    path.write_bytes(path.read_bytes()[:-200])
    assert reason(path) == "is not an image that can be read"


def test_an_animated_webp_is_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(smear(nuclei)) for nuclei in (1, 2)]
    frames[0].save(tmp_path / "x.webp", save_all=True, append_images=frames[1:])
    assert reason(tmp_path / "x.webp").startswith("is animated")


@pytest.mark.parametrize("suffix", ["jfif", "jpe"])
def test_jpeg_under_its_other_names(tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / f"x.{suffix}").write_bytes(cv2.imencode(".jpg", smear())[1].tobytes())
    assert main(["analyze", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'x'}.{suffix}: ")


def test_heic_is_read_where_its_library_is(tmp_path: Path) -> None:
    library = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    picture = smear()
    path = tmp_path / "IMG_0001.HEIC"
    library.from_pillow(Image.fromarray(picture)).save(path, quality=95)
    read = read_image(path)
    assert read.shape == picture.shape
    assert np.abs(read.astype(int) - picture).mean() < 6
    path.write_bytes(path.read_bytes()[:2000])
    assert reason(path).startswith("the picture cannot be read")


def test_heic_is_named_with_what_to_install_where_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "IMG_0001.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    importing = builtins.__import__

    def without(name: str, *others: Any) -> Any:
        if name == "pillow_heif":
            raise ImportError(name)
        return importing(name, *others)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["analyze", str(tmp_path)]) == 1
    assert "IMG_0001.HEIC: to read HEIC pictures, install pillow-heif: pip install 'leukoscope[heic]'" in (
        capsys.readouterr().err
    )
