"""Augmentation: the notebook's affine maps, and each change as its name says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from digits_edge.common.numerics import scale
from digits_edge.trainer.fitting import augmentation as augmenting
from digits_edge.trainer.fitting.augmentation import affine, augment, sample
from digits_edge.trainer.recipes import NOTEBOOK, Augmentation

numpy = keras.ops.convert_to_numpy
draws = keras.random.SeedGenerator


@pytest.mark.parametrize(("theta", "zx", "zy"), [(12, 1.3, 0.7), (-15, 0.2, 1.9), (0, 1, 1), (7, 0.9, 0.95)])
def test_the_affine_map_is_that_of_keras_image_data_generator(digits, theta, zx, zy):
    from keras.src.legacy.preprocessing.image import apply_affine_transform

    picture = scale(digits.pixels[:1])
    drawn = [np.full((1, 1, 1), v, np.float32) for v in (np.deg2rad(theta), np.deg2rad(5), zx, zy, 0, 0)]
    x, y = affine(drawn, (28, 28))
    for fill in ("nearest", "constant"):
        oracle = apply_affine_transform(picture[0], theta, 0, 0, 5, zx, zy, 0, 1, 2, fill_mode=fill, order=1)
        np.testing.assert_allclose(numpy(sample(picture, x, y, fill))[0], oracle, atol=1e-4)


def test_the_notebooks_zoom_is_drawn_from_nought_to_two_in_each_axis(monkeypatch):
    seen: dict[str, list[object]] = {}
    monkeypatch.setattr(augmenting, "affine", lambda draws, size: seen.update(draws=draws) or affine(draws, size))
    augment(np.zeros((20_000, 4, 4, 1), np.float32), NOTEBOOK.augmentation, draws(1))
    turn, shear, zoom_x, zoom_y, *_ = (numpy(draw).ravel() for draw in seen["draws"])
    for zoom in (zoom_x, zoom_y):
        assert 0 <= zoom.min() < 0.01
        assert 1.99 < zoom.max() <= 2
        assert zoom.mean() == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(zoom_x, zoom_y)[0, 1]) < 0.03
    assert np.rad2deg(np.abs(turn)).max() == pytest.approx(15, abs=0.1)
    assert not shear.any()


def test_no_augmentation_changes_nothing(digits):
    pictures = scale(digits.pixels[:8])
    assert augment(pictures, Augmentation(), draws(0)) is pictures


def square(side):
    picture = np.zeros((1, 28, 28, 1), np.float32)
    low = 14 - side // 2
    picture[0, low : low + side, low : low + side] = 1
    return picture


@pytest.mark.parametrize(
    "name", ["thickness", "blur", "low_resolution", "contrast", "erasing", "elastic", "line", "noise"]
)
def test_each_change_does_what_its_name_says(name):
    before = np.tile(square(9), (400, 1, 1, 1))
    only: dict[str, Any] = {name: 1.0}
    after = numpy(augment(before, Augmentation(**only), draws(3)))
    assert after.shape == before.shape
    assert after.min() >= -1e-6
    assert after.max() <= 1 + 1e-6
    ink, had = after.sum(axis=(1, 2, 3)), 81
    highest = after.max(axis=(1, 2, 3))
    if name == "thickness":  # to 13 x 13 at most, and to 8 x 8 at least, and both ways
        assert had - 0.7 * (81 - 64) - 1e-3 <= ink.min() < 75
        assert 100 < ink.max() <= had + 0.8 * (169 - 81) + 1e-3
    elif name in ("blur", "low_resolution"):
        np.testing.assert_allclose(ink, had, rtol=1e-4)  # ink is spread, none is lost
        assert np.abs(after - before).max() > 0.3
    elif name == "contrast":
        np.testing.assert_allclose(ink / had, highest, rtol=1e-4)
        assert highest.min() == pytest.approx(0.4, abs=0.02)
    elif name == "erasing":
        np.testing.assert_array_equal(np.unique(after), [0, 1])
        assert ink.min() < 36
        assert (ink < had).mean() == pytest.approx(((9 + 6) / 28) ** 2, abs=0.08)  # a side is 6 on average
    elif name == "line":  # ink is added, none is taken; from edge to edge at most
        assert (after >= before).all()
        assert 10 < (ink - had).mean() < 28 * 1.5 * 1.42
    elif name == "noise":
        assert after[:, :5].std(axis=(1, 2, 3)).max() == pytest.approx(0.25 * 0.584, rel=0.1)  # half of a normal
    else:  # elastic: bent, neither lost nor doubled
        assert np.abs(ink - had).mean() < 15
        assert np.abs(after - before).max() > 0.9


@pytest.mark.parametrize("fill", ["nearest", "constant"])
@pytest.mark.parametrize("shape", [(9, 28, 28, 1), (3, 12, 20, 3)])
def test_without_rotation_lines_are_sampled_as_pictures_are(shape, fill):
    pictures = np.random.default_rng(1).random(shape).astype(np.float32)
    pictures[:, :, :5] = 0  # so that they can be stretched
    plain = Augmentation(zoom=(0.7, 1.6), shift=3, stretch=0.5, fill=fill)
    by_lines, by_pixels = (
        numpy(augment(pictures, replace(plain, elastic=elastic), draws(3))) for elastic in (0.0, 1e-9)
    )
    np.testing.assert_allclose(by_lines, by_pixels, atol=1e-5)


def test_a_narrow_digit_is_stretched_up_to_a_square_and_a_wide_one_is_not():
    narrow, wide = np.zeros((2, 400, 28, 28, 1), np.float32)
    narrow[:, 5:23, 12:16] = 1
    wide[:, 11:17, 4:24] = 1
    after = numpy(augment(narrow, Augmentation(stretch=1.0), draws(3)))
    heights, widths = ((after > 0.5).any(axis=(axis, 3)).sum(axis=1) for axis in (2, 1))
    assert set(heights) == {18}
    assert widths.min() == 4
    assert widths.max() in (17, 18)
    assert widths.mean() == pytest.approx(11, abs=0.5)
    np.testing.assert_allclose(numpy(augment(wide, Augmentation(stretch=1.0), draws(3))), wide, atol=1e-4)


def test_a_change_comes_as_often_as_its_chance(digits):
    before = scale(digits.pixels[:1000])
    after = numpy(augment(before, Augmentation(contrast=0.3), draws(5)))
    share = (np.abs(after - before).max(axis=(1, 2, 3)) > 0).mean()
    assert share == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("side", [2, 3])
def test_strokes_grow_as_by_max_pooling(digits, side):
    pictures = scale(digits.pixels[:50])
    pooled = keras.ops.max_pool(pictures, side, 1, padding="same")
    np.testing.assert_array_equal(numpy(augmenting._highest(pictures, side)), numpy(pooled))


def test_a_blur_is_a_convolution_with_binomial_weights(digits):
    pictures = scale(digits.pixels[:50])
    weights = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]).astype(np.float32) / 256
    convolved = keras.ops.conv(pictures, weights[..., None, None], padding="same")
    np.testing.assert_allclose(numpy(augmenting._filtered(pictures, augmenting._binomial)), numpy(convolved), atol=1e-6)
