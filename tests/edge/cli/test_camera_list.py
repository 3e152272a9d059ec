"""`leukoscope camera list`, on this machine and on machines that a test makes up."""

from __future__ import annotations

import errno
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.cameras.v4l2.devices import devices
from edge.cli import main
from edge.cli.camera_list import list_cameras

if TYPE_CHECKING:
    from collections.abc import Iterator

CAPTURE, META, CODEC, PLANES = 0x1, 0x800000, 0x8000, 0x1000
MICROSCOPE = {
    "able": CAPTURE,
    "formats": {
        b"MJPG": ("Motion-JPEG", [(1280, 960), (640, 480)]),
        b"YUYV": ("YUYV 4:2:2", [(640, 480)]),
    },
}


class Drivers:
    """What drivers answer, by the device's file."""

    def __init__(self, answers: dict[str, dict]) -> None:
        self._answers = answers

    def __call__(self, descriptor: int, request: int, argument: bytearray) -> int:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        answer = self._answers.get(name)
        if answer is None:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        if request & 0xFF == 0:  # VIDIOC_QUERYCAP
            assert len(argument) == 104
            driver = answer.get("driver", b"uvcvideo")
            struct.pack_into(
                "=16s32s32sIIII", argument, 0, driver, b"", b"", 0, 0x80000001, answer["able"], 0
            )
            struct.pack_into("=II", argument, 84, 0x80000001, answer["able"])
            return 0
        index, second = struct.unpack_from("=I4s", argument)
        if request & 0xFF == 2:  # VIDIOC_ENUM_FMT
            assert len(argument) == 64
            code = self._item(list(answer["formats"]), index)
            struct.pack_into("=I32s4s", argument, 8, 0, answer["formats"][code][0].encode(), code)
            return 0
        assert request & 0xFF == 74  # VIDIOC_ENUM_FRAMESIZES
        assert len(argument) == 44
        size = self._item(answer["formats"][second][1], index)
        struct.pack_into(f"={1 + len(size)}I", argument, 8, 1 if len(size) == 2 else 3, *size)
        return 0

    @staticmethod
    def _item(items: list, index: int):
        if index >= len(items):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return items[index]


def machine(root: Path) -> Path:
    """Make a machine with a microscope of two streams, a codec, and a camera whose driver is gone."""
    (root / "dev/v4l/by-id").mkdir(parents=True)
    for number, name, index in (
        (10, "bcm2835-codec-decode", 0),
        (0, "HD Microscope", 0),
        (1, "HD Microscope", 1),
        (2, "Gone Camera", 0),
    ):
        folder = root / f"sys/class/video4linux/video{number}"
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "index").write_text(f"{index}\n")
        (root / f"dev/video{number}").touch()
    (root / "sys/class/video4linux/v4l-subdev0").mkdir()
    (root / "dev/leukoscope-camera").symlink_to("video0")
    (root / "dev/v4l/by-id/usb-HD_Microscope-video-index0").symlink_to("../../video0")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return machine(tmp_path)


DRIVERS = Drivers({"video0": MICROSCOPE, "video1": {"able": META}, "video10": {"able": CODEC}})


