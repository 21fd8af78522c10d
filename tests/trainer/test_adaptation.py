"""A trained model is adapted to pictures of one's own: nothing is forgotten, and what is known of it is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from digits_edge.common.keras_models import load_model, predict_logits
from digits_edge.common.labels_csv import NAME
from digits_edge.runtime.errors import GateFailed
from digits_edge.runtime.picture.png import encode
from digits_edge.trainer import Run
from digits_edge.trainer.adaptation import described, judge, wilson
from digits_edge.trainer.datasets.split import ENOUGH, REHEARSED, rehearsing, split, split_own
from digits_edge.trainer.fitting.checkpoint import checkpoint_path
from digits_edge.trainer.released import NAMES, model_file

SHORT = ("--epochs", 1, "--set", "outliers=0", "--set", "augmentation.elastic=0")


@pytest.fixture
def mine(tmp_path, digits):
    """A folder with six sevens and four ones, crossed out, as `digits-edge label` leaves it."""
    folder, lines = tmp_path / "mine", ["file,label"]
    folder.mkdir()
    for row in [*np.flatnonzero(digits.targets == 7)[:6], *np.flatnonzero(digits.targets == 1)[:4]]:
        pixels = digits.pixels[row].copy()
        pixels[14, 7:21] = 255
        (folder / f"{row}.png").write_bytes(encode(pixels))
        lines.append(f"{row}.png,{digits.targets[row]}")
    (folder / NAME).write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_each_released_model_is_there_and_reads(name, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = model_file(Path(name))
    model = load_model(file)
    assert (predict_logits(model, digits.pixels).argmax(axis=1) == digits.targets).mean() > 0.985
    assert file.stat().st_size < 4 * model.count_params() + 100_000  # no optimizer's state


def test_what_has_the_name_of_a_released_model_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compact").mkdir()
    assert str(model_file(Path("compact"))) == "compact/model.keras"


def test_few_pictures_are_judged_by_folds_and_the_old_ones_apart(mine, digits_npz, tmp_path, digits_edge):
    words = ("--init", "compact", "--data", mine, "--also", digits_npz, *SHORT, "--max-forgetting", 0.05)
    done = digits_edge("train", *words, "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    info = json.loads(done.out)
    judged = info["adaptation"]
    assert info["recipe"]["name"] == "adapt"
    assert info["init"] == "compact"
    assert judged["folds"] == 5
    assert judged["own"]["pictures"] == 10  # each once
    assert judged["rehearsed"]["pictures"] == 400 == info["split"]["validation"]
    assert judged["unjudged"] == list("02345689")
    assert 0 < judged["low"] < 1 - judged["own"]["wrong"] / 10 <= judged["high"] <= 1
    assert "fold 5 of 5" in done.err
    run = Run.open(tmp_path / "run")
    pixels, targets = run.validation()
    model = keras.models.load_model(run.model_path)
    assert (predict_logits(model, pixels).argmax(axis=1) != targets).sum() == judged["rehearsed"]["wrong"]
    assert all(layer.trainable for layer in model.layers)
    assert info["dataset"]["pictures"] == 10
    exported = digits_edge("export", run.path, "--int8", "--format", "onnx", "--no-benchmark", "--json")
    assert exported.code == 0, exported.err
    gate = json.loads(exported.out)["gate"]
    assert gate["judged_by"] == "the 400 pictures of the validation split of digits.npz"
    assert gate["pictures"] == 400
    assert gate["own"]["pictures"] == 10
    assert gate["own"]["trained_on"]
    assert [check["limit"] for check in gate["rungs"][-1]["own"]["checks"]] == ["min_agreement"]
    report = (run.path / "bundle/report.md").read_text(encoding="utf-8")
    assert "| own: changed labels " in report
    assert f"some of them answer {10 - judged['own']['wrong']} of 10 right" in report
    assert "own: accuracy" not in report
    assert "10 pictures of mine" in (run.path / "bundle/report.html").read_text(encoding="utf-8")
    told = digits_edge("evaluate", run.path, "--data", mine)
    assert "warning: the models were trained on all of mine" in told.err


def test_held_out_pictures_are_judged_apart(digits, digits_npz, tmp_path, digits_edge):
    own = tmp_path / "own.npz"
    rows = np.flatnonzero(digits.targets < 2)
    np.savez(own, x=digits.pixels[rows], y=digits.targets[rows])  # 200 a class
    words = ("--init", "micro", "--data", own, "--also", digits_npz, *SHORT, "--max-forgetting", 0.05)
    done = digits_edge("train", *words, "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    info = json.loads(done.out)
    assert info["adaptation"]["folds"] == 0
    assert info["adaptation"]["own"]["pictures"] == 80 == len(Run.open(tmp_path / "run").own()[0])
    assert info["split"]["validation"] == 400 == info["adaptation"]["rehearsed"]["pictures"]
    exported = digits_edge("export", tmp_path / "run", "--format", "onnx", "--no-benchmark", "--json")
    assert exported.code == 0, exported.err
    judged = json.loads(exported.out)["gate"]["rungs"][0]["own"]
    assert judged["pictures"] == 80
    assert judged["keras_wrong"] == info["adaptation"]["own"]["wrong"] == judged["wrong"]
    assert (judged["low"], judged["high"]) == wilson(80 - judged["wrong"], 80)
    assert "own: 95 % interval" in (tmp_path / "run/bundle/report.md").read_text(encoding="utf-8")


def test_what_forgets_is_refused_and_leaves_nothing(mine, digits_npz, tmp_path, digits_edge):
    words = ("--init", "micro", "--data", mine, "--also", digits_npz, *SHORT, "--set", "learning_rate=1")
    done = digits_edge("train", *words, "--out", tmp_path / "run", "--max-forgetting", 0, "--json")
    assert done.code == 1
    refused = json.loads(done.out)
    assert not refused["published"]
    assert refused["gate"]["adaptation"]["rehearsed"]["wrong"] > 4
    last = done.err.splitlines()[-1]
    assert "validation pictures of digits.npz were forgotten, --max-forgetting 0 allows 0; to try next: " in last
    assert not (tmp_path / "run").exists()
    assert not checkpoint_path(tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--also", "sample"), "--also: expected a model that could forget these pictures: --init MODEL"),
        (
            ("--init", "compact"),
            "--data, --also: expected pictures of your own and others to rehearse, received sample",
        ),
        (
            ("--init", "compact", "--data", "x", "--max-forgetting", 2),
            "--max-forgetting: expected a number from 0 to 1",
        ),
        (("--init", "compcat"), "compcat: expected a finished run"),
    ],
)
def test_what_cannot_be_adapted_is_one_line(tmp_path, refused, words, expected):
    words = words if "--data" in words or "--init" in words else ("--data", tmp_path / "x.csv", *words)
    assert expected in refused("train", "--out", tmp_path / "run", *words)
    assert list(tmp_path.iterdir()) == []


def test_pictures_of_a_class_that_the_model_does_not_know_are_refused(mine, tmp_path, refused):
    (mine / NAME).write_text((mine / NAME).read_text().replace(",1\n", ",tick\n"))
    said = refused("train", "--init", "compact", "--data", mine, "--out", tmp_path / "run")
    assert "expected classes among '0', '1', '2'" in said
    assert "found 'tick'; fine-tuning keeps the classes: teach a model a new one with Classifier.teach" in said


def test_with_enough_of_each_class_some_are_held_out(digits):
    own = replace(digits, pixels=digits.pixels[::10], targets=digits.targets[::10])  # 20 a class
    parts = split_own(own, 0.2, 0)
    assert not parts.folds
    assert len(parts.validation) == 40
    both = rehearsing(parts, split(digits, 0.2, 0))
    assert len(both.validation) == 400
    assert sorted(both.judged) == sorted(parts.validation)
    assert not set(both.judged) & set(both.train)
    fewer = replace(own, pixels=own.pixels[1:], targets=own.targets[1:])
    assert np.bincount(fewer.targets).min() == ENOUGH - 1
    parts = split_own(fewer, 0.2, 0)
    assert len(parts.train) == 199
    assert not len(parts.validation)
    assert sorted(parts.judged) == list(range(199))
    assert parts.folds == 5
    assert all(np.bincount(fewer.targets[fold]).min() >= 3 for fold in parts.held_out)  # each class in each fold


def test_an_epoch_has_own_pictures_often_enough_and_whole_batches(digits):
    few = replace(digits, pixels=digits.pixels[:7], targets=digits.targets[:7])
    parts = rehearsing(split_own(few, 0.2, 0), split(digits, 0.2, 0))
    rows = parts.epoch(128)
    assert len(rows) % 128 == 0
    assert 1 / 3 <= parts.is_own(rows).mean() < 0.4
    assert set(rows[~parts.is_own(rows)]) <= set(parts.train)
    assert len(rows) < 2 * REHEARSED
    fold = parts.held_out[0]
    assert not set(parts.without(fold).epoch(128)) & set(fold)
    assert len(parts.without(fold).epoch(128)) == len(rows)  # or each fold is compiled anew
    assert parts.own.fingerprint == few.fingerprint


def test_each_part_is_judged_apart(digits):
    few = replace(digits, pixels=digits.pixels[:7], targets=digits.targets[:7])
    parts = rehearsing(split_own(few, 0.2, 0), split(digits, 0.2, 0))
    old, own = (np.eye(10, dtype=np.float32)[parts.dataset.targets[rows]] for rows in (parts.validation, parts.judged))
    worse = old.copy()
    worse[:3] = worse[:3, ::-1]
    learnt = judge(parts, "a/old.npz", 0.002, rehearsed=(old, old), own=(own[:, ::-1], own))
    assert (learnt.own.wrong_before, learnt.own.wrong, learnt.rehearsed.wrong) == (7, 0, 0)
    assert "old.npz: 100.00% before" in list(described(learnt, "mine"))[-1]
    with pytest.raises(GateFailed, match=r"3 of 400 .* allows 1; .* or --max-forgetting 0\.0075"):
        judge(parts, "old", 0.002, rehearsed=(old, worse), own=(own, own))
    assert judge(parts, "old", 0.0075, rehearsed=(old, worse), own=(own, own)).rehearsed.wrong == 3


def test_the_interval_is_wilsons():
    assert np.allclose(wilson(10, 10), (0.7225, 1), atol=1e-4)
    assert np.allclose(wilson(19, 20), (0.7639, 0.9911), atol=1e-4)
