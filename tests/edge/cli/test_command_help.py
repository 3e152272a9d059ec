"""What the commands say of themselves, and which configuration they read where nobody names one."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mqtt_partners import PATIENCE_S

from edge.cli import config_option, main
from edge.cli.help import EXAMPLES

REPOSITORY = Path(__file__).parents[3]
CAMERA = '[camera]\nkind = "simulated"\n'


@pytest.mark.parametrize("words", [[], ["help"], ["--help"]])
def test_the_overview_is_a_page_of_80_columns_that_begins_with_what_works_at_once(words, capsys):
    if words == ["--help"]:
        with pytest.raises(SystemExit):
            main(words)
    else:
        assert main(words) == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 28
    assert "leukoscope demo" in lines[3]
    for command in ("run", "analyze", "config", "specimen", "model", "results", "camera"):
        assert shown.count(f"\n  {command} ") == 1, command


def test_every_command_and_action_has_a_page_with_an_example_that_can_be_typed(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    main([])
    overview = capsys.readouterr().out
    commands = {line.split()[0] for line in overview.split("Try it:")[1].splitlines() if line[:2] == "  "}
    assert commands <= {name.split()[0] for name in EXAMPLES}
    for command in commands - {"results", "help"}:
        main(["help", command])
        actions = re.findall(r"^    ([a-z-]+)", shown := capsys.readouterr().out, re.MULTILINE)
        assert not re.search(r"^    [a-z-]+$", shown, re.MULTILINE), "an action and its text are on one line"
        assert {f"{command} {action}" for action in actions} <= EXAMPLES.keys()
    for name, example in EXAMPLES.items():
        assert main(["help", *name.split()]) == 0, name
        shown = capsys.readouterr().out
        assert example in shown
        assert max(map(len, shown.splitlines())) <= 80, name
        # What is shown is taken by the parser: asked for its help, it looks at the words before.
        with pytest.raises(SystemExit) as ended:
            main([*shlex.split(example)[1:], "--help"])
        assert ended.value.code == 0, name
        capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["modl"], "modl is no command; did you mean model?"),
        (["model", "instal"], "instal is no action; did you mean install?"),
        (["help", "specimen", "begin"], "begin is no action of specimen; there is: start, stop"),
        (["results", "lst"], "lst is no action; did you mean list?"),
        (["analyze", "x", "--overlay", "y"], "--overlay is not known here; did you mean --overlays?"),
        (["specimen", "start", "A", "--targt=5"], "--targt=5 is not known here; did you mean --target?"),
        (["specimen", "start", "A", "--target", "many"], "--target: many is not a whole number"),
        (["help", "model", "info", "more"], "more is no action of model info\n"),
        (["analyze", "x", "--masks", ""], "leukoscope: --masks: is empty; name a file or a folder\n"),
        (["analyze", "x", "--overlays="], "--overlays: is empty"),
        (["demo", "--picture", ""], "--picture: is empty"),
        (["demo", "--images", ""], "leukoscope: --images: is empty; name a file or a folder\n"),
        (["demo", "--images", "x", ""], "--images: is empty"),
        (["analyze", "x", ""], "leukoscope: PATH: is empty; name a file or a folder\n"),
        (["model", "adapt", "x", "--out", ""], "--out: is empty"),
        (["camera", "calibrate", "--out", ""], "--out: is empty"),
        (["model", "keygen", ""], "FILE: is empty"),
        (["results", "list", "--store", ""], "--store: is empty"),
        (["specimen", "review"], "missing: SPECIMEN, --cell, --operator\n"),
        (["measure"], "give one of: FOLDER, --named\n"),
        (["measure", "cells", "--named"], "--named does not go with FOLDER\n"),
        (["web", "--port"], "--port: what it takes is missing\n"),
        (["specimen", "review", "S", "--operator", "K7", "--cell"], "--cell: what it takes is missing\n"),
    ],
)
def test_a_mistyped_word_gets_the_one_that_is_meant(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert "leukoscope help" in error


@pytest.mark.parametrize("command", ["model", "specimen", "results"])
def test_a_command_without_its_action_explains_itself(command, capsys):
    assert main([command]) == 0
    assert "list" in capsys.readouterr().out


def test_the_configuration_is_the_one_here_else_the_systems(tmp_path, monkeypatch, capsys):
    here, system = tmp_path / "here", tmp_path / "system.toml"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(config_option, "SYSTEM", system)
    for command in (
        ["config", "check"],
        ["specimen", "list"],
        ["results", "list"],
        ["camera", "focus"],
        ["model", "list"],
    ):
        assert main(command) == 2
        assert "there is no leukoscope.toml in this folder" in capsys.readouterr().err
    system.write_text(CAMERA + "[store]\npath = 'system.db'\n")
    assert main(["results", "list"]) == 1
    assert "system.db" in capsys.readouterr().err
    (here / "leukoscope.toml").write_text(CAMERA + "[store]\npath = 'here.db'\n")
    assert main(["results", "list"]) == 1
    assert "here.db" in capsys.readouterr().err
    assert main(["results", "list", "--store", "own.db"]) == 1
    assert "own.db" in capsys.readouterr().err
    assert main(["results", "list", "--config", str(system)]) == 1
    assert "system.db" in capsys.readouterr().err
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out.startswith("leukoscope.toml: right")


@pytest.mark.parametrize("words", [[], ["--version"], ["--help"], ["help", "run"], ["run", "--help"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_help_that_cannot_be_written_is_an_error(words, unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "edge.cli", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
            env=environment,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"leukoscope: the output: No space left on device\n")


def test_ctrl_c_ends_a_command_quietly_also_while_it_still_loads():
    # As somebody would whose Pi takes a second to load what the command needs.
    script = (
        "import os, signal, sys\n"
        "class Pressed:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'edge.cli.parser':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Pressed())\n"
        "from edge.cli import main\n"
        "sys.exit(main(['--version']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        cwd=REPOSITORY,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_since_is_refused_where_it_would_do_nothing(tmp_path, capsys):
    for action in ("list", "export"):
        assert main(["results", action, "--since", "2026-05-01", "--store", str(tmp_path / "x.db")]) == 2
        assert "--since is for `results republish`" in capsys.readouterr().err


def test_on_a_terminal_it_is_said_which_configuration_was_read(tmp_path):
    (tmp_path / "leukoscope.toml").write_text(CAMERA)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edge.cli", "specimen", "list"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(command, stderr=theirs, cwd=tmp_path, env=environment, timeout=PATIENCE_S, check=False)
    os.close(theirs)
    assert f"configuration: {tmp_path / 'leukoscope.toml'}" in os.read(ours, 4096).decode()
    os.close(ours)


def test_the_runtimes_own_chatter_is_not_shown_and_all_else_is():
    script = (
        "import os\n"
        "from edge.models.quiet import without_chatter\n"
        "with without_chatter():\n"
        "    os.write(2, b'INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\nERROR: of weight\\n')\n"
        "os.write(2, b'INFO: our own\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=REPOSITORY, check=True)
    assert done.stderr == b"ERROR: of weight\nINFO: our own\n"
    closed = f"exec 2>&-; exec {shlex.quote(sys.executable)} -c {shlex.quote(script.splitlines()[1])}"
    assert subprocess.run(["bash", "-c", closed], cwd=REPOSITORY, check=False).returncode == 0
    verify = [sys.executable, "-m", "edge.cli", "model", "verify"]
    done = subprocess.run(verify, capture_output=True, cwd=REPOSITORY, check=True)
    assert b"golden inputs pass" in done.stdout
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("check-config", "config check"),
        ("cameras", "camera list"),
        ("focus", "camera focus"),
        ("calibrate-camera", "camera calibrate"),
        ("calibrate", "model adapt"),
        ("model new-key", "model keygen"),
    ],
)
@pytest.mark.parametrize("asked", [[], ["help"]])
def test_a_command_of_the_first_release_is_told_its_new_name(old, new, asked, capsys):
    with pytest.raises(SystemExit):
        main([*asked, *old.split()])
    assert f"leukoscope: `{old}` is called `{new}` since 0.2\n" in capsys.readouterr().err
