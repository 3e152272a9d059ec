"""install.sh puts the device into a folder, twice without a difference, and takes all of it out again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edge import __version__
from edge.config import PicameraConfig, UsbConfig, load_config
from edge.errors import ConfigError

PROJECT = Path(__file__).parents[2]
INSTALL = PROJECT / "firmware_config/install.sh"
BOOT = "# a Pi's own settings\ndtparam=audio=on\n[cm4]\notg_mode=1\n"


def run(script, *arguments):
    # The packages that ours need are not wanted here: what is tested is what the script does.
    environment = {**os.environ, "PYTHON": sys.executable, "PIP_NO_DEPS": "1"}
    environment.pop("PIP_CONFIG_FILE", None)
    return subprocess.run(
        [script, *arguments], capture_output=True, text=True, timeout=300, check=False, env=environment
    )


def contents(root):
    """Every path below, with what it is and holds; byte code has times in it and is told by its name."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_dir():
            found[name] = "folder"
        else:
            found[name] = (path.stat().st_mode, b"" if path.suffix == ".pyc" else path.read_bytes())
    return found


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory):
    """Return a folder with the project's wheel, which is a zip with a little beside the packages."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    about = f"leukoscope-{__version__}.dist-info"
    with zipfile.ZipFile(folder / f"leukoscope-{__version__}-py3-none-any.whl", "w") as wheel:
        for path in sorted(PROJECT.joinpath("edge").rglob("*")):
            if path.suffix in {".py", ".tflite"}:
                wheel.write(path, path.relative_to(PROJECT))
        wheel.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: leukoscope\nVersion: {__version__}\n"
        )
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/entry_points.txt", "[console_scripts]\nleukoscope = edge.cli:main\n")
        wheel.writestr(f"{about}/RECORD", "")
    return folder


@pytest.fixture
def pi(tmp_path):
    """Return the file system of a Pi that has nothing of ours."""
    for name in ("boot/firmware", "etc/systemd/system", "etc/mosquitto/conf.d", "var/lib", "usr/local/bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "boot/firmware/config.txt").write_text(BOOT, encoding="utf-8")
    return tmp_path


def test_installed_twice_and_undone_nothing_is_left(pi, wheelhouse, tmp_path_factory):
    before = contents(pi)
    options = ("--root", pi, "--wheelhouse", wheelhouse)
    done = run(INSTALL, *options, "--broker", "network", "--camera", "imx477")
    assert done.returncode == 0, done.stdout + done.stderr
    config = pi / "etc/leukoscope/leukoscope.toml"
    assert load_config(config).camera == PicameraConfig()
    config.write_text("# edited\n", encoding="utf-8")
    first = contents(pi)
    assert run(INSTALL, *options).returncode == 0
    assert contents(pi) == first

    # The program runs, is compiled, and its script names the Python of the machine that it is for.
    venv = pi / "opt/leukoscope/.venv"
    script = venv / "bin/leukoscope"
    assert script.read_text(encoding="utf-8").startswith("#!/opt/leukoscope/.venv/bin/python")
    done = subprocess.run(
        [venv / "bin/python", script, "--version"], capture_output=True, text=True, check=False
    )
    assert done.stdout == f"leukoscope {__version__}\n", done.stderr
    assert list(venv.glob("lib/python3*/site-packages/edge/daemon/__pycache__/process.*.pyc"))
    unit = pi / "etc/systemd/system/multi-user.target.wants/leukoscope.service"
    assert str(unit.readlink()) == "/etc/systemd/system/leukoscope.service"
    # Where there is no network, the pages are there as well.
    assert "leukoscope specimen sign" in (pi / "opt/leukoscope/docs/review.md").read_text(encoding="utf-8")
    boot = (pi / "boot/firmware/config.txt").read_text(encoding="utf-8")
    assert boot.startswith(BOOT)
    for line in ("dtoverlay=imx477", "dtparam=watchdog=on", "[all]"):
        assert boot.count(f"{line}\n") == 1

    results = pi / "var/lib/leukoscope/results.db"
    results.parent.mkdir()
    results.write_bytes(b"results")
    other = tmp_path_factory.mktemp("other") / "pi"
    shutil.copytree(pi, other, symlinks=True)
    done = run(pi / "opt/leukoscope/uninstall.sh", "--root", pi)
    assert done.returncode == 0, done.stdout + done.stderr
    kept = {"leukoscope/leukoscope.toml", "leukoscope/results.db", "leukoscope/acl"}
    left = {name for name in contents(pi).keys() - before.keys() if (pi / name).is_file()}
    assert {"/".join(Path(name).parts[-2:]) for name in left} == kept
    assert results.read_bytes() == b"results"
    assert config.read_text(encoding="utf-8") == "# edited\n"
    assert (pi / "boot/firmware/config.txt").read_text(encoding="utf-8") == BOOT

    done = run(INSTALL, "uninstall", "--root", other, "--purge")
    assert done.returncode == 0, done.stderr
    assert contents(other) == before


def test_a_camera_may_be_chosen_later_and_is_then_configured_and_its_library_found(pi, wheelhouse):
    options = ("--root", pi, "--wheelhouse", wheelhouse)
    done = run(INSTALL, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no camera yet: run install.sh again with --camera" in done.stdout
    config = pi / "etc/leukoscope/leukoscope.toml"
    with pytest.raises(ConfigError, match=r"camera\.kind is missing"):
        load_config(config)
    own = "# ours\n[camera]\nkind = 'replay'\npaths = ['x']\n[specimen]\ntarget = 100\n"
    config.write_text(own, encoding="utf-8")
    global_shutter = PicameraConfig(width=1456, height=1088)
    for camera, expected in (("imx296", global_shutter), ("usb", UsbConfig()), ("imx477", PicameraConfig())):
        done = run(INSTALL, *options, "--camera", camera)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "no camera yet" not in done.stdout
        assert load_config(config).camera == expected
        assert load_config(config).specimen.target == 100
    # Another sensor of the same kind has another size; the same one again leaves what was set for it.
    done = run(INSTALL, *options, "--camera", "imx296")
    assert load_config(config).camera == global_shutter, done.stdout + done.stderr
    config.write_text(config.read_text(encoding="utf-8").replace("1456", "1440"), encoding="utf-8")
    assert run(INSTALL, *options, "--camera", "imx296").returncode == 0
    assert load_config(config).camera.width == 1440
    text = config.read_text(encoding="utf-8")
    assert text.startswith("# ours\n")
    assert "# kind = 'replay'\n# paths = ['x']\n" in text
    # Debian's packages, among them picamera2, are seen: the environment was made without them.
    where = "import sys; print(*sys.path, sep='\\n')"
    done = subprocess.run(
        [pi / "opt/leukoscope/.venv/bin/python", "-c", where], capture_output=True, text=True, check=True
    )
    packages = [path for path in done.stdout.splitlines() if path.endswith("-packages")]
    assert any(not path.startswith(str(pi)) for path in packages), packages
    first = contents(pi)
    assert run(INSTALL, *options).returncode == 0
    assert contents(pi) == first


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--camera", "imx999"), "imx999: is not known; known: imx219 imx296 imx477 imx708 ov5647 usb"),
        (("--broker", "both"), "is none of local, network, none"),
        (("--wheelhouse", "/none"), "there is no such folder"),
        (("--frobnicate",), "install.sh uninstall [--root DIR] [--purge]"),
        (("uninstall",), "nothing is installed"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_changed(pi, options, sentence):
    before = contents(pi)
    action = options[:1] if options[0] == "uninstall" else ()
    done = run(INSTALL, *action, "--root", pi, *options[len(action) :])
    assert done.returncode != 0
    assert sentence in done.stderr
    assert contents(pi) == before
