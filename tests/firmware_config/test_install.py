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
LOCAL = ("--broker", "local")
BOOT = "# a Pi's own settings\ndtparam=audio=on\n[cm4]\notg_mode=1\n"


def run(script, *arguments):
    # The packages that ours need are not wanted here: what is tested is what the script does.
    environment = {**os.environ, "PYTHON": sys.executable, "PIP_NO_DEPS": "1"}
    environment.pop("PIP_CONFIG_FILE", None)
    return subprocess.run(
        [script, *arguments], capture_output=True, text=True, timeout=300, check=False, env=environment
    )


def part(root, commands, *arguments, path=None, python=sys.executable):
    """Run commands with the functions of the script at hand. path: a folder of programs that go first."""
    functions = INSTALL.read_text(encoding="utf-8").rsplit("\n", 2)[0]
    return subprocess.run(
        ["sh", "-c", f"{functions}\n{commands}", INSTALL, "--root", root, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHON": str(python), "PATH": f"{path or ''}:{os.environ['PATH']}".strip(":")},
    )


def program(path, text):
    """Write a program in the shell's language."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


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
    done = run(INSTALL, *options, "--broker", "network", "--camera", "imx477", "--kiosk")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (pi / "etc/chromium/policies/managed/leukoscope-kiosk.json").is_file()
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

    # The plug is pulled when the first few files are gone.
    gone = other.with_name("gone")
    cut = f'rm() {{ echo >>{gone}; [ "$(wc -l <{gone})" -lt 5 ] || exit 9; command rm "$@"; }}'
    assert part(other, f"{cut}; uninstall").returncode == 9
    done = run(INSTALL, "uninstall", "--root", other, "--purge")
    assert done.returncode == 0, done.stderr
    assert contents(other) == before
    # What was kept can still be removed, though the device's own copy of the script is gone.
    done = run(INSTALL, "uninstall", "--root", pi, "--purge")
    assert done.returncode == 0, done.stderr
    assert not list(pi.rglob("leukoscope*"))
    assert not results.exists()


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


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "dtoverlay=vc4-kms-v3d"])
def test_boot_settings_that_were_edited_elsewhere_keep_their_lines_and_one_block(pi, ends, last):
    """Windows reads that partition: its editors end lines otherwise, and some the last one not at all."""
    config = pi / "boot/firmware/config.txt"
    config.write_text(f"{BOOT}{last}".replace("\n", ends), encoding="utf-8", newline="")
    for sensor in ("imx219", "imx477"):
        done = part(pi, "boot_settings", "--camera", sensor)
        assert done.returncode == 0, done.stderr
        text = config.read_text(encoding="utf-8")
        own, block = text.split("# leukoscope: begin\n")
        assert own.splitlines() == [*BOOT.splitlines(), *filter(None, [last])]
        assert [line for line in block.splitlines() if "overlay" in line] == [f"dtoverlay={sensor}"]
        # As an editor does that ends every line alike.
        config.write_text(text.replace("\n", ends), encoding="utf-8", newline="")
    # Without --camera the chosen one stays.
    assert part(pi, "boot_settings").returncode == 0
    assert config.read_text(encoding="utf-8").count("dtoverlay=imx") == 1
    assert "dtoverlay=imx477\n" in config.read_text(encoding="utf-8")


def test_boot_settings_whose_block_has_lost_its_end_are_not_cut_off_there(pi):
    config = pi / "boot/firmware/config.txt"
    config.write_text(f"# leukoscope: begin\n[all]\n{BOOT}", encoding="utf-8")
    for _ in range(2):
        assert part(pi, "boot_settings").returncode == 0
        text = config.read_text(encoding="utf-8")
        assert text.startswith(f"# leukoscope: begin\n[all]\n{BOOT}# leukoscope: begin\n")
        assert text.count("dtparam=watchdog=on") == 1


def test_boot_settings_are_on_the_card_before_they_take_the_old_ones_place(pi, tmp_path):
    boot = pi / "boot/firmware"
    asked = tmp_path / "asked"
    sync = program(tmp_path / "bin/sync", f'echo "sync $* $(ls {boot} | tr "\\n" " ")" >>{asked}')
    for _ in range(2):  # the second time nothing changes, and nothing is written
        assert part(pi, "boot_settings", path=sync.parent).returncode == 0
        assert asked.read_text(encoding="utf-8").splitlines() == [
            f"sync {boot}/config.txt.new config.txt config.txt.new ",
            "sync  config.txt ",
        ]


def test_an_environment_without_pip_is_made_again(pi, wheelhouse, tmp_path):
    """As one is left where python3-venv was missing, or where the system has got another Python."""
    venv = pi / "opt/leukoscope/.venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    asked = tmp_path / "asked"
    whole = program(tmp_path / "whole", "exit 0")
    copies = f"cp {whole} {venv}/bin/python; cp {whole} {venv}/bin/leukoscope"
    makes = program(tmp_path / "makes", f'echo "$@" >>{asked}; rm {venv}/bin/*; {copies}')
    for _ in range(2):
        done = part(pi, "packages", "--wheelhouse", wheelhouse, python=makes)
        assert done.returncode == 0, done.stderr
        assert asked.read_text(encoding="utf-8") == f"-m venv --clear {venv}\n"
    # Debian's packages stay in sight where a sensor was chosen by an earlier call.
    assert part(pi, "boot_settings", "--camera", "imx477").returncode == 0
    program(venv / "bin/python", "exit 1")
    assert part(pi, "packages", "--wheelhouse", wheelhouse, python=makes).returncode == 0
    assert (
        asked.read_text(encoding="utf-8").splitlines()[1] == f"-m venv --clear --system-site-packages {venv}"
    )


@pytest.mark.parametrize(
    ("configured", "adds", "said", "failed"),
    [
        ("yes", "exit 0", "", ""),
        ("yes", "exit 1", "", "K7 may not use the page yet: leukoscope user add K7"),
        ("", "exit 0", "--admin: once there is a camera, run: leukoscope user add K7", ""),
    ],
)
def test_a_first_person_who_cannot_be_added_holds_up_nothing_else(
    pi, tmp_path, configured, adds, said, failed
):
    leukoscope = f'[ "$2" = list ] && printf "code\\trole\\tname\\nA1\\toperator\\t\\n" || {adds}'
    program(tmp_path / "opt/.venv/bin/leukoscope", leukoscope)
    commands = (
        f'root= opt={tmp_path}/opt configured={configured}; install_person; echo "failed: ${{failed:-}}"'
    )
    done = part(pi, commands, "--admin", "K7")
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert done.stdout.split("failed: ")[1].strip() == failed
    # Somebody who is there is there in small letters, too.
    done = part(pi, commands, "--admin", "a1")
    assert configured == "" or "a1 is there already" in done.stdout


def test_the_keys_of_a_usb_camera_stay_though_a_sensor_was_chosen_before_it(pi):
    config = pi / "etc/leukoscope/leukoscope.toml"
    config.parent.mkdir()
    config.write_text("[camera]\nkind = 'usb'\ndevice = 2\n", encoding="utf-8")
    assert part(pi, "boot_settings", "--camera", "imx477").returncode == 0
    done = part(pi, "configure_camera", "--camera", "usb")
    assert done.returncode == 0, done.stderr
    assert load_config(config).camera == UsbConfig(device=2)


def test_a_microscope_that_is_plugged_in_already_gets_its_name_before_the_daemon_starts(pi, tmp_path):
    asked = tmp_path / "asked"
    for name in ("udevadm", "systemctl"):
        stub = program(tmp_path / "bin" / name, f'echo "{name} $*" >>{asked}')
    commands = "packages() { :; }; alive() { true; }; install"
    done = part(pi, commands, "--camera", "usb", path=stub.parent)
    assert done.returncode == 0, done.stderr
    lines = asked.read_text(encoding="utf-8").splitlines()
    named = next(i for i, line in enumerate(lines) if line.startswith("udevadm trigger --settle"))
    assert "--subsystem-match=video4linux" in lines[named]
    assert lines.index("udevadm control --reload") < named < lines.index("systemctl restart leukoscope")


@pytest.mark.parametrize("display", [False, True])
def test_of_a_display_that_there_is_not_nothing_is_stopped(pi, tmp_path, display):
    asked = tmp_path / "asked"
    for name in ("udevadm", "systemctl"):
        stub = program(tmp_path / "bin" / name, f'echo "{name} $*" >>{asked}')
    if display:
        unit = pi / "etc/systemd/system/leukoscope-kiosk.service"
        unit.touch()
    done = part(pi, "alive() { true; }; uninstall", "--purge", path=stub.parent)
    assert done.returncode == 0, done.stderr
    stopped = asked.read_text(encoding="utf-8").splitlines()[0].removeprefix("systemctl stop ").split()
    assert {"leukoscope", "leukoscope-web"} <= set(stopped)
    assert ("leukoscope-kiosk" in stopped) == display


def test_a_broker_that_cannot_be_had_now_holds_up_nothing_else(pi, tmp_path):
    """As without a network: the results wait for it, and the daemon must start all the same."""
    program(tmp_path / "here/apt_need.sh", "exit 1")
    done = part(pi, f'put() {{ :; }}; root= here={tmp_path}/here; install_broker; fail "but$failed"', *LOCAL)
    assert done.stderr == (
        "install.sh: but\nthere is no broker yet: apt-get install mosquitto, and run install.sh again\n"
    )


def test_the_display_gets_the_letters_of_each_language(pi, tmp_path):
    asked = tmp_path / "asked"
    stub = program(tmp_path / "bin/apt_need.sh", f'echo "$@" >>{asked}')
    for name in ("systemd-sysusers", "fc-list"):
        program(stub.with_name(name), "true")
    commands = f"put() {{ :; }}; link() {{ :; }}; root= here={stub.parent}; install_kiosk"
    for _ in range(2):
        assert part(pi, commands, "--kiosk", path=stub.parent).returncode == 0
        program(stub.with_name("fc-list"), 'echo "Noto Sans Bengali"')  # as from now on
    programs = "cage:cage Xwayland:xwayland chromium:chromium chvt:kbd"
    needed = [programs, ":fonts-noto-core", programs]
    assert asked.read_text(encoding="utf-8").splitlines() == needed


def test_an_empty_root_is_not_this_machine(pi):
    """A variable that nobody has set: what is meant for a card would be done to the computer."""
    done = part(pi, "echo reached", "--root", "")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--root: is empty" in done.stderr


def test_a_file_that_cannot_be_renewed_ends_it(pi, tmp_path):
    """As on a full disk: the old one is still there, and everything would look as if it were the new one."""
    (pi / "etc/old").write_text("old", encoding="utf-8")
    (pi / "opt/leukoscope").mkdir(parents=True)
    stub = program(tmp_path / "bin/cp", "exit 1")
    done = part(pi, f"put 644 {INSTALL} /etc/old; echo reached", path=stub.parent)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "install.sh: /etc/old: cannot be written\n"


def test_all_is_on_the_card_before_it_says_installed(pi, tmp_path):
    stub = program(tmp_path / "bin/sync", "echo synced")
    done = part(pi, "packages() { :; }; boot_settings() { :; }; install", path=stub.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("synced\ninstalled; ")
