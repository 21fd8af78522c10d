"""Calibrated probabilities: the temperature, the error that is left, and where it is folded in."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from digits_edge.common.keras_models import predict
from digits_edge.common.numerics import cross_entropy, expected_calibration_error, scale, softmax
from digits_edge.trainer.fitting.calibration import calibrate, fit_temperature


@pytest.mark.parametrize("truth", [0.5, 1.0, 2.5])
def test_the_temperature_that_made_the_targets_is_found(truth):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (20_000, 10)).astype(np.float32)
    targets = (np.cumsum(softmax(logits / np.float32(truth)), axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert fit_temperature(logits, targets) == pytest.approx(truth, rel=0.03)
    assert expected_calibration_error(softmax(logits / np.float32(truth)), targets) < 0.01


def test_the_calibration_error_of_a_case_done_by_hand():
    # Three guesses at 0.9, one of them wrong, and one at 0.6 that is right: (3 |0.9 - 2/3| + 1 |0.6 - 1|) / 4
    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.6, 0.4]], np.float32)
    error = expected_calibration_error(probabilities, np.array([0, 0, 1, 0]))
    assert error == pytest.approx((3 * (0.9 - 2 / 3) + 0.4) / 4, abs=1e-6)


def test_without_a_mistake_nothing_is_changed():
    logits = np.array([[1, 0], [0, 1]], np.float32)
    assert fit_temperature(logits, np.array([0, 1])) == 1  # the likeliest would be nought: infinitely sure


def test_a_folded_temperature_divides_the_logits(trained, digits):
    model = keras.models.load_model(trained.model_path)
    pictures, targets = scale(digits.pixels[:300]), digits.targets[:300]
    before = model.predict_on_batch(pictures)
    temperature = calibrate(model, before * 2, targets)
    np.testing.assert_allclose(model.predict_on_batch(pictures), before / temperature, rtol=1e-4, atol=1e-5)


def test_a_last_layer_that_is_not_dense_is_left_alone():
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(3, 4), keras.layers.Flatten()])
    before = model.get_weights()
    assert calibrate(model, np.array([[0.1, 0.2, 0.3]], np.float32), np.array([0])) == 1
    np.testing.assert_array_equal(before[0], model.get_weights()[0])


def test_a_run_is_calibrated_on_its_validation_split(trained):
    x, y = trained.validation()
    model = keras.models.load_model(trained.model_path)
    probabilities = predict(model, x)
    assert fit_temperature(np.log(probabilities), y) == pytest.approx(1, abs=0.02)  # nothing is left to be fitted
    metrics = trained.info.metrics
    assert expected_calibration_error(probabilities, y) == pytest.approx(metrics.val_ece, abs=1e-5)
    assert cross_entropy(np.log(probabilities), y) <= metrics.val_loss + 1e-6
    assert metrics.temperature != 1


def test_the_exported_model_is_calibrated_too(trained, classifier):
    x, y = trained.validation()
    assert expected_calibration_error(classifier.predict_proba(x), y) < trained.info.metrics.val_ece + 0.02
