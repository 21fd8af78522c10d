"""Augmented versions of the training pictures, and what teachers answer to them."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from digits_edge.common.keras_models import predict_logits
from digits_edge.runtime.errors import RunError, UsageError
from digits_edge.trainer import TrainOptions, train
from digits_edge.trainer.fitting import views as module
from digits_edge.trainer.fitting.views import STRONG, views
from digits_edge.trainer.recipes import FAST, Augmentation

RECIPE = replace(FAST, epochs=6, gentle_epochs=2, augmentation=Augmentation(shift=2, noise=0.3))


@pytest.fixture
def teachers():
    """Two networks with different answers."""
    keras.utils.set_random_seed(4)
    parts = [keras.layers.Flatten(), keras.layers.Dense(10)]
    return [keras.Sequential([keras.Input((28, 28, 1)), *parts]) for _ in range(2)]


def test_each_version_is_augmented_and_has_the_mean_of_the_teachers_logits(digits, teachers):
    pixels = digits.pixels[:300]
    made = views(pixels, RECIPE, teachers, None)
    assert made.pixels.shape == ((4 + 2) * 300, 28, 28)  # no more than its epochs
    logits = np.mean([predict_logits(teacher, made.pixels[:900]) for teacher in teachers], axis=0)
    np.testing.assert_allclose(made.logits[:900], logits, atol=1e-4)
    versions = made.pixels.reshape(-1, 300, 28, 28).astype(float)
    changed = np.abs(versions - pixels).mean(axis=(1, 2, 3))
    assert changed.min() > 1
    assert changed[:4].mean() > 1.5 * changed[4:].mean()
    assert np.abs(versions[0] - versions[1]).mean() > 1


def test_an_epoch_sees_one_version_and_the_last_ones_a_gentle_one(digits, teachers):
    made = views(digits.pixels[:20], RECIPE, teachers, None)
    assert [made.first_row(RECIPE, epoch) // 20 for epoch in range(1, 7)] == [1, 2, 3, 0, 5, 4]
    longer = replace(RECIPE, epochs=40, gentle_epochs=6)
    made = views(digits.pixels[:20], longer, teachers, None)
    assert [made.first_row(longer, epoch) // 20 for epoch in (1, 17, 34, 35, 40)] == [1, 1, 2, STRONG + 3, STRONG]


def test_large_pictures_have_fewer_versions(digits, teachers, monkeypatch):
    monkeypatch.setattr(module, "MOST", 3 * digits.pixels[:20].nbytes)
    made = views(digits.pixels[:20], replace(RECIPE, epochs=40, gentle_epochs=6), teachers, None)
    assert (made.strong, made.gentle) == (3, 3)


def test_kept_versions_are_used_by_the_next_run_and_not_with_other_teachers(digits, teachers, tmp_path):
    pixels = digits.pixels[:50]
    first = views(pixels, RECIPE, teachers, tmp_path)
    files = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert len(files) == 6
    again = views(pixels, RECIPE, teachers, tmp_path)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == files
    np.testing.assert_array_equal(again.pixels, first.pixels)
    np.testing.assert_array_equal(again.logits, first.logits)
    next(iter(files)).unlink()
    mended = views(pixels, replace(RECIPE, epochs=8), teachers, tmp_path)  # two more
    assert len(list(tmp_path.iterdir())) == 8
    np.testing.assert_array_equal(mended.pixels[:200], first.pixels[:200])
    views(pixels, RECIPE, teachers[:1], tmp_path)
    assert len(list(tmp_path.iterdir())) == 14


def test_damaged_versions_are_one_line(digits, teachers, tmp_path):
    views(digits.pixels[:50], RECIPE, teachers, tmp_path)
    file = next(tmp_path.iterdir())
    whole = file.read_bytes()
    for damage in (b"", whole[:200], whole[:-100], b"text", whole.replace(b"logits", b"digits", 1)):
        file.write_bytes(damage)
        with pytest.raises(RunError, match=r"\.npy: damaged: .*; remove it, and it is made anew"):
            views(digits.pixels[:50], RECIPE, teachers, tmp_path)


def test_options_that_need_or_exclude_teachers(trained, tmp_path):
    options = TrainOptions(data="sample", recipe=RECIPE, out=tmp_path / "run")
    with pytest.raises(UsageError, match="--views: expected teachers"):
        replace(options, views=tmp_path).check()
    with pytest.raises(UsageError, match="--also, --teacher: expected one of them, received both"):
        replace(options, teachers=(trained.path,), init=trained.path, also="mnist").check()


def test_a_run_is_taught_with_kept_versions_as_with_new_ones(few_npz, trained, tmp_path):
    options = TrainOptions(data=str(few_npz), recipe=RECIPE, out=tmp_path / "one", teachers=(trained.path,) * 2)
    one = train(replace(options, views=tmp_path / "views"))
    other = train(replace(options, out=tmp_path / "other", views=tmp_path / "views"))
    assert one.info.teacher == f"{trained.path.name}, {trained.path.name}"
    assert one.info.metrics == other.info.metrics
