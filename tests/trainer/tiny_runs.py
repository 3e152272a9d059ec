"""What the tests of tiny runs do with a run's folder; it needs TensorFlow."""

from __future__ import annotations

import json

import pytest

from trainer.cli import main
from trainer.training import fitting
from trainer.training.checkpoints import HISTORY, last_checkpoint


def history(out):
    return json.loads((last_checkpoint(out) / HISTORY).read_text(encoding="utf-8"))


def fit_with_a_stop(recipe, data, out):
    """Fit into `out`, stop after the first epoch, and go on to the end."""
    arguments = ["fit", "--recipe", recipe, "--data", str(data), "--out", str(out)]
    save = fitting.save_checkpoint

    def save_then_stop(model, average, log, folder):
        save(model, average, log, folder)
        if len(log) == 1:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "save_checkpoint", save_then_stop)
        assert main(arguments) == 130
    assert len(history(out)) == 1
    assert main(arguments) == 0
