"""A run that is stopped goes on as if it had not been."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import astuple, replace

import keras
import numpy as np
import pytest

from digits_edge.runtime.errors import RunError
from digits_edge.trainer import Run, TrainOptions, train
from digits_edge.trainer.fitting.checkpoint import Checkpoint, checkpoint_path
from digits_edge.trainer.recipes import FAST, Augmentation
from digits_edge.trainer.run_info import EpochMetrics

# So that one stop is in the midst of the gentle epochs; TensorFlow compiles few changes of pictures sooner than all.
FEW = Augmentation(rotation=5, shift=1, blur=0.2, noise=0.2)
RECIPE = replace(FAST, epochs=3, batch_size=100, gentle_epochs=2, augmentation=FEW)


class Stop(Exception):
    """Stands for the power going."""


def stop_after(epochs, monkeypatch):
    save = Checkpoint.save

    def saved_and_stopped(self, path):
        save(self, path)
        if len(self.history) == epochs:
            raise Stop

    monkeypatch.setattr(Checkpoint, "save", saved_and_stopped)


# The one has moving averages, the other dropout; after three epochs nothing is left but to write the run.
@pytest.mark.parametrize(("model", "done"), [("fast", 2), ("notebook", 1), ("fast", 3)])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(few_npz, tmp_path, monkeypatch, model, done):
    recipe = replace(RECIPE, model=model)
    whole = train(TrainOptions(data=str(few_npz), recipe=recipe, out=tmp_path / "whole"))
    options = TrainOptions(data=str(few_npz), recipe=recipe, out=tmp_path / "parted")
    with monkeypatch.context() as patched:
        stop_after(done, patched)
        with pytest.raises(Stop):
            train(options)
    with pytest.raises(RunError, match="the run is not finished"):
        Run.open(tmp_path / "parted")
    parted = train(replace(options, resume=True))
    assert not checkpoint_path(parted.path).exists()
    ours, theirs = (keras.models.load_model(run.model_path).get_weights() for run in (whole, parted))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for name in ("history.csv", "batches.csv"):
        rows = [np.loadtxt(run.path / name, delimiter=",", skiprows=1) for run in (whole, parted)]
        np.testing.assert_allclose(rows[0], rows[1], atol=1e-4)
    assert astuple(whole.info.best) == pytest.approx(astuple(parted.info.best), abs=1e-4)


def test_an_interrupted_run_is_neither_lost_nor_resumed_as_another(few_npz, tmp_path, monkeypatch, refused):
    options = TrainOptions(data=str(few_npz), recipe=RECIPE, out=tmp_path / "run")
    with monkeypatch.context() as patched:
        stop_after(1, patched)
        with pytest.raises(Stop):
            train(options)
    kept = checkpoint_path(options.out).read_bytes()
    words = ("train", "--data", few_npz, "--out", tmp_path / "run", "--recipe", "fast", "--set", "batch_size=100")
    assert "an interrupted run is here; continue with --resume or start over with --force" in refused(*words)
    with pytest.raises(
        RunError, match=r"the interrupted run has recipe.epochs = 3, received 40; resume it with the settings"
    ):
        train(replace(options, recipe=replace(RECIPE, epochs=40), resume=True))
    with pytest.raises(RunError, match=r"the interrupted run has seed = 7, received 8"):
        train(replace(options, seed=8, resume=True))
    assert checkpoint_path(options.out).read_bytes() == kept
    assert "--resume, --force: expected one of them, received both" in refused(*words, "--resume", "--force")
    assert train(replace(options, force=True)).info.metrics.val_accuracy > 0


def test_there_must_be_something_to_resume(few_npz, tmp_path, refused):
    line = refused("train", "--data", few_npz, "--out", tmp_path / "run", "--resume")
    assert "expected an interrupted run to resume, found none" in line
    path = checkpoint_path(tmp_path / "run")
    path.write_bytes(b"PK not so")
    with pytest.raises(RunError, match=r"damaged: .*; start over with --force"):
        Checkpoint.load(path)


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    good = Checkpoint(
        {"a": 1}, [EpochMetrics(1, 0.5, 0.8, 0.6, 0.7)], [(1, 1, 0.5)], 2.0, [np.arange(3)], [np.ones(2)], 1
    )
    good.save(path)

    def half_written(file, **arrays):
        file.write(b"half")
        raise Stop

    monkeypatch.setattr(np, "savez", half_written)
    with pytest.raises(Stop):
        replace(good, seconds=3.0).save(path)
    again = Checkpoint.load(path)
    assert (again.seconds, again.history, again.batches) == (2.0, good.history, good.batches)
    np.testing.assert_array_equal(again.state[0], np.arange(3))


# Where the tests run in the background, their children are born deaf to Ctrl-C.
LISTENING = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from digits_edge.cli import main
main()
"""


