"""Video files: which are refused, what identifies a picture, at what rate they come, where they break off."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from films import COUNT, film

from edge.cameras.video import VideoCamera
from edge.config import VideoConfig
from edge.errors import CameraError, UnreadableFrameError

if TYPE_CHECKING:
    from pathlib import Path

    from edge.cameras import Frame


def shown(path: Path, **settings: float) -> list[Frame]:
    camera = VideoCamera(VideoConfig(str(path), **settings))
    frames = []
    while (frame := camera.read()) is not None:
        frames.append(frame)
    camera.close()
    return frames


@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", "FFV1"), ("a.mkv", "FFV1"), ("a.mp4", "mp4v"), ("b.avi", "MJPG")]
)
def test_every_picture_once_and_in_order(tmp_path: Path, name: str, codec: str) -> None:
    frames = shown(film(tmp_path / name, codec=codec))
    numbers = [round(float(frame.pixels[4:12, 4:12].mean()) / 8) for frame in frames]
    assert numbers == list(range(COUNT))
    assert [frame.name for frame in frames] == [f"{name} frame {number}" for number in range(1, COUNT + 1)]


def test_a_picture_is_the_same_wherever_its_file_lies_and_another_in_another_film(tmp_path: Path) -> None:
    first = film(tmp_path / "a.avi")
    copied = tmp_path / "copied.avi"
    copied.write_bytes(first.read_bytes())
    other = film(tmp_path / "other.avi", seed=1)
    once, again, others = ({frame.source_id for frame in shown(path)} for path in (first, copied, other))
    assert once == again
    assert len(once) == COUNT
    assert not once & others


def test_a_change_at_the_end_of_a_long_film_makes_it_another(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi")
    with path.open("ab") as file:
        file.truncate(40_000_000)
    before = shown(path)[0].source_id
    with path.open("ab") as file:
        file.write(b"more")
    assert shown(path)[0].source_id != before


def test_it_comes_at_its_own_rate_where_it_is_told_to(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi", rate=50)
    start = time.monotonic()
    assert len(shown(path, native_rate=True)) == COUNT
    assert time.monotonic() - start > (COUNT - 1) / 50 - 0.02


@pytest.mark.parametrize("codec", ["FFV1", "MJPG"])
def test_one_that_was_cut_off_gives_what_it_has_and_says_so_once(tmp_path: Path, codec: str) -> None:
    path = film(tmp_path / "a.avi", codec=codec)
    os.truncate(path, path.stat().st_size // 2)
    camera = VideoCamera(VideoConfig(str(path)))
    complaints, frames = [], 0
    while not complaints:
        try:
            assert camera.read() is not None
            frames += 1
        except UnreadableFrameError as error:
            complaints.append(str(error))
    assert 5 < frames < COUNT
    assert f"is cut off or damaged after {frames} of {COUNT} pictures" in complaints[0]
    assert camera.read() is None
    camera.close()


@pytest.mark.parametrize("content", [b"", b"no film at all", b"RIFF" + 100 * b"\0"])
def test_what_is_no_video_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(content)
    with pytest.raises(CameraError, match="is not a video that can be read"):
        VideoCamera(VideoConfig(str(path)))


def test_a_name_that_is_not_utf_8_is_refused_and_ends_nothing(tmp_path: Path) -> None:
    path = film(tmp_path / "x.avi")
    odd = path.rename(os.fsdecode(os.fsencode(tmp_path) + b"/x\xff.avi"))
    with pytest.raises(CameraError) as caught:
        VideoCamera(VideoConfig(str(odd)))
    assert str(caught.value) == (
        f"{tmp_path}/x\ufffd.avi: its name is not in UTF-8, which videos need; rename it"
    )


def test_what_is_not_there_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.avi"):
        with pytest.raises(CameraError, match="there is no such file"):
            VideoCamera(VideoConfig(str(path)))
