"""A JPEG picture of which a part is lost is no picture; a whole one is, and its pixels are OpenCV's."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from real_data import DATA, real_images

from edge.cameras.image_files import read_image
from edge.cameras.image_header import end_of_jpeg
from edge.cameras.jpeg import decode_jpeg
from edge.errors import UnreadableFrameError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOAK = os.environ.get("LEUKOSCOPE_SOAK") == "1"
SUFFIXES = {".jpg", ".jpeg"}
END = b"\xff\xd9"
OPENCV = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


def scan(data: bytes) -> tuple[int, int]:
    """Where the picture's scan begins and ends: the bytes that hold its blocks."""
    start = data.index(b"\xff\xda")
    return start + 2 + int.from_bytes(data[start + 2 : start + 4], "big"), data.rindex(END)


def replaced(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


DAMAGE: dict[str, Callable[[bytes, int, random.Random], bytes]] = {
    "512 bytes lost": lambda data, at, _: data[:at] + data[at + 512 :],
    "100 bytes zeroed": lambda data, at, _: replaced(data, at, bytes(100)),
    "512 bytes zeroed": lambda data, at, _: replaced(data, at, bytes(512)),
    "100 bytes replaced": lambda data, at, rng: replaced(data, at, rng.randbytes(100)),
    "cut short": lambda data, at, _: data[:at],
    "cut short and closed": lambda data, at, _: data[:at] + END,
}


def spoilt(data: bytes, kind: str, rng: random.Random) -> bytes:
    """Damage a picture somewhere in the middle eight tenths of its scan."""
    start, end = scan(data)
    return DAMAGE[kind](data, round(start + (end - start) * rng.uniform(0.1, 0.9)), rng)


def is_refused(path: Path, data: bytes) -> bool:
    path.write_bytes(data)
    try:
        read_image(path)
    except UnreadableFrameError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017
        return True
    return False


def drawn(quality: int = 90, *options: int) -> bytes:
    """A field of soft discs on a bright ground, with some noise, as JPEG."""
    rng = np.random.default_rng(4)
    picture = np.full((240, 320, 3), (225, 230, 228), np.uint8)
    for x, y in rng.integers(20, 220, (30, 2)):
        cv2.circle(picture, (int(x * 1.4), int(y)), 14, rng.integers(120, 200, 3).tolist(), -1, cv2.LINE_AA)
    noisy = np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, quality, *options])[1].tobytes()


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_picture_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    rng = random.Random(kind)  # noqa: S311
    whole = drawn()
    refused = [is_refused(tmp_path / "x.jpg", spoilt(whole, kind, rng)) for _ in range(20)]
    # Random bytes may decode into just as many blocks as were there.
    assert sum(refused) >= (16 if kind == "100 bytes replaced" else 19)
    assert not is_refused(tmp_path / "x.jpg", whole)


def test_zeros_of_an_even_ground_are_no_damage() -> None:
    even = np.full((1200, 1600, 3), 255, np.uint8)
    even[:16, :16] = 90
    data = cv2.imencode(".jpg", even, [cv2.IMWRITE_JPEG_OPTIMIZE, 1])[1].tobytes()
    assert bytes(32) in data
    assert np.array_equal(decode_jpeg(data)[:, :, ::-1], cv2.imdecode(np.frombuffer(data, np.uint8), OPENCV))


@pytest.mark.parametrize("filling", [b"\0", b"\0" * 700, b"\xff" * 9])
def test_what_a_camera_fills_its_pictures_up_with_is_no_damage(filling: bytes) -> None:
    whole = drawn()
    filled = whole[:-2] + filling + END
    assert np.array_equal(decode_jpeg(filled), decode_jpeg(whole))


BEHIND = {"another picture": b"", "zeros and another picture": bytes(64), "a vendor's zeros": bytes(4000)}


@pytest.mark.parametrize("between", BEHIND)
@pytest.mark.parametrize(
    "options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 4)], ids=str
)
def test_what_a_phone_puts_behind_its_picture_is_no_damage_of_it(
    tmp_path: Path, options: tuple[int, ...], between: str
) -> None:
    whole = drawn(90, *options)
    second = b"" if between.startswith("a vendor") else drawn(30)
    path = tmp_path / "x.jpg"
    path.write_bytes(whole + BEHIND[between] + second)
    assert np.array_equal(read_image(path), decode_jpeg(whole))
    start, end = scan(whole)
    cut = whole[: (start + end) // 2]
    assert is_refused(path, cut + BEHIND[between] + second), "a second whole one does not make up for it"
    zeroed = replaced(whole, (start + end) // 2, bytes(512))
    assert is_refused(path, zeroed + BEHIND[between] + second)


def test_an_end_inside_a_comment_ends_no_picture() -> None:
    whole = drawn()
    at = whole.index(b"\xff\xda")
    comment = END + bytes(40) + END
    said = whole[:at] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + whole[at:]
    assert np.array_equal(decode_jpeg(said), decode_jpeg(whole))
    assert end_of_jpeg(said) == len(said) - 2


@pytest.mark.parametrize(
    "options",
    [
        (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        (cv2.IMWRITE_JPEG_RST_INTERVAL, 4),
        (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411),
        (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    ],
)
def test_whole_pictures_of_other_kinds_are_read(options: tuple[int, int]) -> None:
    data = drawn(60, *options)
    assert np.array_equal(decode_jpeg(data)[:, :, ::-1], cv2.imdecode(np.frombuffer(data, np.uint8), OPENCV))


def test_240_damaged_copies_of_40_real_fields(tmp_path: Path) -> None:
    fields = sorted(real_images("bccd", "JPEGImages").iterdir())[::9][:40]
    rng = random.Random(1)  # noqa: S311
    refused = {
        kind: sum(is_refused(tmp_path / "x.jpg", spoilt(each.read_bytes(), kind, rng)) for each in fields)
        for kind in DAMAGE
    }
    assert len(fields) * len(DAMAGE) == 240
    assert sum(refused.values()) >= 0.95 * 240, refused
    assert min(refused.values()) >= 0.9 * 40, refused


def test_of_the_whole_real_pictures_not_one_is_refused_and_their_pixels_are_opencvs() -> None:
    real_images()
    files = sorted(path for path in DATA.rglob("*") if path.suffix in SUFFIXES)
    files = files if SOAK else files[::20]
    assert len(files) > 500
    for path in files:
        opencv = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), OPENCV)
        assert np.array_equal(read_image(path)[:, :, ::-1], opencv), path


def test_decoding_takes_no_longer_than_opencv_alone() -> None:
    pictures = [path.read_bytes() for path in sorted(real_images("bccd", "JPEGImages").iterdir())[::36]]

    def least(decode: Callable[[bytes], object]) -> float:
        began = time.process_time()
        for data in pictures:
            decode(data)
        return time.process_time() - began

    def by_opencv(data: bytes) -> object:
        return cv2.imdecode(np.frombuffer(data, np.uint8), OPENCV)

    rounds = [(least(decode_jpeg), least(by_opencv)) for _ in range(12)]
    ratio = min(ours for ours, _ in rounds) / min(theirs for _, theirs in rounds)
    print(f"decoding: {ratio:.2f} of OpenCV's time")  # noqa: T201
    assert ratio <= 1.15
