"""What a crop goes through before training: each picture stays itself, in its place in the batch."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from edge.masking.crops import CROP_DIAMETERS
from trainer.training.augmentation import Augmentation

STILL = {"scale": 0, "shift": 0, "stain": 0, "hue": 0, "cast": 0, "blur": 0, "noise": 0, "turn": 360}


@pytest.fixture
def batch():
    """Ten crops of 156x156, each of a grey of its own, with a dark spot off the middle."""
    pixels = np.empty((10, 156, 156, 3), np.uint8)
    pixels[:] = np.linspace(100, 235, 10)[:, None, None, None]
    pixels[:, 60:70, 70:100] = 20
    return tf.constant(pixels)


def augmented(batch, key=1, **settings):
    return np.asarray(Augmentation(**{**STILL, **settings})(batch, tf.constant(key, tf.int64)))


@pytest.mark.parametrize(
    "settings", [{"blur": 3, "sharpen": 0.5}, {"jpeg": 0.5}, {"mix": 0.1}, {"noise": 8}, {"scale": 0.1}]
)
def test_a_picture_keeps_its_place_so_its_label_stays_its_own(batch, settings):
    greys = np.median(augmented(batch, **settings), axis=(1, 2, 3))
    assert (np.diff(greys) > 0).all()


@pytest.mark.parametrize(
    "settings", [{"blur": 3, "sharpen": 0.5}, {"jpeg": 1.0}, {"mix": 0.1}, {"hue": 0.2}, {"surround": 0.5}]
)
def test_the_same_key_gives_the_same_pictures_and_another_one_others(batch, settings):
    first = augmented(batch, **settings)
    np.testing.assert_array_equal(first, augmented(batch, **settings))
    assert (first != augmented(batch, key=2, **settings)).any()
    assert first.shape == (10, 120, 120, 3)
    assert first.min() >= 0
    assert first.max() <= 1


def test_what_lies_around_a_cell_may_be_of_another_picture_and_the_cell_is_its_own(batch):
    plain, changed = augmented(batch), augmented(batch, surround=1.0)
    rows = np.arange(120) - 59.5
    distance = np.hypot(rows[:, None], rows)
    cell = 120 / CROP_DIAMETERS / 2
    inner, outer = distance < cell - 8, distance > 1.15 * cell + 8
    # Turned, but in its place: each of them has its own grey.
    np.testing.assert_allclose(
        np.sort(changed[:, inner], axis=1), np.sort(plain[:, inner], axis=1), atol=0.02
    )
    np.testing.assert_allclose(
        np.median(changed[:, outer], axis=(1, 2)),
        np.roll(np.median(plain[:, outer], axis=(1, 2)), 1),
        atol=1e-3,
    )
    greys = np.median(plain[:, outer], axis=(1, 2))
    some = np.median(augmented(batch, surround=0.5)[:, outer], axis=(1, 2))
    assert 1 <= (np.abs(some - greys) < 1e-3).sum() <= 9


def test_blur_and_sharpening_go_both_ways_and_bare_slide_keeps_its_grey(batch):
    plain = augmented(batch)
    changed = np.concatenate([augmented(batch, key, blur=2, sharpen=0.8) for key in range(6)])
    edges = np.abs(np.diff(changed, axis=1)).max(axis=(1, 2, 3))
    before = np.tile(np.abs(np.diff(plain, axis=1)).max(axis=(1, 2, 3)), 6)
    assert (edges < before - 0.05).any()
    assert (edges > before + 0.02).any()
    np.testing.assert_allclose(changed[:10, 2, 2], plain[:, 2, 2], atol=1e-5)


def test_mixing_channels_leaves_bare_slide_bare(batch):
    bare = tf.constant(np.full((8, 156, 156, 3), 235, np.uint8))
    np.testing.assert_allclose(augmented(bare, mix=0.3), 235 / 255, atol=1e-5)
    tinted = augmented(batch, mix=0.3)
    assert np.ptp(tinted[0, 45, 65]) > 0.001


@pytest.mark.parametrize(("pictures", "coded"), [(10, 5), (2, 1), (1, 0)])
def test_in_an_epoch_that_shows_every_image_once_pictures_go_through_a_jpeg_too(batch, pictures, coded):
    layer = Augmentation(**STILL, jpeg=0.5)
    signature = tf.TensorSpec((None, 156, 156, 3), tf.uint8)
    data = tf.data.Dataset.from_generator(lambda: iter([batch[:pictures]]), output_signature=signature)
    (shown,) = (np.asarray(one) for one in data.map(lambda one: layer(one, tf.constant(1, tf.int64))))
    assert shown.shape == (pictures, 120, 120, 3)
    changed = np.abs(shown - augmented(batch[:pictures])).max(axis=(1, 2, 3)) > 1e-3
    assert changed.sum() == coded


def test_a_saved_augmentation_is_the_same_again(batch):
    layer = Augmentation(blur=2, sharpen=0.4, mix=0.1, jpeg=0.5, seed=3)
    again = Augmentation.from_config(layer.get_config())
    key = tf.constant(5, tf.int64)
    np.testing.assert_array_equal(layer(batch, key), again(batch, key))
