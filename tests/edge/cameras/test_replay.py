"""Images from files: which are found, what they are called, and what happens to broken ones."""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picture_files import encoded, put

from edge.cameras.replay import ReplayCamera
from edge.config import ReplayConfig
from edge.errors import CameraError, UnreadableFrameError

if TYPE_CHECKING:
    from pathlib import Path

    from edge.cameras import Frame

FORMATS = (".jpg", ".png", ".bmp", ".tif")


def replay(*paths: Path | str) -> ReplayCamera:
    return ReplayCamera(ReplayConfig(paths=tuple(str(path) for path in paths)))


def names(camera: ReplayCamera) -> list[str]:
    found = []
    while (frame := camera.read()) is not None:
        found.append(frame.name)
    return found


def only(camera: ReplayCamera) -> Frame:
    frame = camera.read()
    assert frame is not None
    return frame


@pytest.mark.parametrize("suffix", FORMATS)
def test_red_is_the_first_channel(tmp_path: Path, suffix: str) -> None:
    pixels = only(replay(put(tmp_path / f"x{suffix}", encoded(suffix)))).pixels
    assert pixels.shape == (16, 24, 3)
    assert np.abs(pixels[8, 2].astype(int) - (250, 0, 0)).max() <= 6
    assert np.abs(pixels[8, 21].astype(int) - (0, 0, 250)).max() <= 6


@pytest.mark.parametrize("kind", ["grey", "alpha", "16 bit"])
def test_other_kinds_of_pixels_become_rgb_bytes(tmp_path: Path, kind: str) -> None:
    picture = {
        "grey": np.full((9, 7), 200, np.uint8),
        "alpha": np.full((9, 7, 4), 200, np.uint8),
        "16 bit": np.full((9, 7, 3), 200 * 256 + 7, np.uint16),
    }[kind]
    cv2.imwrite(str(tmp_path / "x.png"), picture)
    pixels = only(replay(tmp_path / "x.png")).pixels
    assert pixels.shape == (9, 7, 3)
    assert pixels.dtype == np.uint8
    assert set(pixels.ravel().tolist()) == {200}


def test_a_folder_is_searched_through_and_through_in_the_order_of_paths(tmp_path: Path) -> None:
    for name in (
        "slide/b/2.PNG",
        "slide/b/10.Tiff",
        "slide/a/x.jpeg",
        "slide/a/deep/er/y.BMP",
        "slide/c.jpg",
    ):
        put(tmp_path / name, encoded((tmp_path / name).suffix.lower()))
    put(tmp_path / "slide/notes.txt", b"no image")
    (tmp_path / "slide/folder.png").mkdir()
    os.mkfifo(tmp_path / "slide/pipe.png")
    camera = replay(tmp_path / "slide")
    assert len(camera) == 5
    assert names(camera) == [
        "slide/a/deep/er/y.BMP",
        "slide/a/x.jpeg",
        "slide/b/10.Tiff",
        "slide/b/2.PNG",
        "slide/c.jpg",
    ]


def test_one_file_has_one_name_and_comes_once_however_it_was_given(tmp_path: Path) -> None:
    put(tmp_path / "slide/a.png")
    put(tmp_path / "slide/deep/b.png")
    ways = (
        tmp_path / "slide",
        tmp_path / "slide/*.png",
        tmp_path / "slide/a.png",
        tmp_path / "slide/**/*.png",
    )
    assert {names(replay(way))[0] for way in ways} == {"slide/a.png"}
    assert names(replay(*ways)) == ["slide/a.png", "slide/deep/b.png"]
    assert names(replay(tmp_path / "slide/../slide/a.png", ways[2])) == ["slide/a.png"]


def test_globs_match_folders_files_and_whole_trees(tmp_path: Path) -> None:
    for name in ("day1/a/1.png", "day1/2.png", "day2/3.png", "night/4.png"):
        put(tmp_path / name)
    put(tmp_path / "day1/readme.txt", b"")
    os.mkfifo(tmp_path / "day1/1.png")
    assert names(replay(tmp_path / "day*")) == [
        f"{tmp_path.name}/{x}" for x in ("day1/2.png", "day1/a/1.png", "day2/3.png")
    ]
    assert names(replay(tmp_path / "**/[13].png")) == [
        f"{tmp_path.name}/{x}" for x in ("day1/a/1.png", "day2/3.png")
    ]


def test_a_name_with_brackets_is_taken_by_its_word(tmp_path: Path) -> None:
    put(tmp_path / "run [1]/cell *.png")
    assert names(replay(tmp_path / "run [1]")) == ["run [1]/cell *.png"]
    assert names(replay(tmp_path / "run [1]/cell *.png")) == ["run [1]/cell *.png"]


def test_a_file_that_is_named_is_read_whatever_its_suffix(tmp_path: Path) -> None:
    assert names(replay(put(tmp_path / "export/scan.dat"))) == ["export/scan.dat"]


def test_letters_beyond_ascii(tmp_path: Path) -> None:
    assert names(replay(put(tmp_path / "Blutbild Zoë/zelle-äß-细胞.png").parent)) == [
        "Blutbild Zoë/zelle-äß-细胞.png"
    ]


def test_a_name_that_is_no_text_can_still_be_written_down(tmp_path: Path) -> None:
    put(tmp_path / "slide" / os.fsdecode(b"zelle-\xe4.png"))
    assert names(replay(tmp_path / "slide")) == ["slide/zelle-\N{REPLACEMENT CHARACTER}.png"]


