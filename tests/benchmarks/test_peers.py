"""What is compared with is the real thing, in a process of its own, or named with what is missing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from found_cells import find_cells

from benchmarks import pictures
from benchmarks.peer_process import PEERS, Peer, PeerProcess, PeersMissingError, job_for
from benchmarks.peers import largest_dark
from edge.cameras.image_files import read_image
from edge.config import SHIPPED_MODEL
from edge.errors import LeukoscopeError
from edge.masking import cut_crop
from edge.models.runtime import installed

_NOTEBOOK, _FLOAT, _INT8, _MEDIAPIPE = PEERS


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("peers")
    file = pictures.crowded(folder, (2,))[2]
    pixels = read_image(file)
    masks = find_cells(pixels)
    crops = [cut_crop(pixels, cell) for cell in masks.cells]
    return job_for(SHIPPED_MODEL, file, crops, threads=1, folder=folder)


def _needs(*packages):
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def test_the_notebook_way_answers_and_tells_its_time_and_memory(job):
    _needs("tensorflow")
    with PeerProcess(_NOTEBOOK, job, Path(sys.executable)) as peer:
        spent = peer.call(0)
        facts = peer.facts([0, 0])
    assert spent.wall_s > 0
    assert facts.first_s > spent.wall_s
    assert facts.peak_rss_mib > 100
    assert facts.agreement is None  # its weights are drawn


@pytest.mark.parametrize("peer", [_FLOAT, _INT8, _MEDIAPIPE], ids=lambda peer: peer.name)
def test_another_runtime_gives_the_same_calls_or_is_named(peer, job):
    packages = {"peer_onnx": ("onnxruntime", "tf2onnx", "tensorflow"), "peer_mediapipe": ("mediapipe",)}
    if any(importlib.util.find_spec(package) is None for package in packages[peer.module]):
        with pytest.raises(PeersMissingError, match=rf"is not installed: .*{peer.extra}"):
            PeerProcess(peer, job, Path(sys.executable))
        return
    ours = _ours(job)
    with PeerProcess(peer, job, Path(sys.executable)) as process:
        for number in range(len(ours)):
            process.call(number)
        assert process.facts(ours).agreement == 1


def test_a_peer_that_dies_is_named_with_its_last_words(job, tmp_path):
    crash = tmp_path / "python"
    crash.write_text("#!/bin/sh\necho 'illegal instruction' >&2\nexit 132\n", encoding="utf-8")
    crash.chmod(0o755)
    with pytest.raises(PeersMissingError, match="status 132: illegal instruction"):
        PeerProcess(_FLOAT, job, crash)


def test_a_model_that_a_peer_cannot_take_is_its_reason(job, tmp_path):
    peer = Peer("notebook", "peer_notebook", "bench-notebook")
    broken = type(job)(str(tmp_path / "none.tflite"), job.files, job.crops, 1, "", str(tmp_path))
    with pytest.raises(PeersMissingError, match="there is no such model file"):
        PeerProcess(peer, broken, Path(sys.executable))


def _ours(job):
    from benchmarks.peers import BareLoop
    from edge.models.bundle import read_bundle

    loop = BareLoop(read_bundle(Path(job.model)).model, threads=1, runtime=next(iter(installed())))
    return [loop.invoke(crop) for crop in job.read_crops()]


def test_a_picture_that_opencv_alone_cannot_read_is_named_in_a_sentence(tmp_path):
    picture = tmp_path / "cell.heic"
    picture.write_bytes(b"of a phone")
    with pytest.raises(LeukoscopeError, match=r"cell\.heic: cannot be read by OpenCV alone"):
        largest_dark(picture)
