"""The model card says what the description says, for a full one and for one that says little."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

from edge.config import SHIPPED_MODEL
from edge.models.bundle import Description, Golden, read_bundle
from edge.models.reject import Familiarity, Reject
from trainer.export.bundle_writer import limits
from trainer.export.model_card import model_card
from trainer.recipe import Data, load_recipe

GOLDEN = Path(__file__).with_name("golden_model_card.md")


def shares(value, low, high):
    return {"value": value, "low": low, "high": high}


DESCRIPTION = Description(
    format="leukoscope.bundle/1",
    name="clinic",
    labels=("lymphocyte", "monocyte", "other"),
    preprocessing="found/1",
    model_sha256="ab" * 32,
    outputs={"logits": "a", "maps": "b"},
    temperature=0.7,
    reject=Reject(0.5, Familiarity(((0.0,),) * 3, (1.0,), 2.0, 0.0, 1.0, 0.5, 0.58)),
    goldens=(Golden("golden/0.png", (0.0, 1.0, 0.0), (0.0,)),),
    tolerance=0.5,
    created="2026-11-23T08:00:00Z",
    intended_use="Research and training. Not a medical device.",
    limits="Trained on photographs from two microscopes and stains.",
    training={
        "data": {
            "one": {
                "sha256": "cd" * 32,
                "source": "A | B",
                "licence": "MIT",
                "photographs": {"lymphocyte": 20, "monocyte": 12},
            },
            "two": {"sha256": "ef" * 32, "source": "C et al. 2020"},
        },
        "split_sha256": "01" * 32,
        "photographs": 40,
        "photographs_held_out": 8,
        "first_weights": "ImageNet, weights.pth, sha256 0f",
        "recipe": {"name": "clinic", "network": {"name": "compact"}},
        "int8": {
            "min_runtime_version": "1.14.0",
            "tensors_compared": 19,
            "most_clipped": 0.0002,
            "widest_range": 1.5,
        },
    },
    measured={
        "held-out photographs of the training sets": {
            "images": 1200,
            "photographs": 8,
            "float_accuracy": 0.95,
            "int8_accuracy": 0.95,
            "agreement": 0.995,
            "photograph_accuracy": shares(0.951, 0.934, 0.968),
            "photograph_macro_recall": shares(0.956, 0.94, 0.971),
            "accuracy": shares(0.908, 0.791, 0.983),
            "macro_recall": shares(0.9, 0.8, 0.95),
            "macro_auc": shares(0.99, 0.96, 0.999),
            "rejecting": {
                "auroc": 0.9888,
                "called": 0.8989,
                "wrong_calls": 0.0111,
                "wrong_calls_at_90": 0.01,
                "other_share": 0.05,
            },
        },
        "held-out photographs of two": {
            "images": 30,
            "photographs": 3,
            "agreement": 0.97,
            "allowed": "one image, of 30: too few to tell 0.5 points",
            "photograph_accuracy": shares(0.9, 0.8, 1.0),
            "accuracy": shares(0.9, 0.8, 1.0),
        },
    },
    tools={"leukoscope": "0.1.0", "tensorflow": "2.21.0", "commit": "0123456789ab"},
)


def test_the_page_of_a_description_is_the_golden_one():
    # After a wanted change, write model_card(DESCRIPTION) into the golden file and read the difference.
    assert model_card(DESCRIPTION) == GOLDEN.read_text(encoding="utf-8")


def test_what_is_counted_by_slides_is_not_called_photographs():
    page = model_card(DESCRIPTION)
    assert "| photographs or slides trained on |" in page
    assert "40 photographs or slides, of which 8 were held out of training" in page
    assert "| measured on | photographs or slides | images |" in page


def test_a_description_that_says_little_gives_a_page_all_the_same():
    bare = msgspec.structs.replace(
        DESCRIPTION,
        labels=("lymphocyte", "monocyte"),
        reject=Reject(0.5),
        training={},
        measured={},
        tools={},
    )
    page = model_card(bare)
    assert "None were measured." in page
    assert "git commit unknown" in page
    assert "No answer: below a probability of 50 %." in page


def test_the_shipped_bundle_gives_a_page():
    about = read_bundle(SHIPPED_MODEL).description
    page = model_card(about)
    assert page.startswith(f"# Model card: {about.name}\n")
    for label in about.labels:
        assert label in page
    for entry in about.training["data"].values():
        assert entry["sha256"] in page


def test_limits_speak_of_the_recipes_own_sets_and_classes():
    told = limits(load_recipe("clinic").data)
    assert "two microscopes and stains (blood-cell-images/TRAIN, pbc)" in told
    assert "It counts eosinophils, lymphocytes, monocytes, neutrophils and basophils." in told
    assert "other (immature granulocytes, erythroblasts and platelets) it does not count" in told
    assert "never shown blasts" in told
    shown = limits(load_recipe("any-microscope").data)
    assert "never shown" not in shown
    assert "blasts" in shown.partition("What it calls other (")[2]


def test_sets_of_the_same_originals_are_one_microscope_and_classes_that_lack_are_named():
    four = ("eosinophil", "lymphocyte", "monocyte", "neutrophil")
    told = limits(Data(("blood-cell-images/TRAIN", "blood-cell-images/TEST", "bccd"), four))
    assert "from one microscope and stain (" in told
    assert "never shown basophils, immature granulocytes, erythroblasts, platelets and blasts" in told
    assert "it does not count" not in told
