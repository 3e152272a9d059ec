"""Grad-CAM, Grad-CAM++, LIME and SHAP on networks whose maps are known beforehand."""

from __future__ import annotations

import os

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the trainer needs TensorFlow")

import keras

from edge.errors import ConfigError
from trainer.explanations import baselines, gradcam
from trainer.explanations.cascade import randomise
from trainer.explanations.deadline import Deadline
from trainer.explanations.subjects import Subject
from trainer.explanations.work import GRADCAM, PLUS, Cells
from trainer.networks.predicting import predict
from trainer.networks.registry import compact, with_maps
from trainer.networks.study import study

# Read when shap is imported: for a few images, compiling takes ten times what it saves.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

PATCH = np.s_[40:80, 16:56]


def only_the_patch_matters(pixels):
    """Answer with three classes; the last is called by how purely blue one patch is."""
    blue = pixels[:, PATCH[0], PATCH[1], 2].mean(axis=(1, 2)) / 255
    none = np.zeros(len(pixels))
    return np.stack([none, none, 30 * blue - 22], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def patched():
    picture = np.full((120, 120, 3), (220, 210, 30), np.uint8)
    picture[PATCH] = (10, 10, 250)
    return picture


@pytest.fixture(scope="module")
def crops():
    rng = np.random.default_rng(5)
    return np.kron(rng.integers(0, 256, (6, 6, 6, 3), dtype=np.uint8), np.ones((1, 20, 20, 1), np.uint8))


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(4)
    return compact(3, widths=(4, 4, 8, 8), depth=2)


def test_with_one_dense_layer_grad_cam_is_the_class_activation_map(network, crops):
    classes = np.array([0, 1, 2, 0, 1, 2])
    found = gradcam.GradCam(network).maps(crops, classes)
    logits, maps, _ = with_maps(network)(crops.astype(np.float32) / 255)
    evidence = np.maximum(np.asarray(maps)[np.arange(6), :, :, classes], 0)
    # The weights are the mean gradient: the dense layer's, divided by the places that were averaged over.
    assert evidence.max() > 0.01
    assert found.gradcam == pytest.approx(evidence / (15 * 15), rel=1e-3, abs=1e-7)
    assert found.logits == pytest.approx(np.asarray(logits), abs=1e-4)


def test_of_several_turns_the_mean_is_explained(network, crops):
    classes = np.array([0, 1, 2, 0, 1, 2])
    found = gradcam.GradCam(network, turns=4).maps(crops, classes)
    assert found.logits == pytest.approx(predict(network, crops, 4), abs=1e-4)
    assert np.abs(found.logits - predict(network, crops)).max() > 1e-3
    evidence = 0
    for turn in range(4):
        _, maps, _ = with_maps(network)(np.rot90(crops, turn, axes=(1, 2)).astype(np.float32) / 255)
        evidence = evidence + np.rot90(maps, -turn, axes=(1, 2))[np.arange(6), :, :, classes] / 4
    expected = np.maximum(evidence, 0) / (15 * 15)
    assert found.gradcam == pytest.approx(expected, rel=1e-3, abs=1e-7)
    # A turned cell is explained by the turned map.
    turned = gradcam.GradCam(network, turns=4).maps(np.rot90(crops, axes=(1, 2)), classes)
    for name in ("gradcam", "plus", "mean"):
        one, other = getattr(found, name), np.rot90(getattr(turned, name), -1, axes=(1, 2))
        assert other == pytest.approx(one, rel=1e-2, abs=1e-5 * one.max())


def test_of_the_study_the_last_relu_before_batch_norm_is_explained(crops):
    model = study(4, filters=(4, 4, 4, 4, 4, 8))
    layer = gradcam.target_layer(model)
    assert isinstance(layer, keras.layers.SeparableConv2D)
    assert layer.activation is keras.activations.relu
    assert layer.output.shape[1:] == (4, 4, 8)
    assert gradcam.GradCam(model).maps(crops[:2], np.array([0, 3])).plus.shape == (2, 4, 4)


def test_a_network_without_convolution_is_refused():
    with pytest.raises(ConfigError, match="no convolution"):
        gradcam.target_layer(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]))


def test_grad_cam_by_hand():
    activation = np.array([[[[1, 0], [2, 1]]]], np.float32)  # two places, two channels
    gradient = np.array([[[[1, -4], [3, 0]]]], np.float32)
    # Mean gradients 2 and -2: 2*1 - 2*0 and 2*2 - 2*1.
    assert gradcam.gradcam(activation, gradient).tolist() == [[[2, 2]]]
    assert gradcam.gradcam(activation, -gradient).tolist() == [[[0, 0]]]


