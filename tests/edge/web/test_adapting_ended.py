"""How adapting from the page ends when its process does not say what came of it, or says a lot."""

from __future__ import annotations

import asyncio
import hashlib
import sys

import pytest

from edge.config import from_plain
from edge.updates.choice import answering
from edge.web.api import adapting

PYTHON = sys.executable


@pytest.fixture
def config(tmp_path):
    plain = {"camera": {"kind": "simulated"}, "store": {"path": str(tmp_path / "results.db")}}
    return from_plain(plain, origin="test", folder=tmp_path)


def adapted(config, monkeypatch, tmp_path, script):
    """Adapt with `script` as the process that does it."""
    stand_in = tmp_path / "python"
    stand_in.write_text(f"#!{PYTHON}\nimport sys\nsys.stdin.read()\n{script}", encoding="utf-8")
    stand_in.chmod(0o755)
    monkeypatch.setattr(adapting.sys, "executable", str(stand_in))
    return asyncio.run(adapting.Adaptation(config).run(()))


def test_a_long_list_of_what_was_passed_over_is_read_to_its_end(config, monkeypatch, tmp_path):
    script = (
        "import msgspec\n"
        "from edge.adaptation.remark import remark\n"
        "from edge.specimens.records import AdaptationState\n"
        "remarks = tuple(remark('no picture', specimen_id=f'S-{n}', count=3) for n in range(3000))\n"
        "state = AdaptationState(state='done', sentence='better', remarks=remarks)\n"
        "sys.stdout.buffer.write(msgspec.json.encode(state) + b'\\n')\n"
    )
    state = adapted(config, monkeypatch, tmp_path, script)
    assert (state.state, state.sentence, len(state.remarks)) == ("done", "better", 3000)


def test_a_process_that_dies_early_has_changed_nothing(config, monkeypatch, tmp_path):
    state = adapted(config, monkeypatch, tmp_path, "raise SystemExit(9)")
    assert state.state == "refused"
    assert state.sentence.endswith("nothing is changed")


def test_a_process_that_cannot_be_started_leaves_nothing_running(config, monkeypatch, tmp_path):
    monkeypatch.setattr(adapting.sys, "executable", str(tmp_path / "none"))
    assert asyncio.run(adapting.Adaptation(config).run(())).state == "refused"


def test_a_model_that_was_put_into_place_is_said_to_be_in_use(config, monkeypatch, tmp_path):
    content = b"a model"
    sha256 = hashlib.sha256(content).hexdigest()
    script = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from edge.updates.model_store import Installed, ModelStore\n"
        f"store = ModelStore(Path({str(config.models)!r}))\n"
        f"with store.incoming({content!r}) as path:\n"
        f"    store.adopt(path, {sha256!r}, Installed(name='ours', at='2026-11-30', signed_by='us'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    state = adapted(config, monkeypatch, tmp_path, script)
    assert answering(config).sha256 == sha256
    assert (state.state, state.sha256) == ("done", sha256)
    assert "in use" in state.sentence