def test_ctrl_c_and_kill_9_can_be_resumed(digits_npz, tmp_path, digits_edge):
    """The command is stopped twice, once politely, and lists what is there in between."""
    words = ["train", "--data", str(digits_npz), "--recipe", "fast", "--epochs", "30", "--out", str(tmp_path / "run")]
    for how, more in ((signal.SIGINT, []), (signal.SIGKILL, ["--resume"])):
        command = [sys.executable, "-c", LISTENING, *words, *more]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            epochs = (line for line in process.stderr if line.startswith("epoch"))
            next(epochs), next(epochs)
            process.send_signal(how)
            said = process.stderr.read()
            assert process.wait() == (130 if how == signal.SIGINT else -signal.SIGKILL)
        assert ("with the same command, --resume and no --force" in said) == (how == signal.SIGINT)
        assert "Traceback" not in said
    (listed,) = json.loads(digits_edge("runs", tmp_path, "--json").out)
    assert listed["status"] == "interrupted"
    assert 2 <= listed["epoch"] < 30  # of each stop the epoch that was just told may still have been unsaved
    assert "no: --resume" in digits_edge("runs", tmp_path).out
    assert "the run is not finished" in digits_edge("export", tmp_path / "run").err


def test_finished_runs_are_listed_with_their_figures(trained, digits_edge):
    out = digits_edge("runs", trained.path.parent).out
    assert f"{trained.info.metrics.val_accuracy:.2%}" in out
    assert "48,946" in out
    assert "5/5" in out
    (listed,) = json.loads(digits_edge("runs", trained.path.parent, "--json").out)
    assert listed["best_epoch"] == trained.info.best.epoch
    assert listed["status"] == "finished"


UNIX_PIPE = pytest.param("pipe", marks=pytest.mark.skipif(os.name == "nt", reason="pipes have names on Unix"))


@pytest.mark.parametrize("damage", ["empty dataset", "huge", "checkpoint", UNIX_PIPE])
def test_a_damaged_run_is_one_line_among_the_others(damage, tmp_path, trained, digits_edge):
    shutil.copytree(trained.path, tmp_path / "good")
    bad = shutil.copytree(trained.path, tmp_path / "bad") / "run.json"
    if damage == "empty dataset":
        bad.write_text(json.dumps({**trained.info.to_json(), "dataset": {}}))
    elif damage == "huge":
        os.truncate(bad, 2**42)
    elif damage == "pipe":
        os.mkfifo(checkpoint_path(tmp_path / "piped"))
    else:
        words = {"plan": {"recipe": []}, "history": [[1, 0.5, 0.8, 0.6, 0.7]], "batches": [], "seconds": 1.0}
        packed = np.frombuffer(json.dumps({**words, "best_epoch": 1}).encode(), np.uint8)
        with checkpoint_path(tmp_path / "killed").open("wb") as file:
            np.savez(file, words=packed)
    done = digits_edge("runs", tmp_path)
    assert done.code == 0, done.err
    assert f"{trained.info.metrics.val_accuracy:.2%}" in done.out
    assert len(done.err.splitlines()) == 1


def test_no_runs_and_a_damaged_one(tmp_path, own_run, digits_edge):
    assert "make one with: digits-edge train" in digits_edge("runs", own_run.path / "plots").out
    assert "expected a folder of runs, found none at" in digits_edge("runs", tmp_path / "none").err
    (own_run.path / "run.json").write_text("{")
    assert "not readable as JSON" in digits_edge("runs", tmp_path).err
    (listed,) = json.loads(digits_edge("runs", tmp_path, "--json").out)
    assert listed["val_accuracy"] is None
