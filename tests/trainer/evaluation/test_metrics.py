"""Figures of known answers, and the bootstrap's fast arithmetic against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_data import CLASSES
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn", reason="the trainer needs scikit-learn")

from sklearn.metrics import accuracy_score, auc, precision_recall_fscore_support, roc_auc_score

from trainer.evaluation.bootstrap import Arithmetic, figure_names
from trainer.evaluation.curves import curves
from trainer.evaluation.metrics import calibration_error, measure, share, softmax


def test_known_answers_give_known_figures():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 2])
    calls = np.array([0, 0, 0, 1, 1, 1, 0, 2])
    logits = (4 * np.eye(3)[calls]).astype(np.float32)
    photographs = ["a", "a", "a", "b", "c", "c", "d", "e"]
    figures = measure(logits, labels, photographs, ("x", "y", "z"))
    assert figures.confusion == ((3, 1, 0), (1, 2, 0), (0, 0, 1))
    assert figures.accuracy.value == pytest.approx(6 / 8)
    assert figures.macro_recall.value == pytest.approx((3 / 4 + 2 / 3 + 1) / 3)
    assert figures.macro_precision.value == pytest.approx((3 / 4 + 2 / 3 + 1) / 3)
    assert [c.f1.value for c in figures.classes] == pytest.approx([3 / 4, 2 / 3, 1])
    assert [c.images for c in figures.classes] == [4, 3, 1]
    assert [c.photographs for c in figures.classes] == [2, 2, 1]
    # a and c are right, b and d wrong, e right: each photograph once.
    assert figures.photograph_accuracy.value == pytest.approx(3 / 5)
    assert figures.photograph_macro_recall.value == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    # Every call is made with exp(4) / (exp(4) + 2); three quarters of them are right.
    assert figures.ece.value == pytest.approx(np.exp(4) / (np.exp(4) + 2) - 3 / 4)
    assert figures.macro_auc.value == pytest.approx(np.mean([(3 / 4 + 3 / 4) / 2, (2 / 3 + 4 / 5) / 2, 1]))


def test_a_class_that_is_not_there_leaves_the_means_to_the_others():
    figures = measure(
        np.eye(3, dtype=np.float32)[[0, 1, 1]], np.array([0, 1, 1]), ["a", "b", "c"], ("x", "y", "z")
    )
    assert figures.macro_recall.value == figures.macro_precision.value == figures.macro_f1.value == 1
    assert figures.classes[2].auc is None
    assert figures.classes[2].recall is None
    assert figures.macro_auc.value == 1
    with pytest.raises(ValueError, match="one length"):
        measure(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), (), ("x", "y", "z"))


@pytest.mark.parametrize("seed", range(5))
def test_intervals_contain_the_figure_and_widen_with_copies(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, 60)
    calls = np.where(rng.random(60) < 0.8, labels, rng.integers(0, 4, 60))
    logits = (3 * np.eye(4)[calls]).astype(np.float32)
    alone = measure(logits, labels, [str(i) for i in range(60)], CLASSES)
    copied = measure(
        np.repeat(logits, 9, axis=0), np.repeat(labels, 9), [str(i // 9) for i in range(540)], CLASSES
    )
    names = ("accuracy", "macro_recall", "macro_precision", "macro_f1", "macro_auc", "ece")
    for name in [*names, *(f"photograph_{name}" for name in names)]:
        for figures in (alone, copied):
            estimate = getattr(figures, name)
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
            assert estimate.high > estimate.low
        # Nine copies of each photograph tell nothing more than one.
        assert getattr(copied, name).low == pytest.approx(getattr(alone, name).low)
    naive = measure(
        np.repeat(logits, 9, axis=0), np.repeat(labels, 9), [str(i) for i in range(540)], CLASSES
    ).accuracy
    assert naive.high - naive.low < 0.6 * (copied.accuracy.high - copied.accuracy.low)


def test_a_cell_of_a_slide_weighs_as_much_as_a_cell_alone_and_its_pictures_once():
    # Slide s has four cells, the first of them in three pictures; t has one. All of t are wrong.
    labels = np.zeros(7, np.int64)
    logits = (4 * np.eye(2)[[0, 0, 0, 0, 0, 0, 1]]).astype(np.float32)
    slides = ["s"] * 6 + ["t"]
    cells = ["s1", "s1", "s1", "s2", "s3", "s4", "t1"]
    figures = measure(logits, labels, slides, ("x", "y"), cells)
    assert figures.accuracy.value == pytest.approx(6 / 7)
    assert figures.photograph_accuracy.value == pytest.approx(4 / 5), "not 1 / 2, each slide as one cell"
    assert figures.classes[0].photograph_recall.value == pytest.approx(4 / 5)
    # A draw takes slides whole: of two, either may be drawn twice.
    assert (figures.photograph_accuracy.low, figures.photograph_accuracy.high) == (0, 1)


def test_calibration_is_perfect_where_confidence_is_what_comes_true():
    probabilities = np.tile([0.75, 0.25], (8, 1))
    labels = np.array([0] * 6 + [1] * 2)
    assert calibration_error(probabilities, labels) == pytest.approx(0)
    assert calibration_error(probabilities, 1 - labels) == pytest.approx(0.5)


@st.composite
def answers(draw):
    """Return probabilities with many ties, as int8 has them, labels of every class, photographs, weights."""
    images = draw(st.integers(6, 40))
    classes = draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = rng.integers(-2, 3, (images, classes)).astype(np.float32)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, images - classes)])
    photographs = rng.integers(0, max(2, images // 2), images)
    _, photographs = np.unique(photographs, return_inverse=True)
    weights = rng.integers(0, 4, photographs.max() + 1).astype(float)
    return softmax(logits), labels, photographs, weights


@settings(max_examples=80, deadline=None)
@given(answers())
def test_a_draw_has_the_figures_that_scikit_learn_gives_its_weights(drawn):
    probabilities, labels, photographs, weights = drawn
    in_photograph = 1 / (1 + np.arange(len(labels)) % 3)
    of_image = weights[photographs] * in_photograph
    if not of_image.sum():
        return
    classes = probabilities.shape[1]
    row = Arithmetic(probabilities, labels, photographs, in_photograph).figures(weights[None])[0]
    found = dict(zip(figure_names(classes), row, strict=True))
    calls = probabilities.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, calls, sample_weight=of_image))
    assert found["ece"] == pytest.approx(calibration_error(probabilities, labels, of_image))
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, calls, labels=range(classes), sample_weight=of_image, zero_division=0
    )
    present = [c for c in range(classes) if of_image[labels == c].sum()]
    areas = []
    for c in range(classes):
        if c not in present:
            assert np.isnan([found[f"{name} {c}"] for name in ("precision", "recall", "f1", "auc")]).all()
            continue
        assert found[f"precision {c}"] == pytest.approx(precision[c])
        assert found[f"recall {c}"] == pytest.approx(recall[c])
        assert found[f"f1 {c}"] == pytest.approx(f1[c])
        if len(present) > 1:
            areas.append(roc_auc_score(labels == c, probabilities[:, c], sample_weight=of_image))
            assert found[f"auc {c}"] == pytest.approx(areas[-1])
    assert found["macro_recall"] == pytest.approx(np.mean(recall[present]))
    assert found["macro_precision"] == pytest.approx(np.mean(precision[present]))
    if areas:
        assert found["macro_auc"] == pytest.approx(np.mean(areas))


@settings(max_examples=25, deadline=None)
@given(answers())
def test_the_area_under_the_drawn_curve_is_the_area_that_is_told(drawn):
    probabilities, labels, photographs, _ = drawn
    logits = np.log(probabilities).astype(np.float32)
    found = curves(logits, labels, [str(p) for p in photographs])
    for c, roc in enumerate(found.roc):
        told = roc_auc_score(labels == c, softmax(logits)[:, c])
        assert auc(roc.false_positive_rate, roc.true_positive_rate) == pytest.approx(told, abs=2e-3)
        assert len(roc.band_at) == len(roc.band_low) == len(roc.band_high)
        assert all(low <= high for low, high in zip(roc.band_low, roc.band_high, strict=True))
    assert sum(one.images for one in found.reliability) == len(labels)


def test_agreement_is_a_share_with_an_interval_over_photographs():
    same = np.array([True] * 9 + [False])
    alone = share(same, [str(i) for i in range(10)])
    assert alone.value == 0.9
    assert alone.low < 0.9 < alone.high
    together = share(same, ["one"] * 10)
    assert (together.low, together.high) == (0.9, 0.9)