def test_grad_cam_plus_plus_by_hand():
    activation = np.zeros((1, 2, 2, 3), np.float32)
    activation[0, :, :, 0] = [[1, 0], [0, 1]]
    activation[0, :, :, 1] = [[2, 0], [0, 0]]
    activation[0, :, :, 2] = [[0, 2], [0, 0]]
    gradient = np.zeros((1, 2, 2, 3), np.float32)
    gradient[0, :, :, 0] = 0.5  # alpha: 1/4 / (2/4 + 2/8) = 1/3 at four places: weight 4/3 * 1/2
    gradient[0, :, :, 1] = -0.5  # falls everywhere: weight 0
    gradient[0, 0, 1, 2] = 1  # alpha: 1 / (2 + 2) at one place: weight 1/4
    found = gradcam.gradcam_plus_plus(activation, gradient)
    assert found == pytest.approx(np.array([[[2 / 3, 1 / 2], [0, 2 / 3]]]))


def test_weights_are_drawn_anew_from_the_head_down(network):
    before = network.get_weights()
    layers = [layer.name for layer in network.layers if layer.weights and "batch" not in layer.name]
    names = []
    for name, changed in baselines.cascade(network, seed=1):
        names.append(name)
        kernels = {one.name: one.get_weights()[0] for one in changed.layers if one.name in layers}
        for layer in layers:
            same = np.array_equal(kernels[layer], network.get_layer(layer).get_weights()[0])
            assert same == (layer not in names), (layer, names)
    assert names == layers[::-1]
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))


def cells_of(crops):
    cells = Cells()
    for i, crop in enumerate(crops):
        cells.subjects.append(Subject(f"{i}", f"photograph {i}", "drawn", i % 3, crop, None, None))
        cells.called.append(i % 3)
    return cells


def test_the_table_of_randomisation(network, crops):
    found, less = randomise(network, cells_of(crops), range(6), Deadline(600))
    assert less == ()
    assert found.images == 6
    assert found.steps[0].layer == "logits"
    # The head has no say in the mean activation; all of Grad-CAM hangs on it.
    assert found.steps[0].pearson["mean activation"].value == pytest.approx(1)
    assert found.steps[0].pearson[GRADCAM].value < 0.9
    assert found.steps[-1].pearson["mean activation"].value < 0.99
    assert "less than the mean activation" in found.verdicts[GRADCAM]
    assert found.verdicts.keys() == {GRADCAM, PLUS, "mean activation"}


def test_a_cascade_that_time_is_too_short_for_is_not_begun(network, crops):
    found, less = randomise(network, cells_of(crops), range(6), Deadline(0))
    assert found is None
    assert [(one.done, one.wanted) for one in less] == [(0, 6)]


def test_lime_finds_the_only_patch_that_matters(patched):
    pytest.importorskip("lime", reason="LIME needs lime")
    from trainer.explanations.blackbox import lime_maps

    found = lime_maps(patched, only_the_patch_matters)
    grid = found.grid(2)
    inside = np.zeros((120, 120), np.bool_)
    inside[PATCH] = True
    # The patch is a ninth of the crop.
    assert grid[inside].sum() > 0.6 * grid.sum() > 0
    assert found.weights.shape[0] == 3
    assert (found.strongest(2) & inside).sum() > 0.6 * found.strongest(2).sum() > 0
    assert found.weights == pytest.approx(lime_maps(patched, only_the_patch_matters).weights)


def test_shap_values_sum_to_what_hiding_all_costs(patched):
    shap = pytest.importorskip("shap", reason="SHAP needs shap")
    from trainer.explanations.blackbox import Shap

    values = Shap(only_the_patch_matters, "abc", patched.shape).values(patched)
    assert values.shape == (120, 120, 3)
    masker = shap.maskers.Image("blur(120,120)", patched.shape)
    hidden = masker(np.zeros(patched.size, bool), patched.astype(np.float64))[0].astype(np.uint8)
    cost = only_the_patch_matters(patched[None]) - only_the_patch_matters(hidden)
    assert values.sum(axis=(0, 1)) == pytest.approx(cost[0], abs=1e-2)
    assert cost[0, 2] > 5
    # Where it was not halved as far as to the patch's edge, a part outside shares in the patch's value.
    assert values[PATCH][:, :, 2].sum() > 0.6 * values[:, :, 2].sum()
    assert np.abs(values[:, 80:, 2]).sum() < 0.05 * values[:, :, 2].sum()
