"""Training: the notebook's split, network and augmentation; what a run holds; the same seed, the same result."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from digits_edge.runtime.errors import DatasetError, RunError, UsageError
from digits_edge.trainer import models
from digits_edge.trainer.augment import affine_maps, augment
from digits_edge.trainer.batches import Batches
from digits_edge.trainer.recipes import COMPACT, MODELS, NOTEBOOK, Augmentation
from digits_edge.trainer.run import Run
from digits_edge.trainer.scaling import scale
from digits_edge.trainer.split import split
from digits_edge.trainer.train import TrainOptions, predict, train


def test_a_csv_is_split_as_the_notebook_did(digits):
    one_hot = np.eye(10)[digits.targets]
    scaled = digits.pixels / 255
    theirs = train_test_split(scaled, one_hot, test_size=0.2, random_state=0)
    ours = split(replace(digits, stratified=False), 0.2, 0)
    np.testing.assert_array_equal(theirs[0], scaled[ours.train])
    np.testing.assert_array_equal(theirs[3].argmax(axis=1), digits.targets[ours.validation])


@settings(max_examples=25, deadline=None)
@given(fraction=st.floats(0.1, 0.9), seed=st.integers(0, 2**32 - 1))
def test_no_picture_is_in_both_parts_and_none_is_lost(digits, fraction, seed):
    parts = split(digits, fraction, seed)
    assert sorted([*parts.train, *parts.validation]) == list(range(len(digits)))
    shares = np.bincount(digits.targets[parts.validation]) / 200
    assert np.abs(shares - fraction).max() < 0.02  # each class keeps its share


def test_a_class_that_cannot_be_in_both_parts_is_refused(digits):
    targets = np.zeros(len(digits), np.int64)
    targets[5] = 1
    with pytest.raises(DatasetError, match=r"class '1' has only 1 picture; expected at least 2"):
        split(replace(digits, targets=targets, labels=("0", "1")), 0.2, 0)
    with pytest.raises(UsageError, match=r"between 0 and 1, received 1\.5"):
        split(digits, 1.5, 0)


@pytest.mark.parametrize(("name", "parameters"), [("notebook", 594_922), ("compact", 49_722)])
def test_parameters(name, parameters):
    model = models.build(name, (28, 28), 10, steps=1000)
    assert model.count_params() == parameters
    assert model.output_shape == (None, 10)


def test_every_model_name_can_be_built():
    for name in MODELS:
        assert models.build(name, (28, 28), 3, steps=10).output_shape == (None, 3)


def test_batch_normalisation_looks_back_over_a_share_of_the_run():
    def momentum(steps: int) -> float:
        layers = models.build("compact", (28, 28), 10, steps).layers
        return float(next(layer.momentum for layer in layers if isinstance(layer, keras.layers.BatchNormalization)))

    assert momentum(10) == 0.5
    assert momentum(500) == pytest.approx(0.9)
    assert momentum(100_000) == 0.99


class Fixed:
    """A generator whose draws are known: rotation, shear, zoom, shift."""

    def __init__(self, *draws):
        self.draws = list(draws)

    def uniform(self, low, high, size):
        return np.array(self.draws.pop(0), float).reshape(size)


@pytest.mark.parametrize(("theta", "zx", "zy"), [(12, 1.3, 0.7), (-15, 0.2, 1.9), (0, 1, 1), (7, 0.9, 0.95)])
def test_the_affine_map_is_that_of_keras_image_data_generator(digits, theta, zx, zy):
    from keras.src.legacy.preprocessing.image import apply_affine_transform

    picture = scale(digits.pixels[:1])
    oracle = apply_affine_transform(picture[0], theta, 0, 0, 5, zx, zy, 0, 1, 2, fill_mode="nearest", order=1)
    draws = Fixed([theta], [5], [[zx], [zy]], [[0], [0]])
    maps = affine_maps(NOTEBOOK.augmentation, 1, (28, 28), draws)  # type: ignore[arg-type]
    ours = keras.ops.image.affine_transform(picture, maps, interpolation="bilinear", fill_mode="nearest")
    np.testing.assert_allclose(np.asarray(ours)[0], oracle, atol=1e-4)


def test_the_notebooks_zoom_is_drawn_from_nought_to_two_in_each_axis():
    maps = affine_maps(replace(NOTEBOOK.augmentation, rotation=0), 20_000, (28, 28), np.random.default_rng(0))
    for zoom in (maps[:, 0], maps[:, 4]):
        assert 0 <= zoom.min() < 0.01
        assert 1.99 < zoom.max() <= 2
        assert zoom.mean() == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(maps[:, 0], maps[:, 4])[0, 1]) < 0.03


def test_no_augmentation_changes_nothing(digits):
    pictures = scale(digits.pixels[:8])
    assert augment(pictures, Augmentation(), np.random.default_rng(0)) is pictures


def test_an_epoch_is_each_picture_once_and_the_next_is_another_order(digits):
    recipe = replace(COMPACT, augmentation=Augmentation(), batch_size=300)
    batches = Batches(digits.pixels, digits.targets, 10, recipe, seed=1)

    def epoch():
        parts = [batches[i] for i in range(len(batches))]
        return np.concatenate([p for p, _ in parts]), np.concatenate([t for _, t in parts])

    first, classes = epoch()
    again, _ = epoch()
    batches.on_epoch_end()
    second, _ = epoch()
    assert len(first) == len(digits)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(np.sort(first.sum(axis=(1, 2, 3))), np.sort(second.sum(axis=(1, 2, 3))))
    assert classes.sum(axis=0).tolist() == [200] * 10


def test_a_run_holds_what_the_design_says(trained, digits):
    names = {str(p.relative_to(trained.path)) for p in trained.path.rglob("*") if p.is_file()}
    assert names == {
        "model.keras",
        "run.json",
        "history.csv",
        "batches.csv",
        "validation.npz",
        "calibration.npz",
        "plots/samples.png",
        "plots/curves.png",
        "plots/mistakes.png",
    }
    info = trained.info
    assert info["parameters"] == 49_722
    assert info["recipe"]["epochs"] == 5
    assert info["dataset"]["fingerprint"] == digits.fingerprint
    assert info["labels"] == [str(d) for d in range(10)]
    assert str(trained.path.parent) not in json.dumps(info)  # a run can be given away


def test_the_validation_split_is_saved_and_calibration_is_not_of_it(trained, digits):
    parts = split(digits, 0.2, 0)
    pixels, targets = trained.validation()
    np.testing.assert_array_equal(pixels, digits.pixels[parts.validation])
    np.testing.assert_array_equal(targets, digits.targets[parts.validation])
    training = {p.tobytes() for p in digits.pixels[parts.train]}
    calibration = trained.calibration()
    assert len(calibration) == 1024
    assert all(p.tobytes() in training for p in calibration)


def test_history_and_batches_tell_the_same_story(trained):
    def rows(name):
        with (trained.path / name).open(newline="") as file:
            return list(csv.DictReader(file))

    history, batches = rows("history.csv"), rows("batches.csv")
    assert list(history[0]) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert len(history) == 5
    assert len(batches) == 5 * 25  # 1,600 pictures in batches of 64
    for epoch in history:
        losses = [float(b["loss"]) for b in batches if b["epoch"] == epoch["epoch"]]
        assert np.mean(losses) == pytest.approx(float(epoch["loss"]), rel=1e-3)
        assert np.std(losses) > 0.01  # each batch's own loss, not a running mean
    assert float(history[-1]["val_accuracy"]) > 0.9
    assert trained.info["metrics"]["val_accuracy"] == pytest.approx(float(history[-1]["val_accuracy"]))


def test_the_saved_model_makes_as_many_mistakes_as_the_run_says(trained):
    pixels, targets = trained.validation()
    model = keras.models.load_model(trained.model_path)
    wrong = (predict(model, pixels).argmax(axis=1) != targets).sum()
    assert wrong == trained.info["metrics"]["val_wrong"]


def test_the_same_seed_gives_the_same_run_and_another_seed_another(digits_npz, tmp_path):
    def run(name, seed):
        recipe = replace(COMPACT, epochs=1)
        return train(TrainOptions(data=str(digits_npz), recipe=recipe, out=tmp_path / name, seed=seed))

    one, same, other = run("one", 3), run("same", 3), run("other", 4)
    assert one.info["metrics"] == same.info["metrics"]
    assert (one.path / "batches.csv").read_text() == (same.path / "batches.csv").read_text()
    assert one.info["metrics"] != other.info["metrics"]


def test_a_finished_run_is_replaced_only_by_force(own_run, digits_npz, digits_edge, refused):
    before = (own_run.path / "run.json").read_bytes()
    words = ("train", "--data", digits_npz, "--epochs", 1, "--out", own_run.path)
    assert "a finished run is there; replace it with --force" in refused(*words)
    assert (own_run.path / "run.json").read_bytes() == before
    done = digits_edge(*words, "--force")
    assert done.code == 0, done.err
    assert Run.open(own_run.path).info["recipe"]["epochs"] == 1
    assert "next: digits-edge export" in done.out
    assert "epoch  1/1" in done.err
    assert "Total params: 49,722" in done.err


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--epochs", -3, "--epochs: expected a whole number from 1 to 100000, received -3"),
        ("--batch-size", 0, "--batch-size: expected a whole number from 1 to 100000, received 0"),
        ("--validation-fraction", 1.5, "--validation-fraction: expected a number between 0 and 1, received 1.5"),
        ("--validation-fraction", "nan", "received nan"),
        ("--seed", -1, "--seed: expected a whole number from 0"),
        ("--recipe", "compcat", "did you mean 'compact'?"),
        ("--model", "notbook", "did you mean 'notebook'?"),
        ("--preprocess", "digits", "did you mean 'digit'?"),
    ],
)
def test_impossible_options_are_one_line(tmp_path, refused, option, value, expected):
    assert expected in refused("train", "--out", tmp_path / "run", option, value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path, refused):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("precious")
    (tmp_path / "file").write_text("precious")
    assert "found a folder with other things in it" in refused("train", "--out", tmp_path / "thesis", "--force")
    assert "found a file" in refused("train", "--out", tmp_path / "file", "--force")
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "precious"
    assert (tmp_path / "file").read_text() == "precious"


def test_runs_that_cannot_be_used(own_run, tmp_path):
    with pytest.raises(RunError, match="expected a finished run"):
        Run.open(tmp_path / "none")
    (tmp_path / ".killed.partial").mkdir()
    with pytest.raises(RunError, match="was not finished"):
        Run.open(tmp_path / "killed")
    (own_run.path / "validation.npz").write_bytes(b"PK nothing")
    with pytest.raises(RunError, match=r"validation.npz: damaged"):
        own_run.validation()
    (own_run.path / "model.keras").unlink()
    with pytest.raises(RunError, match=r"model.keras: missing from the run"):
        Run.open(own_run.path)
    (own_run.path / "run.json").write_text("{")
    with pytest.raises(RunError, match="not readable as JSON"):
        Run.open(own_run.path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"labels": None}, "expected 'labels', a list, received None"),
        ({"name": 7}, "expected 'name', a str, received 7"),
        ({"schema": 2}, "expected schema 1, received 2"),
        ({"kind": "bundle"}, "received another JSON"),
    ],
)
def test_a_run_json_that_cannot_be_trusted(own_run, refused, change, expected):
    path = own_run.path / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert expected in refused("export", own_run.path)


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("validation.npz", {"x": np.zeros((0, 28, 28), np.uint8), "y": np.zeros(0, np.int64)}),
        ("validation.npz", {"x": np.zeros((3, 28, 28), np.uint8), "y": np.zeros(2, np.int64)}),
        ("validation.npz", {"x": np.zeros((3, 28, 28), np.uint8), "y": np.full(3, 10)}),
        ("validation.npz", {"x": np.zeros((3, 28, 28)), "y": np.zeros(3, np.int64)}),
        ("calibration.npz", {"x": np.zeros((3, 28, 28))}),
        ("calibration.npz", {"x": np.array("text")}),
    ],
)
def test_pictures_of_a_run_that_cannot_be_used(own_run, name, arrays):
    np.savez(own_run.path / name, **arrays)
    with pytest.raises(RunError, match=f"{name}: damaged"):
        own_run.validation() if name == "validation.npz" else own_run.calibration()


def test_the_trainer_works_on_keras_jax_backend_too(tmp_path, digits_npz):
    words = ["train", "--data", str(digits_npz), "--epochs", "2", "--out", str(tmp_path / "run"), "--json"]
    env = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-m", "digits_edge.cli", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    info = json.loads(done.stdout)
    assert info["backend"] == "jax"
    assert info["device"] == "cpu:0"
    assert info["metrics"]["val_accuracy"] > 0.5
    export_here = [sys.executable, "-m", "digits_edge.cli", "export", str(tmp_path / "run"), "--min-accuracy", "0.5"]
    done = subprocess.run(export_here, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr  # exporting goes through TensorFlow whichever backend is set


def test_a_backend_that_is_not_there_is_one_line(tmp_path, digits_npz):
    words = ["train", "--data", str(digits_npz), "--out", str(tmp_path / "run")]
    env = {**os.environ, "KERAS_BACKEND": "tensorflwo"}
    command = [sys.executable, "-m", "digits_edge.cli", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("digits-edge: KERAS_BACKEND=tensorflwo: Keras cannot use it")
    assert not (tmp_path / "run").exists()
