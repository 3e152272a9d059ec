"""The namer's weights that are kept in the tree: they are those of the bundle that ships."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import trainer
from edge.config import SHIPPED_MODEL
from edge.labels import OTHER
from edge.models.bundle import read_bundle
from trainer.evaluation.trust import read_trust
from trainer.networks.predicting import predict
from trainer.training.checkpoints import WEIGHTS, last_checkpoint
from trainer.training.run import read_run

KEPT = Path(trainer.__file__).parent / "trained" / "any-microscope"
UNSEEN = {"olympus", "zheng1", "fields-416", "fields-575"}


def test_its_float_weights_answer_the_bundles_golden_inputs_as_int8_does():
    import keras

    bundle = read_bundle(SHIPPED_MODEL)
    about = bundle.description
    pictures = [cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR) for png in bundle.golden_images]
    crops = np.array([picture[:, :, ::-1] for picture in pictures], np.uint8)
    model = keras.models.load_model(last_checkpoint(KEPT) / WEIGHTS)
    off = predict(model, crops, about.turns) - np.array([golden.logits for golden in about.goldens])
    # Export lowers the score of `other` by one number, for it is seldom on slides.
    off[:, about.labels.index(OTHER)] -= off[:, about.labels.index(OTHER)].mean()
    assert np.abs(off).max() < 0.5


def test_its_record_is_that_of_the_bundle_and_names_nothing_that_is_for_measuring_only():
    run, about = read_run(KEPT), read_bundle(SHIPPED_MODEL).description
    assert about.training["split_sha256"] == run.split_sha256
    assert {name: data["sha256"] for name, data in about.training["data"].items()} == run.data_sha256
    assert not UNSEEN & run.data_sha256.keys()
    assert len(run.recipe.data.leave_out) == 77


def test_its_threshold_is_no_lower_than_the_kept_figures_of_microscopes_left_out_ask():
    about = read_bundle(SHIPPED_MODEL).description
    assert about.reject.familiarity.minimum_trust >= read_trust(KEPT / "left-out.json").asked - 0.005
