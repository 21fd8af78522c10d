"""Generated pictures of no class: reproducible, unlike the training pictures, and rejected after training."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from digits_edge.common.numerics import one_hot, softmax
from digits_edge.export.verify import rejection
from digits_edge.export.verify.rejection import measure_rejection, thresholds
from digits_edge.runtime.metadata import Contract, Golden, familiarity
from digits_edge.trainer.fitting.outliers import outliers
from digits_edge.trainer.fitting.training_model import TrainingModel, compile_training_model
from digits_edge.trainer.recipes import COMPACT, Augmentation, Recipe


def test_outliers_are_reproducible_and_of_many_kinds(digits):
    made = outliers(digits.pixels, 300, 3)
    assert made.shape == (300, 28, 28)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made, outliers(digits.pixels, 300, 3))
    assert len(np.unique(made.reshape(300, -1), axis=0)) > 280
    assert not np.array_equal(made, outliers(digits.pixels, 300, 4))
    assert made.any(axis=(1, 2)).all()


def test_letters_of_many_scripts_are_drawn_but_never_our_own_digits():
    import digits_edge.trainer.fitting.outliers as module

    signs = {sign for _, of in module._fonts() for sign in of}
    assert not signs & set("0123456789")
    assert signs >= set("AxΩЖאعກ໓ⵣᐃ")  # Latin, Greek, Cyrillic, Hebrew, Arabic, Lao and its 3, Tifinagh, Inuktitut


def test_strokes_that_resemble_a_digit_are_left_out(digits, monkeypatch):
    import digits_edge.trainer.fitting.outliers as module

    def nearest(made):
        unit = [x.reshape(len(x), -1) / np.linalg.norm(x.reshape(len(x), -1), axis=1)[:, None] for x in made]
        return (unit[0] @ unit[1].T).max(axis=1)

    known = digits.pixels.astype(float)
    for maker in (
        "_solid",
        "_shape",
        "_texture",
        "_speckled",
    ):  # none of these resembles a digit, whatever the similarity
        monkeypatch.setattr(module, maker, module._scribble)
    kept = nearest((outliers(digits.pixels, 200, 1).astype(float), known))
    assert (kept > module.NEAREST).mean() < 0.45  # scribbles that replace other kinds are not checked
    monkeypatch.setattr(module, "NEAREST", 2.0)
    assert (nearest((outliers(digits.pixels, 200, 1).astype(float), known)) > 0.7).mean() > (kept > 0.7).mean()


def fitted(share: float, digits) -> keras.Model:
    """A small network after some steps, with or without outliers."""
    keras.utils.set_random_seed(0)
    recipe = replace(
        COMPACT, batch_size=100, learning_rate=3e-3, schedule="constant", outliers=share, augmentation=Augmentation()
    )
    network = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Conv2D(8, 5, 3, activation="relu"), keras.layers.Flatten(),
         keras.layers.Dense(10)]
    )  # fmt: skip
    strangers = outliers(digits.pixels, 500, 0) if share else None
    model = TrainingModel(network, recipe, 1, outliers=strangers)
    model(digits.pixels[:1])
    compile_training_model(model, recipe, 60)
    rows = np.random.default_rng(0).permutation(len(digits.pixels))
    for start in range(0, 6000, 100):
        batch = rows[np.arange(start, start + 100) % len(rows)]
        model.train_on_batch(digits.pixels[batch], one_hot(digits.targets, 10)[batch])
    return network


def test_after_training_a_network_is_unsure_of_outliers_and_sure_of_digits(digits):
    strangers = outliers(digits.pixels, 300, 9)

    def scores(network, pixels):
        return softmax(network.predict(pixels[..., None] / np.float32(255), verbose=0)).max(axis=1).mean()

    exposed, naive = fitted(0.5, digits), fitted(0.0, digits)
    assert scores(exposed, strangers) < 0.5 < scores(naive, strangers)
    assert scores(exposed, digits.pixels) > 0.6


def test_the_share_of_outliers_is_a_field_of_the_recipe():
    assert Recipe.override(COMPACT, "outliers", "0.1").outliers == 0.1
    assert COMPACT.outliers > 0


def test_thresholds_reject_few_of_the_pictures_they_were_chosen_on():
    rng = np.random.default_rng(0)
    right = np.eye(10, dtype=np.float32)[np.arange(5000) % 10]
    answers = softmax(7 * right + rng.normal(0, 1, right.shape).astype(np.float32))
    score, familiar = thresholds(answers)
    golden = Golden(np.zeros((0, 28, 28), np.uint8), answers[:0])
    contract = Contract("x", tuple("0123456789"), (28, 28), "digit", score, familiar, golden)
    assert 0.006 <= 1 - contract.accepts(answers).mean() <= 0.01
    sure = np.eye(10, dtype=np.float32)
    assert thresholds(sure) == (0.9, 0.98)
    assert contract.rejection_reason(sure[0]) is None
    assert contract.rejection_reason(np.full(10, 0.1, np.float32)) == "not like training data"
    torn = np.array([0.5, 0.4999, *[1e-5] * 8], np.float32)
    assert replace(contract, min_score=0.6).rejection_reason(torn) == "unsure"
    np.testing.assert_allclose(familiarity(torn[None]), 0.9999, rtol=1e-5)


def test_an_export_reports_what_its_models_reject(exported):
    reported = exported.manifest["refusal"]
    assert [entry["file"] for entry in reported] == [name for name in exported.names if name.startswith("model.")]
    for entry in reported:
        assert entry["refused"] < 0.03
        assert entry["outliers"] == rejection.OUTLIERS
        assert entry["auroc_outliers"] > 0.8
        assert entry["refused_outliers"] > 0.3
        risks = [risk["risk"] for risk in entry["risks"]]
        assert risks[0] >= risks[-1]
    for name in ("report.md", "report.html"):
        assert "Rejection" in exported.read(name).decode()
    assert "not like training data" not in exported.manifest["labels"]


def test_without_outliers_nothing_is_measured_of_them():
    rng = np.random.default_rng(1)
    targets = np.arange(400) % 10
    answers = softmax(rng.normal(0, 3, (400, 10)).astype(np.float32))
    contract = Contract(
        "x", tuple("0123456789"), (28, 28), "resize", 0.5, 0.5, Golden(np.zeros((0, 28, 28), np.uint8), answers[:0])
    )
    rejection = measure_rejection("x", targets, answers, contract, None)
    assert (rejection.outliers, rejection.rejected_outliers, rejection.auroc_outliers) == (0, None, None)
    assert rejection.auroc_wrong == pytest.approx(0.5, abs=0.12)  # the scores of random guesses separate nothing
