"""Conversions run in a child process that may die or hang, and nothing else dies or hangs with it."""

from __future__ import annotations

import importlib.util
import operator
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from digits_edge.export.convert.keras_model import KerasModelFile, read_facts
from digits_edge.export.engines.worker import Worker
from digits_edge.runtime.errors import ExportError, UsageError

START = Worker._start  # as it is without the warm children of conftest.py
ARTIFACTS = Path(__file__).parents[2] / "artifacts"
LENIENT = ("--max-drop", "0.02", "--max-error-ratio", "3", "--min-agreement", "0.95", "--max-drift", "0.05")
START = Worker._start  # before the session puts a warm child in its place


@pytest.fixture(autouse=True)
def workers_of_their_own(monkeypatch):
    monkeypatch.setattr(Worker, "_start", START)


def test_calls_run_in_one_child_on_the_tensorflow_backend(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with Worker(60) as convert:
        child = convert(os.getpid)
        assert child != os.getpid()
        assert convert(os.getenv, "KERAS_BACKEND") == "tensorflow"
        assert convert(operator.add, 2, 3) == 5
        assert convert(os.getpid) == child
    assert os.environ["KERAS_BACKEND"] == "jax"


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_a_child_that_dies_is_one_clear_error(death):
    expected = rf"the child process died in raise_signal \({death.name}.*\): out of memory, or a crash"
    with Worker(60) as convert, pytest.raises(ExportError, match=expected):
        convert(signal.raise_signal, death)


def test_a_child_that_hangs_is_stopped():
    started = time.monotonic()
    expected = r"sleep took more than 0.5 s and was stopped: --time-limit 1 allows more"
    with pytest.raises(ExportError, match=expected), Worker(0.5) as convert:
        convert(time.sleep, 600)
    assert time.monotonic() - started < 60


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_what_a_killed_child_leaves_in_its_temporary_folder_is_removed():
    with Worker(60) as convert:
        left = Path(convert(tempfile.mkdtemp))
        assert left.parent.parent == Path(tempfile.gettempdir())
        with pytest.raises(ExportError, match="SIGKILL"):
            convert(signal.raise_signal, signal.SIGKILL)
    assert not left.parent.exists()


def runs(process):
    """Whether it is there, and not as a dead one that nobody has asked about yet."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True).stdout.strip()
    return state != "" and not state.startswith("Z")


ORPHAN = """
import os, sys, time
from digits_edge.export.engines.worker import Worker
with Worker(600) as convert:
    print(convert(os.getpid), flush=True)
    convert(time.sleep, 600)
"""


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_a_child_does_not_outlive_a_parent_that_was_killed():
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert runs(child)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 60
    while runs(child):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_errors_of_ours_pass_as_they_are(tmp_path):
    with Worker(60) as convert, pytest.raises(ExportError, match=r"none\.keras: not readable as a Keras model"):
        convert(read_facts, KerasModelFile(tmp_path / "none.keras"))


SHADOWS = ("pickle", "logging", "random", "types", "multiprocessing", "numpy", "onnx", "flax", "sitecustomize")
MARKS = "open(__file__[:-3] + '.ran', 'w').close(); raise SystemExit(3)"


@pytest.fixture
def folder(tmp_path):
    """A current folder with files that bear the names of modules, and leave a mark if they are run."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(MARKS)
    return tmp_path


def run_in(folder, *words):
    """Run `digits-edge` as its script does, without the current folder on its path, and see that no file there ran."""
    command = [sys.executable, "-P", "-m", "digits_edge.cli", *map(str, words)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert list(folder.glob("*.ran")) == []
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("inspect", ARTIFACTS / "micro/model.tflite"),
        ("evaluate", ARTIFACTS / "micro", "--data", "few.npz"),
        ("benchmark", ARTIFACTS / "micro", "--rounds", 1),
        ("inspect", "own.keras"),
        pytest.param(("export", "run", "--int8", "--format", "tflite", *LENIENT), marks=pytest.mark.soak),
    ],
    ids=lambda words: " ".join(map(str, words[:2])).replace(str(ARTIFACTS), ""),
)
def test_no_file_of_the_current_folder_is_run(words, folder, trained, few_npz):
    shutil.copy(few_npz, folder / "few.npz")
    shutil.copytree(trained.path, folder / "run")
    shutil.copy(trained.path / "model.keras", folder / "own.keras")
    run_in(folder, *words)


def test_a_child_does_not_take_the_current_folder_from_its_parents_path(folder, monkeypatch):
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "my_layers.py").touch()
    monkeypatch.chdir(folder)
    with monkeypatch.context() as patch, Worker(60) as convert:
        patch.setattr(sys, "path", ["", str(folder), str(elsewhere), *sys.path])  # as of a notebook, and a script
        assert convert(importlib.util.find_spec, "my_layers") is not None
        assert convert(importlib.util.find_spec, "flax") is None
        assert str(folder) not in str(convert(importlib.util.find_spec, "random"))
    assert list(folder.glob("*.ran")) == []


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_time_limit_must_be_a_time(limit):
    with pytest.raises(UsageError, match="--time-limit: expected seconds, more than 0"):
        Worker(limit)
