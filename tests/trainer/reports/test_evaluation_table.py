"""What `evaluate` prints can be read in full on a narrow terminal."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("sklearn", reason="the trainer needs scikit-learn")

from trainer.evaluation.metrics import measure
from trainer.evaluation.record import SCHEMA, Evaluation
from trainer.reports.evaluation import table

CLASSES = ("eosinophil", "lymphocyte", "monocyte", "neutrophil", "immature granulocyte", "other")


@pytest.fixture(scope="module")
def evaluation():
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(len(CLASSES)), 12)
    logits = (2 * np.eye(len(CLASSES))[labels] + rng.normal(0, 1.5, (72, len(CLASSES)))).astype(np.float32)
    figures = measure(logits, labels, [f"slide {number % 9}" for number in range(72)], CLASSES)
    return Evaluation(
        schema=SCHEMA,
        recipe="mine",
        part="held-out photographs",
        on=None,
        images=72,
        photographs=9,
        uncut=0,
        left_out=0,
        data_sha256={},
        split_sha256="",
        bootstrap_draws=2000,
        float32=figures,
        int8=None,
        agreement=None,
        float_bytes=4,
        int8_bytes=None,
        int8_ms=None,
        runtime=None,
    )


def test_no_interval_is_cut_off_at_80_columns(evaluation):
    written = io.StringIO()
    Console(file=written, width=80).print(table(evaluation))
    shown = written.getvalue()
    assert "\u2026" not in shown
    for one in evaluation.float32.classes:
        for figure in (one.precision, one.recall, one.f1, one.auc):
            assert f"{100 * figure.low:.1f}-{100 * figure.high:.1f}" in shown
    # Where slides are told apart they are counted, not the pictures of them.
    assert "72 images of 9 photographs or slides" in shown
