"""A model from a stranger is refused before it is looked at; a signed one is proved, and can be undone."""

from __future__ import annotations

import base64
import errno
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from bundles import rewritten
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import cell, field

from edge.cli import main
from edge.config import SHIPPED_MODEL, load_config
from edge.errors import BundleError, OutputError
from edge.messages import ModelReference
from edge.models.bundle import MAX_BYTES, read_bundle
from edge.store.fields import Store
from edge.updates.acting import as_owner
from edge.updates.device_key import sign_for_device
from edge.updates.model_store import SHIPPED, ModelStore
from edge.updates.proof import prove
from edge.updates.signing import make_key, sign

MODEL = SHIPPED_MODEL.read_bytes()


class Bench:
    """A device's configuration with one trusted key, and a bundle that is signed with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "leukoscope.toml"
        self.config.write_text(
            '[camera]\nkind = "simulated"\n[model]\ntrusted_keys = "keys"\n', encoding="utf-8"
        )
        self.key = folder / "maker"
        (folder / "keys").mkdir()
        shutil.move(make_key(self.key), folder / "keys")
        self.file = self.signed(rewritten(folder / "new.tflite", temperature=1.5))
        self.store = ModelStore(load_config(self.config).models)

    def signed(self, path: Path) -> Path:
        sign(path, self.key, MAX_BYTES)
        return path

    def model(self, action: str, *arguments: object) -> int:
        return main(["model", action, *map(str, arguments), "--config", str(self.config)])


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture(scope="module")
def lasting_bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("bench"))


def refused(bench, capsys, file=None):
    """Install; give the one sentence with which it was refused, after nothing was changed."""
    before = bench.store.state()
    assert bench.model("install", file or bench.file) == 1
    said = capsys.readouterr().err
    assert said.startswith("leukoscope: ")
    assert said.count("\n") == 1
    assert bench.store.state() == before
    assert not list(bench.store.folder.glob("*.tflite"))
    return said


def test_a_signed_model_answers_from_the_next_start_on_and_can_be_undone(bench, capsys):
    sha256 = read_bundle(bench.file).sha256
    assert bench.model("list") == 0
    assert listed(capsys) == [["current", "the model that ships", "", "", "", ""]]
    assert bench.model("install", bench.file) == 0
    assert f"{sha256}, signed by maker" in capsys.readouterr().out
    assert bench.store.path(sha256).read_bytes() == bench.file.read_bytes()
    assert bench.model("list") == 0
    current, former = listed(capsys)
    assert (current[0], current[2:4]) == ("current", [sha256[:12], "maker"])
    assert current[5] == "has not proved itself yet"
    assert former[:2] == ["former", "the model that ships"]
    for expected in (SHIPPED, sha256, SHIPPED):
        assert bench.model("rollback") == 0
        assert bench.store.state().current == expected


def test_every_listing_goes_by_the_model_that_answers(bench, capsys):
    called = ModelReference(read_bundle(bench.file).description.name, read_bundle(bench.file).sha256)
    with Store.open(bench.folder / "leukoscope.db") as store:
        store.start_specimen("S")
        each = field(store.next_sequence(), cell("neutrophil"), cell("monocyte"))
        store.add(msgspec.structs.replace(each, model=called))
        store.finish_specimen("S")

    def said() -> tuple[str, str, str]:
        shown = []
        for command in (["model", "info"], ["config", "check"], ["specimen", "show"]):
            option = [] if command == ["config", "check"] else ["--config"]
            assert main([*command, *option, str(bench.config)]) == 0
            shown.append(" ".join(capsys.readouterr().out.split()))
        return tuple(shown)

    info, check, specimen = said()
    assert "answers here ships with the software" in info
    assert "(ships with the software)" in check
    assert f"not corrected: cells were called by another model, {called.name}" in specimen
    assert bench.model("install", bench.file) == 0
    capsys.readouterr()
    info, check, specimen = said()
    assert called.sha256 in info.replace(" ", "")
    assert "signed by maker" in info
    assert "signed by maker" in check
    assert "not corrected" not in specimen
    # As a start would: a file that is damaged does not answer.
    bench.store.path(called.sha256).write_bytes(b"")
    assert all("signed by maker" not in text for text in said())


@pytest.mark.parametrize("content", [None, b"", MODEL[:1000]])
def test_a_list_does_not_call_a_model_current_whose_file_is_gone_or_damaged(content, bench, capsys):
    assert bench.model("install", bench.file) == 0
    path = bench.store.path(bench.store.state().current)
    path.unlink() if content is None else path.write_bytes(content)
    capsys.readouterr()
    assert bench.model("list") == 0
    current, failed = listed(capsys)
    assert current[:2] == ["current", "the model that ships"]
    assert (failed[0], failed[2], failed[5]) == ("failed", path.stem[:12], "its file is missing or damaged")


def test_a_list_says_which_former_model_cannot_be_gone_back_to(bench, capsys):
    for temperature in (2.0, 3.0):
        assert bench.model("install", bench.signed(rewritten(bench.file, temperature=temperature))) == 0
        bench.store.end_trial(bench.store.state().current, passed=True)
    bench.store.path(bench.store.state().former).unlink()
    capsys.readouterr()
    assert bench.model("list") == 0
    assert [row[5] for row in listed(capsys)] == ["", "its file is missing or damaged"]


def test_the_same_model_again_changes_nothing(bench, capsys):
    assert bench.model("install", bench.file) == 0
    before = bench.store.state()
    assert bench.model("install", bench.file) == 0
    assert "is installed already" in capsys.readouterr().out
    assert bench.store.state() == before


def test_only_the_current_and_the_former_model_take_room(bench):
    for temperature in (2.0, 3.0, 4.0):
        assert bench.model("install", bench.signed(rewritten(bench.file, temperature=temperature))) == 0
        bench.store.end_trial(bench.store.state().current, passed=True)
    state = bench.store.state()
    assert {path.stem for path in bench.store.folder.glob("*.tflite")} == {state.current, state.former}
    assert set(state.installed) == {state.current, state.former}


def test_an_update_of_one_that_never_ran_keeps_the_one_that_did(bench):
    for temperature in (2.0, 3.0):
        assert bench.model("install", bench.signed(rewritten(bench.file, temperature=temperature))) == 0
    assert bench.store.state().former == SHIPPED


def test_without_a_signature_by_another_key_or_of_another_file_it_is_refused(bench, capsys):
    signature = bench.file.with_name("new.tflite.sig")
    good = signature.read_bytes()
    signature.unlink()
    assert "there is no such signature" in refused(bench, capsys)
    stranger = bench.folder / "stranger"
    make_key(stranger)
    sign(bench.file, stranger, MAX_BYTES)
    assert "is not signed by a key that is trusted here (maker)" in refused(bench, capsys)
    other = bench.folder / "other.tflite"
    other.write_bytes(MODEL)
    other.with_name("other.tflite.sig").write_bytes(good)
    assert "is not signed by a key that is trusted here" in refused(bench, capsys, other)
    for rubbish in (b"", b"\xff\xfe", b"A" * 5000, base64.b64encode(bytes(63))):
        signature.write_bytes(rubbish)
        refused(bench, capsys)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, len(MODEL) - 1), flip=st.integers(1, 255), cut=st.booleans())
def test_no_byte_of_a_signed_model_can_be_changed(lasting_bench, capsys, position, flip, cut):
    content = bytearray(lasting_bench.file.read_bytes())
    position %= len(content)
    content[position] ^= flip
    changed = lasting_bench.folder / "changed.tflite"
    changed.write_bytes(content[:position] if cut else content)
    shutil.copy(lasting_bench.folder / "new.tflite.sig", lasting_bench.folder / "changed.tflite.sig")
    assert "is not signed by a key that is trusted here" in refused(lasting_bench, capsys, changed)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.binary(min_size=64, max_size=64).map(base64.b64encode)))
def test_no_signature_can_be_made_up(lasting_bench, capsys, signature):
    made_up = lasting_bench.folder / "made-up.tflite"
    made_up.write_bytes(MODEL)
    made_up.with_name("made-up.tflite.sig").write_bytes(signature)
    refused(lasting_bench, capsys, made_up)


def test_what_is_no_file_is_not_waited_for_and_what_is_too_large_is_not_read(bench, capsys):
    pipe = bench.folder / "pipe.tflite"
    os.mkfifo(pipe)
    assert "is not a file" in refused(bench, capsys, pipe)
    assert "directory" in refused(bench, capsys, bench.folder)
    huge = bench.folder / "huge.tflite"
    with huge.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "is longer than" in refused(bench, capsys, huge)
    assert "there is no such model" in refused(bench, capsys, bench.folder / "none.tflite")


def test_a_signature_does_not_excuse_a_model_that_answers_wrongly(bench, capsys):
    about = read_bundle(SHIPPED_MODEL).description
    wrong = rewritten(bench.file, tolerance=1e-9, goldens=about.goldens[::-1])
    said = refused(bench, capsys, bench.signed(wrong))
    assert said.startswith(f"leukoscope: {bench.file}: ")
    study = rewritten(bench.file, preprocessing="study/2")
    assert "was trained on crops of recipe study/2" in refused(bench, capsys, bench.signed(study))


def test_a_signed_bomb_is_refused_with_a_sentence(bench, capsys):
    bomb = bench.folder / "bomb.tflite"
    bomb.write_bytes(read_bundle(SHIPPED_MODEL).model)
    with (
        zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("leukoscope.json", "w", force_zip64=True) as member,
    ):
        for _ in range(MAX_BYTES // (1 << 20) + 1):
            member.write(bytes(1 << 20))
    assert "unpacks to more than" in refused(bench, capsys, bench.signed(bomb))


def test_names_in_a_bundle_lead_nowhere(bench):
    # A bundle is read in memory: whatever its members are called, nothing is unpacked.
    named = rewritten(bench.file, name="../../etc/passwd")
    with zipfile.ZipFile(named, "a") as archive:
        archive.writestr("../../../escaped", b"x")
    before = set(bench.folder.iterdir())
    assert bench.model("install", bench.signed(named)) == 0
    assert set(bench.folder.iterdir()) - before == {bench.store.folder}
    assert sorted(p.name for p in bench.store.folder.iterdir()) == sorted(
        [f"{bench.store.state().current}.tflite", "lock", "state.json"]
    )


def test_a_link_in_the_folder_of_models_is_replaced_and_not_followed(bench):
    victim = bench.folder / "victim"
    victim.write_text("untouched", encoding="utf-8")
    bench.store.folder.mkdir()
    sha256 = read_bundle(bench.file).sha256
    for name in (f"{sha256}.tflite", "state.json.partial"):
        (bench.store.folder / name).symlink_to(victim)
    assert bench.model("install", bench.file) == 0
    assert victim.read_text(encoding="utf-8") == "untouched"
    assert not bench.store.path(sha256).is_symlink()


def may_run_python(user):
    command = [sys.executable, "-c", "import edge"]
    try:
        return subprocess.run(command, user=user, group=user, timeout=60, check=False).returncode == 0
    except PermissionError:
        return False


def test_root_writes_as_the_owner_of_the_results(bench, capsys):
    nobody = 65534
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    if not may_run_python(nobody):
        pytest.skip("this Python is closed to other users")
    with TemporaryDirectory() as folder:  # pytest's own are closed to other users
        results = Path(folder, "results")
        results.mkdir()
        os.chown(results, nobody, nobody)
        Path(folder).chmod(0o755)
        with bench.config.open("a", encoding="utf-8") as file:
            file.write(f'[store]\npath = "{results}/results.db"\n')
        status = bench.model("install", bench.file)
        assert status == 0, capsys.readouterr().err
        written = list(results.rglob("*"))
        assert len(written) == 4
        assert {(p.stat().st_uid, p.stat().st_gid) for p in written} == {(nobody, nobody)}
        # The owner turns the folder into a way to somewhere else: root does not go there.
        shutil.rmtree(results / "models")
        (results / "models").symlink_to(bench.folder / "keys")
        assert bench.model("install", bench.file) == 1
        assert "cannot be written: Permission denied" in capsys.readouterr().err


def test_root_follows_a_link_with_the_rights_of_who_can_turn_it_elsewhere(tmp_path):
    nobody = 65534
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    results, elsewhere = tmp_path / "results", tmp_path / "elsewhere"
    for folder in (results, elsewhere):
        folder.mkdir()
    os.chown(results, nobody, nobody)

    def acts_as(folder):
        with as_owner(folder):
            return os.geteuid()

    assert acts_as(results / "models") == nobody
    (results / "models").symlink_to(elsewhere)
    for folder in (results / "models", results / "models/below"):
        assert acts_as(folder) == nobody
    # Where nobody else can turn it, a link is a way as any other: the results of a large disk.
    (tmp_path / "link").symlink_to(results)
    assert acts_as(tmp_path / "link") == nobody
    (tmp_path / "own").symlink_to(elsewhere)
    assert acts_as(tmp_path / "own") == 0
    os.lchown(tmp_path / "own", nobody, nobody)
    assert acts_as(tmp_path / "own") == nobody


def test_a_proof_that_crashes_is_not_explained_by_what_was_said_before(bench, monkeypatch):
    crashes = bench.folder / "python"
    crashes.write_text("#!/bin/sh\necho 'INFO: Created a delegate' >&2\nkill -ABRT $$\n", encoding="utf-8")
    crashes.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crashes))
    with pytest.raises(BundleError, match=r"^brought the process down \(status -6\)$"):
        prove(bench.file, load_config(bench.config))


def test_a_model_that_the_configuration_names_is_not_hidden_by_an_installed_one(bench, capsys):
    text = bench.config.read_text(encoding="utf-8")
    bench.config.write_text(text + f'path = "{bench.file}"\n', encoding="utf-8")
    assert bench.model("install", bench.file) == 2
    assert "remove the line" in capsys.readouterr().err
    assert bench.model("list") == 0
    assert listed(capsys)[0][:2] == ["configured", str(bench.file)]


def listed(capsys):
    """Return the rows of `model list` below its header."""
    header, *rows = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert header == ["which", "model", "sha256", "signed by", "installed", "note"]
    return rows


def test_keys_are_for_their_owner_and_never_written_over(tmp_path, capsys):
    key = tmp_path / "key"
    assert main(["model", "keygen", str(key)]) == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_bytes()
    assert main(["model", "keygen", str(key)]) == 1
    assert "never written over" in capsys.readouterr().err
    assert key.read_bytes() == secret
    (tmp_path / "key.pub").unlink()
    assert main(["model", "keygen", str(key)]) == 1
    assert not (tmp_path / "key.pub").exists()


@pytest.mark.parametrize("name", [".", "/", "{}/maker.pub"])
def test_a_secret_key_gets_a_name_that_is_no_public_key_s(name, tmp_path, capsys):
    assert main(["model", "keygen", name.format(tmp_path)]) == 1
    assert "is no name for a secret key; give one without .pub" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_is_none_is_named(bench, capsys):
    (bench.folder / "keys" / "rubbish.pub").write_text("no key", encoding="utf-8")
    assert "rubbish.pub: is no public Ed25519 key" in refused(bench, capsys)
    shutil.rmtree(bench.folder / "keys")
    assert "model.trusted_keys cannot be read" in refused(bench, capsys)
    (bench.folder / "keys").mkdir()
    assert "holds no trusted key" in refused(bench, capsys)
    assert main(["model", "sign", str(bench.file), "--key", str(bench.config)]) == 1
    assert "is no Ed25519 key" in capsys.readouterr().err


def test_openssl_makes_keys_and_checks_signatures_as_well(bench, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    raw = tmp_path / "raw"
    raw.write_bytes(base64.b64decode(bench.file.with_name("new.tflite.sig").read_bytes()))
    public = bench.folder / "keys" / "maker.pub"
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", bench.file]
    done = subprocess.run([*command, "-sigfile", raw], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    own = tmp_path / "own"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", own], timeout=60, check=True)
    assert main(["model", "sign", str(bench.file), "--key", str(own)]) == 0


def test_only_who_signs_or_installs_loads_the_cryptography():
    code = (
        "import sys, edge.daemon.process, edge.cli; edge.cli.main(['model', 'info']); "
        "sys.exit(any(name.startswith('cryptography') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_that_lies_beside_a_model_is_run(bench, monkeypatch):
    stick = bench.file.parent / "stick"
    (stick / "edge" / "updates").mkdir(parents=True)
    for folder in (stick / "edge", stick / "edge" / "updates"):
        (folder / "__init__.py").write_text("")
    (stick / "edge" / "updates" / "proof.py").write_text("raise SystemExit(0)")
    monkeypatch.chdir(stick)
    bad = stick / "bad.tflite"
    bad.write_bytes(b"no model")
    with pytest.raises(BundleError):
        prove(bad, load_config(bench.config))


@pytest.mark.parametrize(
    "left", ["", "-----BEGIN PRIVATE KEY-----\nMC4CAQ", None], ids=["empty", "half", "public"]
)
def test_a_power_cut_while_the_devices_key_is_made_costs_that_key_and_nothing_else(bench, left, tmp_path):
    models = bench.store.folder
    models.mkdir(parents=True, exist_ok=True)
    (models / "device.key.pub").write_text("-----BEGIN", encoding="utf-8")
    if left is not None:
        (models / "device.key").write_text(left, encoding="utf-8")
    assert bench.model("install", bench.file) == 0, "signed by somebody who is trusted"
    own = shutil.copy(SHIPPED_MODEL, tmp_path / "own.tflite")
    config = load_config(bench.config)
    sign_for_device(own, config)
    assert bench.model("install", own) == 0
    assert (models / "device.key").read_bytes().endswith(b"-----END PRIVATE KEY-----\n")
    assert (models / "device.key.pub").read_bytes().endswith(b"-----END PUBLIC KEY-----\n")


@pytest.mark.parametrize("half", ["key.pub", "key"])
def test_a_full_disk_leaves_no_half_of_a_key(half, tmp_path, monkeypatch):
    synced = os.fsync

    def full(handle):
        if Path(f"/proc/self/fd/{handle}").readlink().name == half:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        synced(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        make_key(tmp_path / "key")
    assert list(tmp_path.iterdir()) == []
