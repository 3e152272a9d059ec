"""Which pictures are meant by a folder, a link, a glob: not what is hidden or deleted, nothing twice."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picture_files import encoded, put

from edge.cameras.image_folders import NOT_READ, SUFFIXES, find_images
from edge.cameras.replay import ReplayCamera
from edge.config import ReplayConfig, load_config
from edge.errors import CameraError
from edge.specimens.photographs import find_photographs

if TYPE_CHECKING:
    from pathlib import Path

PNG = encoded(".png")


def names(*paths: Path | str) -> list[str]:
    return [image.name for image in find_images([str(path) for path in paths]) if image.problem is None]


def problems(*paths: Path | str) -> list[str]:
    found = (image.problem for image in find_images([str(path) for path in paths]))
    return [problem for problem in found if problem is not None]


HIDDEN = (
    "._a.png",
    ".hidden.png",
    ".thumbnails/a.png",
    ".Trash-1000/files/a.png",
    "@eaDir/a.png/SYNOPHOTO_THUMB_XL.png",
    "#recycle/a.png",
    "$RECYCLE.BIN/S-1-5/a.png",
    "__MACOSX/a.png",
    "System Volume Information/a.png",
    "lost+found/a.png",
)


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("pattern", ["", "**/*.png", "*"])
def test_hidden_deleted_and_thumbnails_are_left_out(tmp_path: Path, hidden: str, pattern: str) -> None:
    put(tmp_path / "slide/good.png", PNG)
    put(tmp_path / "slide" / hidden, PNG)
    put(tmp_path / "slide/deep" / hidden, PNG)
    assert names(tmp_path / "slide" / pattern) == ["slide/good.png"]


def test_a_folder_of_nothing_else_holds_no_image(tmp_path: Path) -> None:
    put(tmp_path / "slide/.thumbnails/a.png", PNG)
    with pytest.raises(CameraError, match="the folder holds no image"):
        names(tmp_path / "slide")


def test_what_is_hidden_is_taken_where_it_is_named_itself(tmp_path: Path) -> None:
    put(tmp_path / ".cache/slide/.one.png", PNG)
    put(tmp_path / ".cache/slide/two.png", PNG)
    assert names(tmp_path / ".cache/slide/.one.png") == ["slide/.one.png"]
    assert names(tmp_path / ".cache/slide") == ["slide/two.png"]


def test_a_linked_folder_is_followed_once_and_loops_are_not(tmp_path: Path) -> None:
    put(tmp_path / "slide/real/a.png", PNG)
    put(tmp_path / "elsewhere/b.png", PNG)
    put(tmp_path / "other patient.png", PNG)
    (tmp_path / "slide/again").symlink_to(tmp_path / "slide/real")
    (tmp_path / "slide/first").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "slide/second").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "slide/up").symlink_to(tmp_path)
    (tmp_path / "elsewhere/loop").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "slide")
    found = names(tmp_path / "slide")
    assert sorted(found) == ["slide/first/b.png", "slide/real/a.png"]
    assert names(tmp_path / "slide/**/*.png") == found


def test_a_file_and_a_link_to_it_are_one_picture(tmp_path: Path) -> None:
    put(tmp_path / "slide/a.png", PNG)
    (tmp_path / "slide/b.png").symlink_to(tmp_path / "slide/a.png")
    assert len(names(tmp_path / "slide")) == 1


@pytest.mark.parametrize("name", ["gone.png", "GONE.HEIC", "gone"])
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, name: str) -> None:
    put(tmp_path / "slide/a.png", PNG)
    (tmp_path / "slide" / name).symlink_to(tmp_path / "moved away")
    assert problems(tmp_path / "slide") == [
        f"{tmp_path / 'slide' / name}: is a link to {tmp_path / 'moved away'}, which is not there"
    ]


def test_a_link_to_itself_is_named_and_ends_nothing(tmp_path: Path) -> None:
    put(tmp_path / "slide/a.png", PNG)
    (tmp_path / "slide/b.png").symlink_to("b.png")
    (tmp_path / "slide/c.png").symlink_to("d.png")
    (tmp_path / "slide/d.png").symlink_to("c.png")
    assert names(tmp_path / "slide") == ["slide/a.png"]
    assert problems(tmp_path / "slide")[0] == (
        f"{tmp_path / 'slide/b.png'}: is a link to b.png, which is not there"
    )
    images, given = find_photographs([str(tmp_path / "slide")], [tmp_path / "slide/c.png"])
    assert [image.name for image in images if image.problem is None] == ["slide/a.png"]
    assert given == []


@pytest.mark.parametrize("suffix", sorted(NOT_READ))
def test_a_picture_of_a_kind_that_is_not_read_is_named(tmp_path: Path, suffix: str) -> None:
    put(tmp_path / "slide/a.png", PNG)
    put(tmp_path / f"slide/b{suffix.upper()}", b"x")
    (said,) = problems(tmp_path / "slide")
    assert said.startswith(
        f"{tmp_path / 'slide' / 'b'}{suffix.upper()}: pictures of the kind {suffix} are not"
    )


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_suffix_that_is_read_is_found_in_either_case(tmp_path: Path, suffix: str) -> None:
    put(tmp_path / f"slide/a{suffix}", b"x")
    put(tmp_path / f"slide/b{suffix.upper()}", b"x")
    assert names(tmp_path / "slide") == [f"slide/a{suffix}", f"slide/b{suffix.upper()}"]


def test_what_is_no_picture_is_passed_over(tmp_path: Path) -> None:
    for name in ("notes.txt", "Thumbs.db", "results.csv", "a.png.md5", "film.avi"):
        put(tmp_path / "slide" / name, b"x")
    put(tmp_path / "slide/a.png", PNG)
    assert [image.name for image in find_images([str(tmp_path / "slide")])] == ["slide/a.png"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    parts=st.lists(
        st.text(st.sampled_from("ab[]{}()!*?- ~2024"), min_size=1, max_size=8).filter(lambda p: p != "**"),
        min_size=2,
        max_size=3,
    )
)
def test_a_path_that_is_there_is_taken_by_its_word(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    top = tmp_path_factory.mktemp("globs")
    file = put(top.joinpath(*parts, "x.png"), PNG)
    assert [image.path for image in find_images([str(file.parent / "*.png")])] == [file]
    assert [image.path for image in find_images([str(top / "**" / "*.png")])] == [file]
    assert [image.path for image in find_images([str(file.parent)])] == [file]


def test_a_configuration_in_a_folder_with_brackets(tmp_path: Path) -> None:
    put(tmp_path / "batch [2024]/slides [1]/a.png", PNG)
    put(tmp_path / "batch [2024]/slides [1]/b.jpg", PNG)
    config = tmp_path / "batch [2024]/device.toml"
    for pattern in ("slides [1]/*.png", "slides*/a.png", "*/[ac].png"):
        config.write_text(f'[camera]\nkind = "replay"\npaths = ["{pattern}"]\n')
        camera = load_config(config).camera
        assert isinstance(camera, ReplayConfig)
        assert [image.path.name for image in find_images(camera.paths)] == ["a.png"], pattern


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every folder")
def test_a_folder_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    put(tmp_path / "slide/a.png", PNG)
    (tmp_path / "slide/locked").mkdir(mode=0)
    with pytest.raises(CameraError, match="locked: cannot be read"):
        names(tmp_path / "slide")


def test_a_name_is_one_line_and_gives_a_terminal_no_orders(tmp_path: Path) -> None:
    odd = put(tmp_path / "slide/a\nb.jpg: 9 neutrophils\x1b[2J\u2028.jpg", encoded(".jpg", size=(64, 48)))
    spoilt = put(tmp_path / "slide/c\rd.jpg", b"no picture")
    done = subprocess.run(
        [sys.executable, "-m", "edge.cli", "analyze", str(tmp_path / "slide")],
        capture_output=True,
        check=False,
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith(str(odd.parent).encode() + rb"/a\nb.jpg: 9 neutrophils\x1b[2J\u2028.jpg: ")
    assert f"{spoilt.parent}/c\\rd.jpg: is not an image".encode() in done.stderr
    assert b"\x1b[2J" not in done.stdout + done.stderr
    camera = ReplayCamera(ReplayConfig((str(odd.parent),)))
    shown = camera.read()
    assert shown is not None
    assert shown.name == r"slide/a\nb.jpg: 9 neutrophils\x1b[2J\u2028.jpg"


def test_names_are_printed_on_a_terminal_of_any_encoding(tmp_path: Path) -> None:
    for name in ("ünï.jpg", "细胞.jpg", os.fsdecode(b"\xff\xfe.jpg")):
        put(tmp_path / "slide" / name, encoded(".jpg", size=(64, 48)))
    for encoding in ("ascii", "latin-1", "utf-8", "ascii:strict"):
        done = subprocess.run(
            [sys.executable, "-m", "edge.cli", "analyze", str(tmp_path / "slide")],
            capture_output=True,
            env=os.environ | {"PYTHONIOENCODING": encoding},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr
        lines = done.stdout.splitlines()
        assert len(lines) == 3, done.stdout
        assert any(b"\\xfcn\\xef.jpg" in line for line in lines) == encoding.startswith("ascii")
