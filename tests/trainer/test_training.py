"""Training: the notebook's split, network and augmentation; what a run holds; the same seed, the same result."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from digits_edge.common.keras_models import predict
from digits_edge.runtime.errors import DatasetError, RunError, UsageError
from digits_edge.trainer import Run, TrainOptions, train
from digits_edge.trainer.datasets.split import split
from digits_edge.trainer.fitting import fit as fitting
from digits_edge.trainer.fitting.checkpoint import checkpoint_path
from digits_edge.trainer.fitting.steps import training_steps
from digits_edge.trainer.plots import draw_confusion, draw_mistakes
from digits_edge.trainer.recipes import COMPACT, FAST, Augmentation


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
    with pytest.raises(DatasetError, match=r"expected at least 2 pictures of each class, .* found 1 of class '1'"):
        split(replace(digits, targets=targets, labels=("0", "1")), 0.2, 0)
    with pytest.raises(UsageError, match=r"between 0 and 1, received 1\.5"):
        split(digits, 1.5, 0)


def test_an_epoch_is_each_picture_once_and_the_next_is_another_order(monkeypatch, tmp_path, digits_npz):
    orders = []

    def watched(*arguments):
        run = training_steps(*arguments)

        def noted(rows, size):
            orders.append(rows)
            return run(rows, size)

        return noted

    monkeypatch.setattr(fitting, "training_steps", watched)
    train(TrainOptions(data=str(digits_npz), recipe=replace(FAST, epochs=2), out=tmp_path / "run"))
    first, second = orders
    assert sorted(first) == sorted(second) == list(range(1600))
    assert not np.array_equal(first, second)


def test_a_run_holds_what_the_design_says(trained, digits):
    names = {str(p.relative_to(trained.path)) for p in trained.path.rglob("*") if p.is_file()}
    assert names == {
        "model.keras",
        "best.keras",
        "run.json",
        "history.csv",
        "batches.csv",
        "validation.npz",
        "calibration.npz",
        "plots/samples.png",
        "plots/curves.png",
        "plots/confusion.png",
        "plots/mistakes.png",
    }
    info = trained.info
    assert info.parameters == 48_946
    assert info.recipe.epochs == 5
    assert info.dataset.fingerprint == digits.fingerprint
    assert info.labels == tuple(str(d) for d in range(10))
    assert str(trained.path.parent) not in json.dumps(info.to_json())  # a run can be given away


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
    assert trained.info.metrics.val_accuracy == pytest.approx(float(history[-1]["val_accuracy"]))


def test_the_saved_model_makes_as_many_mistakes_as_the_run_says(trained):
    pixels, targets = trained.validation()
    model = keras.models.load_model(trained.model_path)
    wrong = (predict(model, pixels).argmax(axis=1) != targets).sum()
    assert wrong == trained.info.metrics.val_wrong


def test_the_same_seed_gives_the_same_run_and_another_seed_another(digits_npz, tmp_path):
    def run(name, seed):
        recipe = replace(COMPACT, epochs=1, augmentation=Augmentation(rotation=5, shift=1, blur=0.2, noise=0.2))
        return train(TrainOptions(data=str(digits_npz), recipe=recipe, out=tmp_path / name, seed=seed))

    one, same, other = run("one", 3), run("same", 3), run("other", 4)
    assert one.info.metrics == same.info.metrics
    assert (one.path / "batches.csv").read_text() == (same.path / "batches.csv").read_text()
    assert one.info.metrics != other.info.metrics


def test_a_finished_run_is_replaced_only_by_force(own_run, digits_npz, digits_edge, refused):
    before = (own_run.path / "run.json").read_bytes()
    words = ("train", "--data", digits_npz, "--recipe", "fast", "--epochs", 1, "--out", own_run.path)
    assert "a finished run is here; replace it with --force" in refused(*words)
    assert (own_run.path / "run.json").read_bytes() == before
    done = digits_edge(*words, "--force")
    assert done.code == 0, done.err
    assert Run.open(own_run.path).info.recipe.epochs == 1
    assert "next: digits-edge export" in done.out
    assert "epoch  1/1" in done.err
    assert "Total params: 64,194" in done.err


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--epochs", -3, "epochs: expected a whole number from 1 to 100000, received -3"),
        ("--batch-size", 0, "batch_size: expected a whole number from 1 to 100000, received 0"),
        ("--validation-fraction", 1.5, "--validation-fraction: expected a number between 0 and 1, received 1.5"),
        ("--validation-fraction", "nan", "received nan"),
        ("--seed", -1, "--seed: expected a whole number from 0"),
        ("--recipe", "compcat", "'compcat' is not one of 'compact', 'fast', 'micro', 'nano', 'wide', 'notebook'"),
        ("--model", "notbook", "'notbook' is not one of 'nano', 'micro', 'compact', 'notebook', 'fast'"),
        ("--preprocess", "digits", "'digits' is not one of 'digit', 'resize'"),
    ],
)
def test_impossible_options_are_one_line(tmp_path, refused, option, value, expected):
    assert expected in refused("train", "--out", tmp_path / "run", option, value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path, refused):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("precious")
    (tmp_path / "file").write_text("precious")
    assert "found a folder with other content" in refused("train", "--out", tmp_path / "thesis", "--force")
    assert "found a file" in refused("train", "--out", tmp_path / "file", "--force")
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "precious"
    assert (tmp_path / "file").read_text() == "precious"


def test_runs_that_cannot_be_used(own_run, tmp_path):
    with pytest.raises(RunError, match="expected a finished run"):
        Run.open(tmp_path / "none")
    (tmp_path / ".killed.partial").mkdir()
    with pytest.raises(RunError, match="the run is not finished"):
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
        ({"labels": None}, "run.json: labels: expected a list, received None"),
        ({"name": 7}, "run.json: name: expected text, received 7"),
        ({"labels": ["0", 1]}, "labels: expected text, received 1"),
        ({"seed": True}, "seed: expected a whole number, received True"),
        ({"seed": 10**30}, "seed: expected a whole number of up to 63 bits, received 1000"),
        ({"wall_seconds": 10**400}, "wall_seconds: expected a number of up to 63 bits, received 1000"),
        ({"dataset": {}}, "dataset.name: expected text, received None"),
        ({"split": {}}, "split.seed: expected a whole number, received None"),
        ({"recipe": {}}, "recipe.name: expected text, received None"),
        ({"split": {"seed": 0}}, "split.fraction: expected a number, received None"),
        ({"metrics": [1]}, "metrics: expected an object, received [1]"),
        ({"preprocess": "crop"}, "preprocess: expected digit or resize, received 'crop'"),
        ({"versions": {"keras": 3}}, "versions.keras: expected text, received 3"),
        ({"teacher": 3}, "teacher: expected text or null, received 3"),
        ({"recipe": {"name": "a", "model": "micro", "epochs": 0, "batch_size": 1}}, "recipe: epochs: expected a whole"),
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


def test_a_teacher_is_learnt_from(trained, digits_npz, tmp_path, digits_edge):
    """With labels out of the loss, the network can only have learnt from the teacher."""
    words = ("--recipe", "fast", "--epochs", 3, "--teacher", trained.path, "--set", "distillation=1", "--json")
    done = digits_edge("train", "--data", digits_npz, "--out", tmp_path / "run", *words)
    assert done.code == 0, done.err
    info = json.loads(done.out)
    assert info["teacher"] == trained.path.name
    assert info["parameters"] == 64_194  # the teacher is not part of it
    assert info["metrics"]["val_accuracy"] > 0.6


def test_a_teacher_of_other_classes_is_refused(trained, tmp_path, digits, digits_edge):
    (tmp_path / "names").write_text("\n".join("qrstuvwxyz"))
    np.savez(tmp_path / "letters.npz", x=digits.pixels, y=digits.targets)
    words = ("--data", tmp_path / "letters.npz", "--labels", tmp_path / "names", "--teacher", trained.path)
    done = digits_edge("train", *words, "--out", tmp_path / "run")
    assert done.code == 2
    assert "expected a teacher of classes q, r, s" in done.err


def test_a_run_that_diverges_is_one_line_and_leaves_no_trace(digits_npz, tmp_path, digits_edge, monkeypatch):
    monkeypatch.setattr(fitting, "predict_logits", lambda _, pixels: np.full((len(pixels), 10), np.nan, np.float32))
    done = digits_edge("train", "--data", digits_npz, "--out", tmp_path / "run", "--recipe", "fast")
    assert done.code == 2, done.err
    assert "training diverged in epoch 1 with a learning rate of 0.02: lower it with --set" in done.err.splitlines()[-1]
    assert not (tmp_path / "run").exists()
    assert not checkpoint_path(tmp_path / "run").exists()


def test_labels_are_drawn_as_they_are(tmp_path, digits):
    names = ["a_$b", "c$^", r"$\x$"]
    targets = np.arange(30) % 3
    draw_confusion(tmp_path / "confusion.png", targets, (targets + 1) % 3, names)
    draw_mistakes(
        tmp_path / "mistakes.png", digits.pixels[:30], targets, np.eye(3, dtype=np.float32)[targets - 1], names
    )
    assert {path.name for path in tmp_path.iterdir()} == {"confusion.png", "mistakes.png"}


def test_the_last_epochs_may_be_gentler(digits_npz, tmp_path, monkeypatch):
    strong = Augmentation(rotation=10, zoom=(0.8, 1.4), blur=0.4)
    assert strong.gentle() == Augmentation(rotation=5, zoom=(0.9, 1.2), blur=0.1)
    seen = []

    def watched(model, *data):
        seen.append(model.augmentation)
        return training_steps(model, *data)

    monkeypatch.setattr(fitting, "training_steps", watched)
    recipe = replace(FAST, epochs=3, gentle_epochs=2, augmentation=strong)
    train(TrainOptions(data=str(digits_npz), recipe=recipe, out=tmp_path / "run"))
    assert seen == [strong, strong.gentle()]
