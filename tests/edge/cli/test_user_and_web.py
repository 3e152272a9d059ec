"""`leukoscope user` and `leukoscope web`: what is typed wrongly is said in one sentence."""

from __future__ import annotations

import getpass
import io
import os
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from edge.cli import main, user
from edge.errors import LeukoscopeError
from edge.web.server import expect_free

NOBODY = 65534
DEVICE = '[camera]\nkind = "simulated"\n[specimen]\nlifecycle = "command"\n[store]\npath = "{}"\n'


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "device.toml"
    file.write_text(DEVICE.format("results.db"))
    return str(file)


@pytest.mark.parametrize("after", [0, 1])
def test_a_pin_that_is_not_typed_to_its_end_adds_nobody(config, monkeypatch, capsys, after):
    typed = iter(["471193"] * after)

    def ask(_prompt):
        for text in typed:
            return text
        raise EOFError  # as Ctrl-D does

    monkeypatch.setattr(user.sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(getpass, "getpass", ask)
    assert main(["user", "add", "K7", "--config", config]) == 1
    assert capsys.readouterr().err.strip() == "leukoscope: no PIN was given: nothing is changed"
    assert main(["user", "list", "--config", config]) == 0
    assert "nobody yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["user", "add", "K7", "--name", "Am\udce9lie"],
        ["user", "reset", "Am\udce9lie"],
        ["specimen", "discard", "S-7", "--reason", "\udce9"],
        ["specimen", "history", "\udce9"],
        ["specimen", "review", "S-7", "--cell", "\udce9", "--confirm", "--operator", "K7"],
        ["web", "--host", "\udce9"],
    ],
)
def test_what_is_typed_in_another_encoding_is_refused(config, capsys, words):
    assert main([*words, "--config", config]) == 2
    assert "is not in UTF-8; set the terminal to UTF-8\n" in capsys.readouterr().err


def test_an_error_moves_and_colours_no_terminal(config, capsys):
    assert main(["user", "remove", "K\x1b[31m\x9b7", "--config", config]) == 1
    assert capsys.readouterr().err == "leukoscope: there is no person K\\x1b[31m\\x9b7\n"
    with pytest.raises(SystemExit):
        main(["\x1b[31m"])
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "-4", "65536", "99999"])
def test_a_port_that_there_is_not_is_refused_before_the_page_is_announced(config, capsys, port):
    assert main(["web", "--config", config, f"--port={port}"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"leukoscope: --port: {port} is no port; give a whole number from 1 to 65535\n"


def test_no_address_is_said_at_which_there_is_no_page(config, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["web", "--config", config, "--host", "127.0.0.1", f"--port={port}"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"the page cannot be served at 127.0.0.1:{port}: Address already in use" in said.err


def test_an_address_that_there_cannot_be_is_said():
    with pytest.raises(LeukoscopeError, match="at ::no:8080: there is no such name or address; give another"):
        expect_free("::no", 8080)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
@pytest.mark.parametrize(
    ("words", "file"),
    [(["user", "add", "K7"], "people.db"), (["specimen", "start", "S-7"], "results.db")],
)
def test_root_writes_through_no_link_that_the_daemons_account_has_put_there(
    config, monkeypatch, capsys, words, file
):
    run = [*words, "--config"]

    def status(of_device):
        monkeypatch.setattr("sys.stdin", io.StringIO("471193\n"))
        return main([*run, str(of_device)])

    assert status(config) == 0  # what is loaded on first use, of a Python that only root may read, is loaded
    with TemporaryDirectory() as folder:  # pytest's own are closed to other users
        Path(folder).chmod(0o755)
        results, system = Path(folder, "results"), Path(folder, "system")
        system.mkdir()
        device = system / "device.toml"
        device.write_text(DEVICE.format(results / "results.db"))
        results.mkdir()
        os.chown(results, NOBODY, NOBODY)
        (results / file).symlink_to(system / "planted")
        capsys.readouterr()
        assert status(device) == 1
        assert "cannot be" in capsys.readouterr().err
        assert list(system.iterdir()) == [device]
        assert os.geteuid() == 0