@pytest.mark.parametrize(
    ("given_path", "reason"),
    [
        ("missing", "there is no such file or folder"),
        ("empty", "the folder holds no image"),
        ("empty/*", "matches no image"),
        ("pipe", "is neither a file nor a folder; save what comes from it as a picture file first"),
        ("texts/*.txt", "matches no image"),
    ],
)
def test_a_path_without_images_is_refused_by_name_when_opened(
    tmp_path: Path, given_path: str, reason: str
) -> None:
    (tmp_path / "empty").mkdir()
    put(tmp_path / "texts/a.txt", b"text")
    os.mkfifo(tmp_path / "pipe")
    good = put(tmp_path / "good.png")
    with pytest.raises(CameraError) as caught:
        replay(good, tmp_path / given_path)
    assert str(caught.value).startswith(f"{tmp_path / given_path}: {reason}")


def test_an_empty_path_is_not_the_working_folder() -> None:
    with pytest.raises(CameraError, match="there is no such file or folder"):
        replay("")


def test_paths_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "slide/deep/a.png")
    monkeypatch.chdir(tmp_path / "slide/deep")
    assert names(replay("a.png")) == names(replay(".")) == names(replay("*.png")) == ["deep/a.png"]
    assert names(replay("..")) == ["slide/deep/a.png"]


BROKEN = {
    "text.jpg": b"not a photograph at all",
    "empty.png": b"",
    "half.jpg": encoded(".jpg")[:-60],
    "half.png": encoded(".png")[:-20],
    "half.bmp": encoded(".bmp")[:-20],
    "half.tif": encoded(".tif")[:-20],
    "scratched.png": encoded(".png")[:60] + b"scratch" + encoded(".png")[67:],
    "header.bmp": encoded(".bmp")[:20],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_image_is_named_and_the_next_one_comes(tmp_path: Path, name: str) -> None:
    broken = put(tmp_path / "a" / name, BROKEN[name])
    put(tmp_path / "b/good.png")
    camera = replay(tmp_path)
    assert len(camera) == 2
    with pytest.raises(UnreadableFrameError) as caught:
        camera.read()
    assert str(caught.value) == f"{broken}: is not an image that can be read"
    assert only(camera).name.endswith("b/good.png")
    assert camera.read() is None


@pytest.mark.parametrize("suffix", FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(kept=st.floats(0, 1, exclude_max=True))
def test_no_file_that_was_cut_off_passes_for_a_whole_one(tmp_path: Path, suffix: str, kept: float) -> None:
    whole = encoded(suffix, size=(64, 48))
    camera = replay(put(tmp_path / f"x{suffix}", whole[: int(kept * len(whole))]))
    with pytest.raises(UnreadableFrameError):
        camera.read()
    assert camera.read() is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(suffix=st.sampled_from(FORMATS), at=st.floats(0, 1), noise=st.binary(min_size=1, max_size=40))
def test_damage_gives_an_image_or_says_so(tmp_path: Path, suffix: str, at: float, noise: bytes) -> None:
    whole = encoded(suffix)
    start = int(at * len(whole))
    path = put(tmp_path / "x.img", whole[:start] + noise + whole[start + len(noise) :])
    try:
        frame = only(replay(path))
    except UnreadableFrameError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017
    else:
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.ndim == 3


def test_a_small_file_that_would_unfold_into_gigabytes_is_refused(tmp_path: Path) -> None:
    data = bytearray(encoded(".png"))
    data[16:24] = struct.pack(">II", 30_000, 30_000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    camera = replay(put(tmp_path / "bomb.png", bytes(data)))
    with pytest.raises(UnreadableFrameError, match="30000x30000 is more than 64 megapixels"):
        camera.read()


def test_an_orientation_tag_does_not_turn_the_picture(tmp_path: Path) -> None:
    tag = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)  # 6: to be shown turned by 90 degrees
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + tag + struct.pack("<I", 0)
    plain = encoded(".jpg")
    turned = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    assert only(replay(put(tmp_path / "x.jpg", turned))).pixels.shape == (16, 24, 3)


@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_nor_does_that_of_a_tiff(tmp_path: Path, orientation: int, kind: int) -> None:
    plain = encoded(".tiff")
    at = struct.unpack_from("<I", plain, 4)[0]
    count = struct.unpack_from("<H", plain, at)[0]
    entries = [plain[at + 2 + 12 * n : at + 14 + 12 * n] for n in range(count)]
    entries.append(struct.pack("<HHII", 274, kind, 1, orientation))
    entries.sort(key=lambda entry: entry[:2][::-1])
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    turned = plain[:4] + struct.pack("<I", len(plain)) + plain[8:] + directory
    as_it_lies = only(replay(put(tmp_path / "plain.tiff", plain))).pixels
    assert (only(replay(put(tmp_path / "turned.tiff", turned))).pixels == as_it_lies).all()


def test_a_picture_keeps_its_id_when_copied_or_touched_and_loses_it_when_changed(tmp_path: Path) -> None:
    path = put(tmp_path / "here/slide/a.png")
    first = only(replay(path)).source_id
    os.utime(path, (1, 1))
    copied = put(tmp_path / "there/slide/a.png")
    assert only(replay(path)).source_id == first
    assert only(replay(copied)).source_id == first
    assert only(replay(put(tmp_path / "here/slide/b.png"))).source_id != first
    assert only(replay(put(path, encoded(".png", value=9)))).source_id != first


def test_a_file_that_went_away_is_named_and_the_next_one_comes(tmp_path: Path) -> None:
    gone = put(tmp_path / "a.png")
    put(tmp_path / "b.png")
    camera = replay(tmp_path)
    gone.unlink()
    with pytest.raises(UnreadableFrameError, match=r"a\.png: cannot be read"):
        camera.read()
    assert only(camera).name.endswith("b.png")