def test_cameras_are_listed_with_their_formats_and_lasting_names_and_nothing_else_is(root, capsys):
    assert list_cameras(as_json=True, v4l2=lambda: devices(root, DRIVERS)) == 0
    microscope, gone = json.loads(capsys.readouterr().out)["cameras"]
    assert microscope == {
        "kind": "usb",
        "device": "/dev/video0",
        "name": "HD Microscope",
        "also": ["/dev/leukoscope-camera", "/dev/v4l/by-id/usb-HD_Microscope-video-index0"],
        "formats": [
            {"code": "MJPG", "description": "Motion-JPEG", "sizes": [[640, 480], [1280, 960]]},
            {"code": "YUYV", "description": "YUYV 4:2:2", "sizes": [[640, 480]]},
        ],
        "why_not": None,
    }
    assert (gone["name"], gone["why_not"]) == ("Gone Camera", "does not answer: No such device")
    assert list_cameras(as_json=False, v4l2=lambda: devices(root, DRIVERS)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["KIND", "DEVICE", "NAME"]
    assert lines[1].split() == ["usb", "/dev/video0", "HD", "Microscope"]
    assert "    MJPG (Motion-JPEG): 640x480 1280x960" in lines


@pytest.mark.parametrize("driver", [b"unicam", b"bcm2835-isp", b"rp1-cfe", b"pispbe"])
def test_the_pis_own_connector_is_no_usb_camera(tmp_path, capsys, driver):
    raw = {"able": CAPTURE, "driver": driver, "formats": {b"BG10": ("10-bit Bayer BGBG/GRGR", [(640, 480)])}}
    folder = tmp_path / "sys/class/video4linux/video0"
    folder.mkdir(parents=True)
    (folder / "name").write_text("unicam-image\n")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/video0").touch()
    assert list_cameras(as_json=True, v4l2=lambda: devices(tmp_path, Drivers({"video0": raw}))) == 1
    assert json.loads(capsys.readouterr().out)["cameras"] == []


def test_a_range_of_sizes_gives_its_ends(root):
    answer = {"able": PLANES, "formats": {b"NV12": ("Y/UV 4:2:0", [(32, 4056, 2, 16, 3040, 2)])}}
    first = next(iter(devices(root, Drivers({"video0": answer}))))
    assert first.formats[0].sizes == ((32, 16), (4056, 3040))


@pytest.fixture
def nobody() -> Iterator[None]:
    """Run the test as a user who may not everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


@pytest.mark.usefixtures("nobody")
def test_a_device_that_this_user_may_not_open_is_listed_with_the_way_out(capsys):
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to nobody
        made = machine(Path(name))
        for node in (made / "dev").glob("video*"):
            node.chmod(0)
        assert list_cameras(as_json=False, v4l2=lambda: devices(made)) == 1
    said = capsys.readouterr()
    assert said.out.count("HD Microscope") == 1
    assert "may not be opened by this user; add it to the group video" in said.out
    assert "none of them can be used as it is" in said.err


def test_none_is_said_with_the_reasons_and_is_a_failure(tmp_path, capsys):
    assert list_cameras(as_json=False, v4l2=lambda: devices(tmp_path)) == 1
    said = capsys.readouterr()
    assert not said.out
    assert "no camera: the kernel knows no V4L2 camera (is one plugged in?)" in said.err
    assert list_cameras(as_json=True, v4l2=lambda: devices(tmp_path)) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["cameras"] == []
    assert told["notes"]


@pytest.mark.parametrize(
    ("text", "name", "note"),
    [
        (
            "[{'Num': 0, 'Model': 'imx477', 'Id': '/base/i2c/imx477@1a'}, {'Num': 1, 'Id': '/base/usb@1'}]",
            "imx477",
            None,
        ),
        ("[]", None, "picamera2 finds no camera"),
        ("1 / 0", None, "picamera2 does not work here: ZeroDivisionError"),
    ],
)
def test_the_pis_own_cameras_where_picamera2_is(tmp_path, monkeypatch, capsys, text, name, note):
    (tmp_path / "picamera2.py").write_text(
        f"class Picamera2:\n    @staticmethod\n    def global_camera_info():\n        return {text}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    assert list_cameras(as_json=True, v4l2=list) == (0 if name else 1)
    told = json.loads(capsys.readouterr().out)
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    assert [camera["name"].split()[0] for camera in told["cameras"]] == ([name] if name else [])
    assert note is None or any(note in each for each in told["notes"])


def test_the_command_answers_on_this_machine_without_loading_opencv(capsys):
    assert main(["camera", "list", "--json"]) in {0, 1}
    assert set(json.loads(capsys.readouterr().out)) == {"cameras", "notes"}
    check = "import sys, edge.cli.camera_list; sys.exit('cv2' in sys.modules)"
    repository = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", check], check=False, cwd=repository, timeout=60)
    assert done.returncode == 0
