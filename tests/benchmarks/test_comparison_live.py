"""`compare` on runs made now, whatever the machine has to do besides: quiet on one code, and not on a slower.

LEUKOSCOPE_SOAK=1: a slowdown of a fifth, five times out of five; else one of a half, once.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from functools import partial

import cv2
import pytest
from found_cells import find_cells

from benchmarks import pictures, timing
from benchmarks.cli import CHANGED, main
from benchmarks.comparison import SCHEMA
from edge.cameras.image_files import read_image
from edge.config import SHIPPED_MODEL
from edge.masking import cut_crop
from edge.naming.classifier import Classifier

_FULL = bool(os.environ.get("LEUKOSCOPE_SOAK"))
_SLOWER = 0.2 if _FULL else 0.5


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    files = [file for file, _ in pictures.drawn(6, tmp_path_factory.mktemp("live"))]
    frames = [read_image(file) for file in files]
    crops = []
    for frame in frames:
        masks = find_cells(frame)
        crops += [cut_crop(frame, cell) for cell in masks.cells]
    classifier = Classifier.load(SHIPPED_MODEL)
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield {
        "decode": [partial(read_image, file) for file in files] * 2,
        "mask": [partial(find_cells, frame) for frame in frames] * 2,
        "classify": [partial(classifier.classify, crop) for crop in crops] * 4,
    }
    cv2.setNumThreads(before)


def _slowed(call):
    """Make a call work longer by a share: on the processor, not by waiting."""

    def work():
        started = time.process_time()
        call()
        until = time.process_time() + _SLOWER * (time.process_time() - started)
        while time.process_time() < until:
            pass

    return work


def _run(stages, file):
    rows = [asdict(row) for row in timing.measure(stages, 5)]
    file.write_text(json.dumps({"schema": SCHEMA, "repetitions": 5, "latency_ms": rows}), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("turn", range(5 if _FULL else 1))
def test_the_same_code_is_no_change_and_slower_code_is_one(turn, stages, tmp_path, capsys):
    slowed = {stage: [_slowed(call) for call in calls] for stage, calls in stages.items()}
    before = _run(stages, tmp_path / f"{turn}-before.json")
    after = _run(stages, tmp_path / f"{turn}-after.json")
    slow = _run(slowed, tmp_path / f"{turn}-slow.json")
    assert main(["compare", before, after]) == 0, capsys.readouterr().out
    assert main(["compare", before, slow]) == CHANGED
    assert "slower" in capsys.readouterr().out
